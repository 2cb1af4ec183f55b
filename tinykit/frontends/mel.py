# SPDX-License-Identifier: Apache-2.0
"""Mel filters as sparse integer weights, each filter a weighted mean of spectral power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends.fixed import FloatArray

#: A filter's weights sum to this, so that sums of 16-bit halves stay within uint32.
WEIGHT_SUM = 65535


def mel(hertz: FloatArray | float) -> FloatArray:
    """The HTK mel scale, 1127 ln(1 + f / 700)."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0), np.float64)


def mel_to_hertz(mels: FloatArray | float) -> FloatArray:
    """The inverse of `mel`."""
    return np.asarray(700.0 * np.expm1(np.asarray(mels) / 1127.0), np.float64)


def triangles(
    *, n_mels: int, n_fft: int, rate: int, lower_hz: float, upper_hz: float
) -> FloatArray:
    """(n_mels, n_fft // 2) float64: triangles on the mel axis, unit sum a row.

    Centres are evenly spaced in mel between the two limits. Unit sum instead of unit height
    shifts each log-energy by a constant, which normalisation takes out again. A row without any
    bin under it is all zero.
    """
    edges = np.linspace(mel(lower_hz), mel(upper_hz), n_mels + 2)
    at = mel(np.arange(n_fft // 2) * (rate / n_fft))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (at - low) / (middle - low)
    falling = (high - at) / (high - middle)
    height = np.maximum(np.minimum(rising, falling), 0.0)
    # No filter reads bin 0: a constant offset of the microphone is no sound.
    height[:, 0] = 0.0
    total = height.sum(axis=1, keepdims=True)
    return np.divide(height, total, out=np.zeros_like(height), where=total > 0.0)


@dataclass(frozen=True)
class SparseFilters:
    """Filter i is `weights[offset[i]:offset[i + 1]]`, on the bins from `first[i]` upwards.

    Attributes:
        first: (n_mels,) uint16.
        offset: (n_mels + 1,) uint16.
        weights: (offset[-1],) uint16; each filter's weights sum to 65535.
    """

    first: NDArray[np.uint16]
    offset: NDArray[np.uint16]
    weights: NDArray[np.uint16]

    @property
    def bins(self) -> int:
        """How many bins from 0 the filters read."""
        return int((self.first + np.diff(self.offset)).max())

    def dense(self) -> FloatArray:
        """(n_mels, bins) float64 of the same integers."""
        matrix = np.zeros((len(self.first), self.bins))
        for row, first, start, end in zip(
            matrix, self.first, self.offset[:-1], self.offset[1:], strict=True
        ):
            row[first : first + end - start] = self.weights[start:end]
        return matrix


def _round_to_sum(weights: FloatArray, total: int) -> NDArray[np.uint16]:
    """Largest remainders: integers that sum to `total`."""
    exact = weights * total
    down = np.floor(exact).astype(np.int64)
    missing = total - int(down.sum())
    order = np.argsort(-(exact - down), kind="stable")
    down[order[:missing]] += 1
    return down.astype(np.uint16)


def sparse_filters(matrix: FloatArray) -> SparseFilters:
    """The integer form of `triangles(...)`; every row must have a bin."""
    first, rows = [], []
    for row in matrix:
        used = np.flatnonzero(row)
        first.append(int(used[0]))
        rows.append(_round_to_sum(row[used[0] : used[-1] + 1], WEIGHT_SUM))
    offset = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return SparseFilters(np.array(first, np.uint16), offset.astype(np.uint16), np.concatenate(rows))
