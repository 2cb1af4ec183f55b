# SPDX-License-Identifier: Apache-2.0
"""Recursive filters over many recordings at once, in blocks.

A recursion is linear, so a block of outputs is one matrix times the block's inputs, the two
inputs before it and the two outputs before it. Those last outputs of all blocks obey a recursion
of their own, a block at a step. This does more arithmetic than running sample by sample, but in
matrix products, and is several times faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinykit.frontends.fixed import FloatArray

Float32Array = NDArray[np.float32]

#: Columns of a window beside the block's own inputs: two earlier inputs, two earlier outputs.
EARLIER = 4


def lfilter(b: ArrayLike, a: ArrayLike, x: NDArray, axis: int = 1) -> NDArray:  # type: ignore[type-arg]
    """scipy.signal.lfilter, imported when it is used: SciPy takes long to load."""
    from scipy import signal

    found: NDArray = signal.lfilter(b, a, x, axis=axis)  # type: ignore[type-arg]
    return found


def windows(x: Float32Array, block: int) -> Float32Array:
    """Blocks with what is before them; (clips, blocks * block) -> (clips, blocks, block + 4).

    The last two columns are free for the outputs before a block.
    """
    clips, samples = x.shape
    padded = np.zeros((clips, samples + 2), np.float32)
    padded[:, 2:] = x
    view = np.lib.stride_tricks.sliding_window_view(padded, block + 2, axis=1)[:, ::block]
    found = np.zeros((clips, samples // block, block + EARLIER), np.float32)
    found[..., : block + 2] = view
    return found


@dataclass(frozen=True)
class BlockFilter:
    """y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2], from silence.

    Attributes:
        matrix: (block + 4, block + 1) float32, of a window; the last column is 0.
        step: (2, 2) float64, what the last two outputs of a block do to those of the next.
    """

    matrix: Float32Array
    step: FloatArray

    @classmethod
    def of(cls, b: FloatArray, a: FloatArray, block: int) -> BlockFilter:
        """From coefficients (3,) each; a[0] is 1 and `block` is at least 2."""
        start = np.zeros((block + EARLIER, block))
        for tap in range(3):
            start[np.arange(block) + 2 - tap, np.arange(block)] = b[tap]
        start[-2, :2] = -a[1], -a[2]
        start[-1, 0] = -a[2]
        matrix = lfilter([1.0], a, start, axis=1)
        return cls(np.pad(matrix, ((0, 0), (0, 1))).astype(np.float32), matrix[-2:, [-1, -2]].T)

    def run(self, windowed: Float32Array) -> Float32Array:
        """Filter `windows(x, block)`, whose last two columns this overwrites.

        Returns:
            (clips, blocks, block + 1) float32, with a free last column for `Smoother`.
        """
        windowed[..., -2:] = 0.0
        ends = _product(windowed, self.matrix[:, [-2, -3]])
        windowed[:, 1:, -2:] = self._states(ends.astype(np.float64))[:, :-1]
        return _product(windowed, self.matrix)

    def _states(self, ends: FloatArray) -> FloatArray:
        """s[t] = ends[t] + step s[t-1] over axis 1 of (clips, blocks, 2).

        By Cramer's rule each component is a recursion of its own:
        (1 - trace z + det z^2) s = (1 - adjugate z) ends.
        """
        trace, determinant = np.trace(self.step), np.linalg.det(self.step)
        adjugate = trace * np.eye(2) - self.step
        driven = ends.copy()
        driven[:, 1:] -= ends[:, :-1] @ adjugate.T
        found: FloatArray = lfilter([1.0], [1.0, -trace, determinant], driven, axis=1)
        return found


@dataclass(frozen=True)
class Smoother:
    """e[n] = e[n-1] + alpha (r[n] - e[n-1]), from 0, in blocks.

    Attributes:
        matrix: (block + 1, block) float32, of the inputs and of e[-1].
    """

    matrix: Float32Array

    @classmethod
    def of(cls, alpha: float, block: int) -> Smoother:
        """From the share of a new value."""
        start = np.diag(np.full(block + 1, alpha))[:, :block]
        start[-1, 0] = 1.0 - alpha
        return cls(lfilter([1.0], [1.0, alpha - 1.0], start, axis=1).astype(np.float32))

    def run(self, r: Float32Array) -> Float32Array:
        """(clips, blocks, block + 1) float32, whose last column this overwrites.

        Returns:
            (clips, blocks, block) float32.
        """
        r[..., -1] = 0.0
        ends = _product(r, self.matrix[:, -1:])[..., 0]
        left = float(self.matrix[-1, -1])
        r[:, 1:, -1] = lfilter([1.0], [1.0, -left], ends[:, :-1], axis=1)
        return _product(r, self.matrix)


def _product(rows: Float32Array, matrix: Float32Array) -> Float32Array:
    """One matrix product for all recordings, which is faster than one for each."""
    found: Float32Array = rows.reshape(-1, rows.shape[2]) @ matrix
    return found.reshape(*rows.shape[:2], matrix.shape[1])
