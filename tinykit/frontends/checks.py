# SPDX-License-Identifier: Apache-2.0
"""Checks of a front end's settings; each error names the field and what it may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

import numpy as np

from tinykit.errors import TinykitError
from tinykit.frontends.fixed import Int16Array


def fault(kind: str, field: str, value: object, needs: str) -> TinykitError:
    """The error for one field of the front end `kind`."""
    return TinykitError(
        f"the field {field!r} is {value!r}, but it must be {needs}.",
        where=f"front end {kind}",
        remedy=f"Change {field!r} in the recipe's front end.",
    )


def whole(kind: str, field: str, value: object, low: int, high: int) -> None:
    """`value` is an int in [low, high].

    Raises:
        TinykitError: it is not.
    """
    good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not good:
        raise fault(kind, field, value, f"a whole number from {low} to {high}")


def real(kind: str, field: str, value: object, low: float, high: float) -> None:
    """`value` is a finite number in [low, high].

    Raises:
        TinykitError: it is not.
    """
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise fault(kind, field, value, f"a number from {low:g} to {high:g}")


def reals(kind: str, field: str, value: object, length: int, low: float, high: float) -> None:
    """`value` is a tuple of `length` finite numbers in [low, high].

    Raises:
        TinykitError: it is not.
    """
    if not isinstance(value, tuple) or len(value) != length:
        raise fault(kind, field, value, f"a list of {length} numbers")
    for index, item in enumerate(value):
        real(kind, f"{field}[{index}]", item, low, high)


def settings(kind: str, frontend: Any) -> dict[str, object]:
    """A front end's fields, JSON-able: what `arguments` reads."""
    fields_ = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(frontend).items()
    }
    return {"kind": kind, **fields_}


def clips(kind: str, x: Int16Array, input_length: int) -> Int16Array:
    """`x`, if it is recordings of one channel, int16 (clips, input_length).

    Raises:
        TinykitError: another shape or dtype.
    """
    if x.dtype != np.int16 or x.ndim != 2 or x.shape[1] != input_length:
        raise TinykitError(
            f"recordings are {x.dtype} {x.shape}, expected int16 (clips, {input_length}).",
            where=f"front end {kind}",
            remedy="Resample and cut the recordings to the front end's rate and length.",
        )
    return x


def arguments(kind: str, cls: type[Any], config: Mapping[str, object]) -> dict[str, Any]:
    """The constructor arguments of the dataclass `cls` in a JSON-able `config`.

    Lists become tuples, whole numbers become floats where the field is one, and `kind` is left
    out. The values themselves are checked by the constructor.

    Raises:
        TinykitError: an unknown field, or one without a default that is missing.
    """
    known = {field.name: field for field in fields(cls)}
    given: dict[str, Any] = {}
    for name, value in config.items():
        if name == "kind":
            continue
        if name not in known:
            raise fault(kind, name, value, f"one of {', '.join(known)}; there is no such field")
        is_float = known[name].type == "float" and isinstance(value, int)
        converted = float(value) if is_float and not isinstance(value, bool) else value  # type: ignore[arg-type]
        given[name] = tuple(value) if isinstance(value, list) else converted
    for name, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING and name not in given:
            raise fault(kind, name, None, "given")
    return given
