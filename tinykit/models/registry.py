# SPDX-License-Identifier: Apache-2.0
"""Architectures by name, with their parameters checked against the builder's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from tinykit.errors import TinykitError
from tinykit.models.blueprint import Blueprint
from tinykit.models.bnn import bnn_1d, bnn_2d
from tinykit.models.ds_cnn import ds_cnn, ds_cnn_small
from tinykit.models.har_cnn import gmp, har_big_little, har_cnn
from tinykit.suggest import one_of

MODELS: dict[str, Callable[..., Blueprint]] = {
    "bnn_1d": bnn_1d,
    "bnn_2d": bnn_2d,
    "ds_cnn": ds_cnn,
    "ds_cnn_small": ds_cnn_small,
    "gmp": gmp,
    "har_big_little": har_big_little,
    "har_cnn": har_cnn,
}


def check_parameters(name: str, parameters: Mapping[str, Any], *, where: str = "[model]") -> None:
    """Refuse a model or parameter that does not exist, or a value of the wrong kind.

    Raises:
        TinykitError: names the key, the nearest known one and what is expected.
    """
    builder = MODELS[one_of(name, MODELS, what="model", where=where)]
    known = [p for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]
    names = [p.name for p in known]
    hints = get_type_hints(builder)
    for key, value in parameters.items():
        one_of(key, names, what=f"parameter of {name}", where=where)
        if not _fits(value, hints[key]):
            default = next(p.default for p in known if p.name == key)
            raise TinykitError(
                f"{key} = {value!r} is not a value that {name} can take.",
                where=where,
                remedy=f"Write something like {key} = {_toml(default)}.",
            )


def blueprint(
    name: str, input_shape: tuple[int, ...], classes: int, parameters: Mapping[str, Any]
) -> Blueprint:
    """The architecture `name` for an input shape and a number of classes.

    Raises:
        TinykitError: no such architecture or parameter, or the parameters leave no pixels.
    """
    check_parameters(name, parameters)
    try:
        return MODELS[name](input_shape, classes, **parameters)
    except ValueError as error:
        raise TinykitError(
            f"{error}.", where="[model]", remedy="Use smaller pools, strides or kernels."
        ) from error


def _fits(value: Any, hint: Any) -> bool:
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    arguments = get_args(hint)
    if get_origin(hint) is not None and all(isinstance(one, str) for one in arguments):
        return value in arguments
    # A sequence has a value for each of something; a collection may name none.
    return (
        isinstance(value, list | tuple)
        and (len(value) > 0 or get_origin(hint) is Collection)
        and all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in value)
    )


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
