# SPDX-License-Identifier: Apache-2.0
"""What others reach on the same shapes, and what tinykit aims at: read from anchors.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tinykit.bench.result import Result, by_key


@dataclass(frozen=True)
class Anchor:
    """A figure of another engine.

    Attributes:
        case, core: of this benchmark, whose shape it was measured on.
        figure: "instructions", "per_mac", "flash" or "arena".
        value: what the engine reaches.
        engine: its name.
        source: how the value was found.
        how: which of the engine's ways it is, where it has several.
        about: whether it is derived instead of counted.
    """

    case: str
    core: str
    figure: str
    value: float
    engine: str
    source: str
    how: str = ""
    about: bool = False


@dataclass(frozen=True)
class Goal:
    """A figure of our own that is aimed at.

    Attributes:
        case, core: of this benchmark.
        figure: as of an Anchor.
        at_most: the most that it may be; in parts of `against` where that is given.
        against: the case whose figure on the same core is the measure, or "".
        note: what sets it apart from another goal of the same figure.
    """

    case: str
    core: str
    figure: str
    at_most: float
    against: str = ""
    note: str = ""

    def is_about(self, case: str, core: str, figure: str) -> bool:
        """Whether it names this figure."""
        return (self.case, self.core, self.figure) == (case, core, figure)

    def verdict(self, results: Mapping[tuple[str, str], Result]) -> Verdict | None:
        """Held against measured results; None where what it needs was not measured exactly."""
        value = _figure(results.get((self.case, self.core)), self.figure)
        measure = 1.0
        if self.against:
            other = _figure(results.get((self.against, self.core)), self.figure)
            if other is None:
                return None
            measure = other
        if value is None:
            return None
        return Verdict(self, value / measure, value / measure <= self.at_most)


@dataclass(frozen=True)
class Verdict:
    """A goal and what was reached; `value` is in the goal's own unit."""

    goal: Goal
    value: float
    met: bool

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**self.goal.__dict__, "value": self.value, "met": self.met}


def _figure(result: Result | None, name: str) -> float | None:
    if result is None or not result.exact or result.figures is None:
        return None
    return result.figures.of(name)


@dataclass(frozen=True)
class Book:
    """All anchors and goals."""

    anchors: tuple[Anchor, ...]
    goals: tuple[Goal, ...]

    def anchors_of(self, case: str, core: str, figure: str) -> tuple[Anchor, ...]:
        """Those of one figure, the one to stand beside ours first."""
        wanted = (case, core, figure)
        return tuple(a for a in self.anchors if (a.case, a.core, a.figure) == wanted)

    def verdicts(self, results: Iterable[Result]) -> list[Verdict]:
        """Every goal that `results` can answer, in the order of the file."""
        known = by_key(list(results))
        found = [goal.verdict(known) for goal in self.goals]
        return [verdict for verdict in found if verdict is not None]


def load_anchors() -> Book:
    """The book that comes with tinykit."""
    text = resources.files("tinykit.bench").joinpath("anchors.toml").read_text()
    document = tomllib.loads(text)
    return Book(
        anchors=tuple(Anchor(**{"source": document["source"], **a}) for a in document["anchor"]),
        goals=tuple(Goal(**table) for table in document["goal"]),
    )
