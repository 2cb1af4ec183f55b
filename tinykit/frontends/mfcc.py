# SPDX-License-Identifier: Apache-2.0
"""Mel-frequency cepstral coefficients, computed in integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends import checks
from tinykit.frontends.fixed import FloatArray, Int16Array, Int32Array
from tinykit.frontends.spectral import SpectralFrontend

_DCT_BITS = 13


def dct_matrix(n_coefficients: int, n_mels: int) -> FloatArray:
    """(n_coefficients, n_mels) float64: the first rows of the orthonormal DCT-II."""
    k, j = np.arange(n_coefficients)[:, None], np.arange(n_mels)[None, :]
    matrix = np.sqrt(2.0 / n_mels) * np.cos(np.pi * k * (2 * j + 1) / (2 * n_mels))
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float64)


@dataclass(frozen=True, kw_only=True)
class Mfcc(SpectralFrontend):
    """The first `n_coefficients` of the orthonormal DCT-II of the log mel energies.

    The defaults are those of MLPerf Tiny's keyword spotter (30 ms frames every 20 ms, 40 filters
    from 20 Hz to 4 kHz, 10 coefficients), on power instead of magnitude: (49, 10, 1).
    """

    kind: ClassVar[str] = "mfcc"

    n_coefficients: int = 10

    def __post_init__(self) -> None:
        checks.whole(self.kind, "n_mels", self.n_mels, 1, 128)
        checks.whole(self.kind, "n_coefficients", self.n_coefficients, 1, self.n_mels)
        super().__post_init__()

    @property
    def columns(self) -> int:
        return self.n_coefficients

    def _rough(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        rest = self.n_coefficients - 1
        level = float(np.sqrt(self.n_mels))
        return (level * 11.0,) + (0.0,) * rest, (level * 4.0,) + (4.0,) * rest

    @cached_property
    def _dct(self) -> Int16Array:
        matrix = dct_matrix(self.n_coefficients, self.n_mels)
        return np.rint(matrix * (1 << _DCT_BITS)).astype(np.int16)

    def _values(self, energies: Int32Array) -> Int32Array:
        # Sums stay below 2^31, so float64 holds them exactly.
        total = (energies.astype(np.float64) @ self._dct.T.astype(np.float64)).astype(np.int32)
        return (total + (1 << (_DCT_BITS - 1))) >> _DCT_BITS

    def _real_values(self, energies: FloatArray) -> FloatArray:
        return energies @ dct_matrix(self.n_coefficients, self.n_mels).T

    def _limit(self) -> int:
        largest = int(np.abs(self._dct.astype(np.int64)).sum(axis=1).max()) * self.energy_limit
        if largest >= 1 << 31:
            raise checks.fault(self.kind, "n_mels", self.n_mels, "fewer, or the sum overflows")
        return (largest >> _DCT_BITS) + 1

    def c_tables(self) -> dict[str, NDArray]:  # type: ignore[type-arg]
        return {**super().c_tables(), "dct": self._dct}

    def c_constants(self) -> dict[str, int]:
        return {**super().c_constants(), "n_coefficients": self.n_coefficients}
