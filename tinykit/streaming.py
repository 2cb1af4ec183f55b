# SPDX-License-Identifier: Apache-2.0
"""Sliding windows over samples as they come: the twin of what a streaming firmware does.

Each sample is turned into features once and kept in a ring, from which overlapping windows take
it; decisions may be smoothed by a majority. Mirrors firmware/src/stream/.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import Imu
from tinykit.network import Network, interpret

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
    """

    index: int
    label: int
    smoothed: int
    scores: tuple[int, ...]
    features: int


class Majority:
    """The class that most of the last `depth` votes are for.

    Where no class has more than every other, the previous decision stays.

    Args:
        depth: how many votes count, 1 to 255; 1 smooths nothing.
    """

    def __init__(self, depth: int) -> None:
        self._votes: deque[int] = deque(maxlen=_within("smooth", depth, MOST_VOTES))
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

    Raises:
        TinykitError: hop or smooth is out of range.
    """

    def __init__(self, network: Network, frontend: Imu, *, hop: int, smooth: int = 1) -> None:
        self._network, self._frontend = network, frontend
        self._hop = _within("hop", hop, 65535)
        self._majority = Majority(smooth)
        self._ring: deque[NDArray[np.int8]] = deque(maxlen=frontend.rows)
        self._left = frontend.rows
        self._windows = 0

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
        if not windows:
            return []
        scores = interpret(self._network, np.stack(windows))
        return [self._decide(x, y) for x, y in zip(windows, scores, strict=True)]

    def _decide(self, features: NDArray[np.int8], scores: NDArray[np.int8]) -> Decision:
        label = int(np.argmax(scores))
        decision = Decision(
            index=self._windows,
            label=label,
            smoothed=self._majority.push(label),
            scores=tuple(scores.tolist()),
            features=zlib.crc32(features.tobytes()),
        )
        self._windows += 1
        return decision


def _within(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise TinykitError(f"{name} is {value}.", where=f"--{name}", remedy=f"Choose 1 to {most}.")
    return value
