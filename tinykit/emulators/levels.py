# SPDX-License-Identifier: Apache-2.0
"""Levels of digital inputs over time, as Renode is to drive them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Runs inside Renode, in its Python 2: each step sets the pins that differ and schedules the next by
# the clock of the machine, so that no error adds up.
_DRIVE: Final = """\
from Antmicro.Renode.Time import TimeInterval

port = machine[{port!r}]
steps = [tuple(map(int, line.split())) for line in open({table!r})]
begin = machine.ElapsedVirtualTime.TimeElapsed
levels = [0]


def schedule(index):
    if index == len(steps):
        return
    due = begin + TimeInterval.FromMicroseconds(steps[index][0])
    machine.ScheduleAction(due - machine.ElapsedVirtualTime.TimeElapsed, lambda _: drive(index))


def drive(index):
    now = steps[index][1]
    for pin in range(32):
        if (now ^ levels[0]) >> pin & 1:
            port.OnGPIO(pin, bool(now >> pin & 1))
    levels[0] = now
    schedule(index + 1)


schedule(0)
"""


@dataclass(frozen=True, eq=False)
class Levels:
    """What inputs are to be driven with.

    Attributes:
        micros: int64 (n,), ascending, from when the firmware watches them.
        levels: uint32 (n,), from each of these moments on: bit i is pin i. Low before.
    """

    micros: NDArray[np.int64]
    levels: NDArray[np.uint32]

    def table(self) -> str:
        """A line a step."""
        pairs = zip(self.micros.tolist(), self.levels.tolist(), strict=True)
        return "".join(f"{at} {level}\n" for at, level in pairs)

    @staticmethod
    def driver(port: str, table: str) -> str:
        """Python for Renode that drives `port` as a file says; `machine` is given to it."""
        return _DRIVE.format(port=port, table=table)


def levels_of(bits: NDArray[np.bool_], hop: int) -> Levels:
    """Comparators that were high in these hops: rising in the middle of a hop, and falling after
    three quarters of the last one in a row.

    So what wakes a firmware lies in the middle of a hop, and nothing changes near its ends.

    Args:
        bits: (hops, lines), at most 32 lines.
        hop: microseconds.
    """
    weights = np.uint32(1) << np.arange(bits.shape[1], dtype=np.uint32)
    now = (bits * weights).sum(axis=1, dtype=np.uint32)
    following = np.append(now[1:], np.uint32(0))
    levels = np.stack([now, now & following], axis=1).reshape(-1)
    begins = np.arange(len(bits), dtype=np.int64) * hop
    micros = np.stack([begins + hop // 2, begins + 3 * hop // 4], axis=1).reshape(-1)
    before = np.concatenate([np.zeros(1, np.uint32), levels[:-1]])
    changes = levels != before
    return Levels(micros[changes], levels[changes])
