# SPDX-License-Identifier: Apache-2.0
"""Other classifiers beside the networks of a search, and which networks they beat."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError

BASELINES = "baselines.json"


@dataclass(frozen=True)
class Baseline:
    """A classifier that no search found.

    Attributes:
        name: of it.
        flash: bytes of it.
        memory: bytes to compare with weights and arena of a network.
        macro_f1: on the validation part, 0 to 1.
        computed: its bytes are counted from its shape, not measured of compiled code.
    """

    name: str
    flash: float
    memory: float
    macro_f1: float
    computed: bool = False

    @property
    def title(self) -> str:
        """Its name, and whether its memory is computed."""
        return f"{self.name}, memory computed" if self.computed else self.name


@dataclass(frozen=True)
class Beaten:
    """A network of a front that a baseline scores higher than.

    Attributes:
        folder: of the network.
        memory: its bytes of weights and arena.
        by: the smallest such baseline, which has no more memory than the network if any has.
    """

    folder: str
    memory: int
    by: Baseline

    @property
    def smaller(self) -> bool:
        """Whether the baseline takes no more memory, so that the network is not worth having."""
        return self.by.memory <= self.memory


def load_baselines(folder: Path) -> list[Baseline]:
    """The baselines.json of a search folder; none where it has no such file.

    Raises:
        TinykitError: the file is broken.
    """
    path = folder / BASELINES
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [
            Baseline(
                name=str(r["name"]),
                flash=float(r["flash"]),
                memory=float(r.get("memory", r["flash"])),
                macro_f1=float(r["macro_f1"]),
                computed=bool(r.get("computed", False)),
            )
            for r in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TinykitError(
            f"the file is broken: {error}.",
            where=path,
            remedy="Write it again with `python benchmarks/har_baselines.py DATA --out FILE`.",
        ) from error


def beaten_by(rows: Iterable[Mapping[str, Any]], baselines: Iterable[Baseline]) -> list[Beaten]:
    """The networks of a front that any baseline beats in macro F1, each with the smallest one."""
    others = sorted(baselines, key=lambda one: one.memory)
    found = []
    for row in rows:
        better = [one for one in others if one.macro_f1 > row["macro_f1"]]
        if better:
            found.append(Beaten(row["folder"], row["memory"], better[0]))
    return found
