# SPDX-License-Identifier: Apache-2.0
"""What changed since a saved baseline: counts, flash, arena and stack, case by case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from tinykit.bench.result import FIGURES, Result, by_key


@dataclass(frozen=True)
class Change:
    """One figure that differs from the baseline.

    Attributes:
        case, core: where.
        figure: one of `FIGURES`.
        before, after: the figure; `after` is None where there is none any more.
        same_network: whether the baseline measured the same integers.
    """

    case: str
    core: str
    figure: str
    before: int
    after: int | None
    same_network: bool

    @property
    def percent(self) -> float:
        """How much it rose; infinite where it is lost or was 0."""
        if self.after is None or self.before == 0:
            return math.inf
        return 100.0 * (self.after - self.before) / self.before

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; a percentage that is infinite is null there."""
        return {
            **self.__dict__,
            "percent": round(self.percent, 3) if math.isfinite(self.percent) else None,
        }


def default_baseline() -> Path | None:
    """benchmarks/baseline.json of the checkout that tinykit runs from; None if there is none."""
    path = Path(str(resources.files("tinykit"))).parent / "benchmarks" / "baseline.json"
    return path if path.is_file() else None


def changes(baseline: Sequence[Result], results: Iterable[Result]) -> list[Change]:
    """Every figure of `results` that the baseline has otherwise, in the order of `results`.

    A result that is not exact has no figure that counts. Cases that only one of the two has are
    not compared.
    """
    known = by_key(baseline)
    found = []
    for result in results:
        before = known.get(result.key)
        if before is not None and before.figures is not None:
            found += _between(before, result)
    return found


def _between(before: Result, after: Result) -> list[Change]:
    figures = after.figures if after.exact else None
    same = before.network == after.network
    pairs = [
        (name, getattr(before.figures, name), getattr(figures, name, None)) for name in FIGURES
    ]
    return [
        Change(after.case, after.core, name, old, new, same)
        for name, old, new in pairs
        if old != new
    ]


def regressions(found: Iterable[Change], percent: float) -> list[Change]:
    """Those that rose by more than `percent`, or are lost."""
    return [change for change in found if change.percent > percent]
