# SPDX-License-Identifier: Apache-2.0
"""Other classifiers beside a search's front: random forests, GMP, a CNN in floats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError
from tinykit.search.har import load_front
from tinykit.search.mixed import load_rows

BASELINES = "baselines.json"


@dataclass(frozen=True)
class Baseline:
    """Another classifier.

    Attributes:
        name: for people.
        memory: bytes of weights and activations, or of a forest's code and constants.
        macro_f1: on the validation part, 0 to 1.
    """

    name: str
    memory: float
    macro_f1: float


def load_baselines(folder: Path) -> list[Baseline]:
    """Those of a search's folder; none where it has no baselines.json.

    Raises:
        TinykitError: the file is broken.
    """
    path = folder / BASELINES
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Baseline(str(r["name"]), float(r["memory"]), float(r["macro_f1"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinykitError(
            f"the file is broken: {error}.",
            where=path,
            remedy="Write it again with `python benchmarks/har_baselines.py DATA --out FILE`.",
        ) from error


@dataclass(frozen=True)
class Standing:
    """What a search found, and the baselines that it is compared with.

    Attributes:
        front: rows of phase 1's front.
        mixed: rows of phase 2; none where it has not been.
        others: the baselines.
    """

    front: list[dict[str, Any]]
    mixed: list[dict[str, Any]]
    others: list[Baseline]

    @cached_property
    def unbeaten(self) -> list[tuple[Baseline, float]]:
        """As `unbeaten` gives them, for the networks of both phases."""
        return unbeaten(self.others, [*self.front, *self.mixed])


def load_standing(folder: Path) -> Standing:
    """What a search's folder holds.

    Raises:
        TinykitError: no finished search is there, or baselines.json is broken.
    """
    return Standing(load_front(folder), load_rows(folder), load_baselines(folder))


def unbeaten(
    baselines: Iterable[Baseline], networks: Sequence[Mapping[str, Any]]
) -> list[tuple[Baseline, float]]:
    """Baselines that no network beats in at most as much memory.

    Args:
        baselines: what is to be beaten.
        networks: rows with `memory` in bytes and `macro_f1` from 0 to 1.

    Returns:
        each with the best score within its memory, 0 where nothing fits.
    """
    found = []
    for one in baselines:
        within = [float(row["macro_f1"]) for row in networks if row["memory"] <= one.memory]
        best = max(within, default=0.0)
        if best <= one.macro_f1:
            found.append((one, best))
    return found
