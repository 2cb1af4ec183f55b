# SPDX-License-Identifier: Apache-2.0
"""From marks to instructions per layer, and from instructions to estimates of time and energy.

Instructions are exact: they belong to the firmware, and every emulator counts the same. Each count
runs from the first instruction of one mark function to that of the next, so it holds the return
from one mark and the call of the other. Cycles, seconds and joules are estimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinykit.boards import Board
from tinykit.emulators.conversation import Mark


@dataclass(frozen=True)
class Count:
    """Instructions of something that ran `times` times."""

    times: int
    mean: float
    least: int
    most: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Count:
        """Summarise `values`, of which there is at least one."""
        return cls(len(values), sum(values) / len(values), min(values), max(values))

    def as_dict(self) -> dict[str, float | int]:
        """For `--json`."""
        return {"times": self.times, "mean": self.mean, "min": self.least, "max": self.most}


@dataclass(frozen=True)
class Estimate:
    """What a number of instructions may cost on the real board; never a measurement.

    Attributes:
        cycles: instructions times the board's mean cycles per instruction.
        seconds: at the board's clock.
        joules: cycles times the board's energy per cycle.
        source: where the two factors come from.
    """

    cycles: float
    seconds: float
    joules: float
    source: str

    def as_dict(self) -> dict[str, float | str]:
        """For `--json`."""
        return {
            "estimated_cycles": self.cycles,
            "estimated_seconds": self.seconds,
            "estimated_joules": self.joules,
            "estimate_source": self.source,
        }


@dataclass(frozen=True)
class Measurement:
    """Instruction counts of a session.

    Attributes:
        inference: of whole inferences, or None if none was marked.
        layers: of each executed layer, in order.
        hop: of one push of samples into the front end, or None.
        clip: of all pushes between two inferences, or None.
    """

    inference: Count | None
    layers: tuple[Count, ...]
    hop: Count | None
    clip: Count | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""

        def shown(count: Count | None) -> dict[str, float | int] | None:
            return count.as_dict() if count else None

        return {
            "inference": shown(self.inference),
            "layers": [count.as_dict() for count in self.layers],
            "frontend_hop": shown(self.hop),
            "frontend_clip": shown(self.clip),
        }


def measure(marks: Iterable[Mark]) -> Measurement:
    """Group `marks`, in order of count, into inferences and front end pushes.

    An inference that exits early has fewer layers than others; each layer is summarised over the
    inferences that reached it. One cut short by the end of the session is left out if it has none.
    """
    inferences: list[list[int]] = []
    hops: list[int] = []
    clips: list[int] = []
    pushed, entered = 0, 0
    for mark in marks:
        if mark.kind == "frontend_begin":
            entered = mark.count
        elif mark.kind == "frontend_end":
            hops.append(mark.count - entered)
            pushed += hops[-1]
        elif mark.kind == "begin":
            inferences.append([mark.count])
            if pushed:
                clips.append(pushed)
            pushed = 0
        elif mark.kind == "layer" and inferences:
            inferences[-1].append(mark.count)
    whole = [counts for counts in inferences if len(counts) > 1]
    depth = max((len(counts) for counts in whole), default=1)
    return Measurement(
        inference=_count([counts[-1] - counts[0] for counts in whole]),
        layers=tuple(
            Count.of([counts[i] - counts[i - 1] for counts in whole if len(counts) > i])
            for i in range(1, depth)
        ),
        hop=_count(hops),
        clip=_count(clips),
    )


def _count(values: Sequence[int]) -> Count | None:
    return Count.of(values) if values else None


def estimate(instructions: float, board: Board) -> Estimate | None:
    """Time and energy of `instructions` on `board`; None on the host, where none is made."""
    figures = board.estimates
    if figures is None:
        return None
    cycles = instructions * figures.cycles_per_instruction
    return Estimate(
        cycles=cycles,
        seconds=cycles / board.clock_hz,
        joules=cycles * figures.pj_per_cycle * 1e-12,
        source=f"{figures.cycles_per_instruction:g} cycles per instruction "
        f"({figures.cycles_source}); {figures.pj_per_cycle:g} pJ per cycle "
        f"({figures.energy_source})",
    )
