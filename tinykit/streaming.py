# SPDX-License-Identifier: Apache-2.0
"""Sliding windows over samples as they come: the twin of what a streaming firmware does.

Each sample is turned into features once and kept in a ring, from which overlapping windows take
it; decisions may be smoothed by a majority. Bits of comparators come in captures, with sleep
between them. Mirrors firmware/src/stream/.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import Imu
from tinykit.network import Network, interpret, run_adaptive

MOST_VOTES = 255


@dataclass(frozen=True)
class Decision:
    """What one window gave.

    Attributes:
        index: of the window, from 0.
        label: the first class of the largest score.
        smoothed: the majority of the last labels.
        scores: the integer logits, one a class.
        features: CRC-32 of the window's features.
        exit: the exit that the network took, its number of exits where it ran to the end; None
            where it has none.
    """

    index: int
    label: int
    smoothed: int
    scores: tuple[int, ...]
    features: int
    exit: int | None = None


class Majority:
    """The class that most of the last `depth` votes are for.

    Where no class has more than every other, the previous decision stays.

    Args:
        depth: how many votes count, 1 to 255; 1 smooths nothing.
    """

    def __init__(self, depth: int) -> None:
        self.depth = _within("smooth", depth, MOST_VOTES)
        self._votes: deque[int] = deque(maxlen=depth)
        self.decision = 0

    def push(self, vote: int) -> int:
        """Take a vote; the decision."""
        self._votes.append(vote)
        counts = np.bincount(self._votes)
        leaders = np.flatnonzero(counts == counts.max())
        if len(leaders) == 1:
            self.decision = int(leaders[0])
        return self.decision


class Stream:
    """Samples in, decisions out.

    Args:
        network: the network.
        frontend: what turns a sample into features, in whose steps samples come.
        hop: samples from the start of a window to the start of the next.
        smooth: how many decisions the majority is of.
        mode: in which a network with exits runs, by its name; "" for the first.

    Attributes:
        mode_number: which of the network's modes that is; 0 where it has none.

    Raises:
        TinykitError: hop or smooth is out of range, or there is no such mode.
    """

    def __init__(
        self, network: Network, frontend: Imu, *, hop: int, smooth: int = 1, mode: str = ""
    ) -> None:
        self._decider, self._frontend = _Decider(network, smooth, mode), frontend
        self.mode_number = self._decider.mode_number
        self._hop = _within("hop", hop, 65535)
        self._ring: deque[NDArray[np.int8]] = deque(maxlen=frontend.rows)
        self._left = frontend.rows

    def push(self, samples: NDArray[np.int16]) -> list[Decision]:
        """Take samples, int16 (n, channels); the decisions of the windows that they complete."""
        rows = self._frontend.affine.apply(samples.astype(np.int32))
        windows = []
        for row in rows:
            self._ring.append(row)
            self._left -= 1
            if self._left == 0:
                self._left = self._hop
                windows.append(np.stack(self._ring)[:, None, :])
        return self._decider.decide(windows)


@dataclass(frozen=True)
class Capturing:
    """How rows of bits become windows.

    Attributes:
        rows: of a window.
        hop: rows from the start of a window to the start of the next.
        silence: empty rows after which a capture ends, once a window is complete.
        lead: rows of silence that the first window begins with; they came before the sound, while
            everything slept.

    Raises:
        TinykitError: a number is out of range.
    """

    rows: int
    hop: int
    silence: int
    lead: int

    def __post_init__(self) -> None:
        _within("hop", self.hop, 65535)
        _within("silence", self.silence, 65535)
        _within("lead", self.lead, self.rows - 1, least=0)


class Capture:
    """Rows of comparators' bits in, decisions out.

    The first row with a bit in it opens a capture; rows before that count for nothing.

    Args:
        network: the network.
        capturing: how rows become windows.
        smooth: how many decisions of a capture the majority is of.

    Attributes:
        ended: rows of each capture that has ended.
    """

    def __init__(self, network: Network, capturing: Capturing, *, smooth: int = 1) -> None:
        self._decider, self._capturing = _Decider(network, smooth), capturing
        self._shape = network.tensor(network.input).shape
        self._ring: deque[NDArray[np.int8]] = deque(maxlen=capturing.rows)
        self._open, self._decided = False, False
        self._left, self._quiet, self._rows, self._seen = 0, 0, 0, 0
        self.ended: list[int] = []

    def push(self, bits: NDArray[np.bool_]) -> list[tuple[int, Decision]]:
        """Take rows, bool (n, filters).

        Returns:
            The decisions, each with the number of rows, of all that were pushed, up to its window's
            end.
        """
        found = []
        for row in bits:
            self._seen += 1
            if self._takes(row):
                window = np.stack(self._ring).reshape(self._shape)
                found.append((self._seen, self._decider.decide([window])[0]))
            if self._open and self._decided and self._quiet >= self._capturing.silence:
                self._open = False
                self.ended.append(self._rows)
        return found

    def _takes(self, row: NDArray[np.bool_]) -> bool:
        """Whether a row completes a window."""
        how, silent = self._capturing, np.full(len(row), -1, np.int8)
        if not self._open:
            if not row.any():
                return False
            self._open, self._decided = True, False
            self._ring.extend([silent] * how.rows)
            self._left, self._quiet, self._rows = how.rows - how.lead, 0, 0
            self._decider.forget()
        self._rows += 1
        self._quiet = 0 if row.any() else self._quiet + 1
        self._ring.append(np.where(row, np.int8(1), silent))
        self._left -= 1
        if self._left:
            return False
        self._left, self._decided = how.hop, True
        return True


class _Decider:
    """Classifies windows, numbers and smooths the decisions."""

    def __init__(self, network: Network, smooth: int, mode: str = "") -> None:
        self._network, self._majority = network, Majority(smooth)
        self.mode_number = _mode_number(network, mode)
        self._windows = 0

    def forget(self) -> None:
        """Forget all votes."""
        self._majority = Majority(self._majority.depth)

    def decide(self, windows: Sequence[NDArray[np.int8]]) -> list[Decision]:
        """Windows of features, each of the network's input shape, to decisions."""
        if not windows:
            return []
        features = np.stack(windows)
        if not self._network.exits:
            scores = interpret(self._network, features)
            return [self._one(x, y, None) for x, y in zip(features, scores, strict=True)]
        mode = self._network.operating_modes[self.mode_number]
        scores, left = run_adaptive(self._network, features, mode)
        found = zip(features, scores, left.tolist(), strict=True)
        return [self._one(x, y, at) for x, y, at in found]

    def _one(
        self, features: NDArray[np.int8], scores: NDArray[np.int8], left: int | None
    ) -> Decision:
        label = int(np.argmax(scores))
        decision = Decision(
            index=self._windows,
            label=label,
            smoothed=self._majority.push(label),
            scores=tuple(scores.tolist()),
            features=zlib.crc32(features.tobytes()),
            exit=left,
        )
        self._windows += 1
        return decision


def _mode_number(network: Network, name: str) -> int:
    names = [mode.name for mode in network.operating_modes]
    if not name:
        return 0
    if name not in names:
        raise TinykitError(
            f"there is no mode {name!r}.",
            where=f"network {network.name}",
            remedy=f"Choose of {', '.join(names)}." if names else "It has no exits: give no mode.",
        )
    return names.index(name)


def _within(name: str, value: int, most: int, *, least: int = 1) -> int:
    if not least <= value <= most:
        remedy = f"Choose {least} to {most}."
        raise TinykitError(f"{name} is {value}.", where=f"--{name}", remedy=remedy)
    return value
