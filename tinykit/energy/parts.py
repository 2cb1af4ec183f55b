# SPDX-License-Identifier: Apache-2.0
"""The file of what parts draw: every figure with its part and its source, assumptions marked."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError

DEFAULT = Path(__file__).with_name("parts.toml")
_REMEDY = "Start from a copy of tinykit's own file, which `tinykit energy --show-parts` prints."


@dataclass(frozen=True)
class Figure:
    """One number, in SI units.

    Attributes:
        value: positive.
        unit: as text, "" for a plain number, "share" for one that cannot be above 1.
        part: what it belongs to.
        source: a document, a command, or a reason.
        assumption: whether no document supports it.
    """

    value: float
    unit: str
    part: str
    source: str
    assumption: bool = False


@dataclass(frozen=True)
class OpAmp:
    """An operational amplifier: quiescent current, A; supply, V; gain-bandwidth, Hz."""

    part: str
    current: float
    voltage: float
    gain_bandwidth: float
    source: str


@dataclass(frozen=True)
class Parts:
    """All figures by name, amplifiers, and batteries with their capacities in ampere hours."""

    figures: Mapping[str, Figure]
    op_amps: tuple[OpAmp, ...]
    batteries: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.figures[name].value

    def names(self) -> list[str]:
        """What can be varied: the figures, and the current of each amplifier."""
        return [*self.figures, *(f"op_amp.{one.part}.current" for one in self.op_amps)]

    def changed(self, name: str, factor: float) -> Parts:
        """The same with one of `names()` times `factor`; an efficiency stays within 1."""
        if name in self.figures:
            figure = self.figures[name]
            most = 1.0 if figure.unit == "share" else float("inf")
            return self.with_value(name, min(figure.value * factor, most), figure.source)
        op_amps = tuple(
            replace(one, current=one.current * factor) if name.split(".")[1] == one.part else one
            for one in self.op_amps
        )
        return replace(self, op_amps=op_amps)

    def with_value(self, name: str, value: float, source: str) -> Parts:
        """The same with another figure, which `source` supports."""
        figure = replace(self.figures[name], value=value, source=source)
        return replace(self, figures={**self.figures, name: figure})


def load_parts(path: Path | None = None) -> Parts:
    """Read a file of parts, or tinykit's own.

    Raises:
        TinykitError: it cannot be read, is no TOML, lacks a figure that the model needs, has one
            that it does not know, or a figure is no positive number.
    """
    where = path or DEFAULT
    try:
        table = tomllib.loads(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TinykitError(f"no file of parts: {error}.", where=where, remedy=_REMEDY) from error
    sections = {"figures": dict, "op_amps": list, "batteries": dict}
    for name, kind in sections.items():
        if not isinstance(table.get(name), kind) or not table[name]:
            raise TinykitError(f"lacks {name!r}.", where=where, remedy=_REMEDY)
    figures = {name: _figure(name, one, where) for name, one in table["figures"].items()}
    if where != DEFAULT:
        _same_names(figures, where)
    return Parts(
        figures,
        tuple(_op_amp(index, one, where) for index, one in enumerate(table["op_amps"])),
        {name: _number(name, one, where) for name, one in table["batteries"].items()},
    )


def _same_names(figures: Mapping[str, Figure], where: Path) -> None:
    known = set(load_parts().figures)
    for word, names in (("lacks", known - set(figures)), ("has unknown", set(figures) - known)):
        if names:
            listed = ", ".join(sorted(names))
            raise TinykitError(f"{word} figures: {listed}.", where=where, remedy=_REMEDY)


def _number(name: str, value: Any, where: Path) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value <= 0:
        raise TinykitError(
            f"{name!r} is {value!r}, but must be a positive number.", where=where, remedy=_REMEDY
        )
    return float(value)


def _texts(name: str, table: Any, keys: tuple[str, ...], where: Path) -> list[str]:
    if not isinstance(table, dict) or not all(isinstance(table.get(key), str) for key in keys):
        wanted = ", ".join(keys)
        raise TinykitError(f"{name!r} needs texts for {wanted}.", where=where, remedy=_REMEDY)
    return [table[key] for key in keys]


def _figure(name: str, table: Any, where: Path) -> Figure:
    unit, part, source = _texts(name, table, ("unit", "part", "source"), where)
    value = _number(name, table.get("value"), where)
    return Figure(value, unit, part, source, table.get("assumption") is True)


def _op_amp(index: int, table: Any, where: Path) -> OpAmp:
    name = f"op_amps[{index}]"
    part, source = _texts(name, table, ("part", "source"), where)
    current, voltage, speed = (
        _number(f"{name}.{key}", table.get(key), where)
        for key in ("current", "voltage", "gain_bandwidth")
    )
    return OpAmp(part, current, voltage, speed, source)
