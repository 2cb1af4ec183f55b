# SPDX-License-Identifier: Apache-2.0
"""Every mode of a network with exits on a board: the same exits and scores as the interpreter's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinykit.emulators import Session
from tinykit.emulators.conversation import Mark
from tinykit.network import Network
from tinykit.network.exits import taken
from tinykit.network.interpreter import exit_logits
from tinykit.network.ops import Int8Array


@dataclass(frozen=True)
class ModeResult:
    """What a board did in one mode.

    Attributes:
        name: of the mode.
        inferences: how many ran.
        wrong: how many left at another exit, or with other scores, than the interpreter.
        first_wrong: what the first of these did; empty if there is none.
        shares: of the inferences, by exit and last those that ran to the end.
        instructions: mean of an inference, exact; None where nothing counts.
    """

    name: str
    inferences: int
    wrong: int
    first_wrong: str
    shares: tuple[float, ...]
    instructions: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ModeRun:
    """Answers of a board to the same inputs in every mode: record by mode and input."""

    network: Network
    features: Int8Array
    records: list[list[dict[str, Any]]]

    def results(self, counts: Sequence[int]) -> list[ModeResult]:
        """One result a mode.

        Args:
            counts: instructions of the inferences in the order in which they ran; empty if unknown.
        """
        modes, each = self.network.operating_modes, len(self.features)
        logits = exit_logits(self.network, self.features)
        results = []
        for index, (mode, records) in enumerate(zip(modes, self.records, strict=True)):
            left = taken(logits, mode)
            wrong = []
            for i, (record, exit_) in enumerate(zip(records, left.tolist(), strict=True)):
                got = (record["mode"], record["exit"], record["scores"])
                want = (index, exit_, logits[exit_, i].tolist())
                if got != want:
                    wrong.append(f"input {i}: mode, exit and scores {got} instead of {want}")
            seen = np.bincount([r["exit"] for r in records], minlength=len(logits)) / max(each, 1)
            own = counts[index * each : (index + 1) * each]
            mean = float(np.mean(own)) if len(own) else None
            first = wrong[0] if wrong else ""
            shares = tuple(seen.tolist())
            results.append(ModeResult(mode.name, each, len(wrong), first, shares, mean))
        return results


def run_modes(
    session: Session, network: Network, features: Int8Array, tick: Callable[[], None]
) -> ModeRun:
    """Send `features`, int8 (n, *input shape), to a board in every mode; `tick` after each mode."""
    records = []
    for index in range(len(network.operating_modes)):
        session.set_mode(index)
        records.append([session.send_features(one) for one in features])
        tick()
    return ModeRun(network, features, records)


def split_marks(marks: Sequence[Mark], last: int) -> tuple[list[Mark], list[int]]:
    """Marks before the `last` inferences of a session, and the instructions of each of these."""
    begins = [i for i, mark in enumerate(marks) if mark.kind == "begin"]
    if not last or len(begins) < last:
        return list(marks), []
    starts = begins[-last:]
    ends = [*starts[1:], len(marks)]
    counts = []
    for start, end in zip(starts, ends, strict=True):
        layers = [mark.count for mark in marks[start:end] if mark.kind == "layer"]
        counts.append(layers[-1] - marks[start].count if layers else 0)
    return list(marks[: starts[0]]), counts
