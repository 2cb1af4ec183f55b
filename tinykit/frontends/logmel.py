# SPDX-License-Identifier: Apache-2.0
"""Log mel energies, computed in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tinykit.frontends.fixed import FloatArray, Int32Array
from tinykit.frontends.spectral import SpectralFrontend


@dataclass(frozen=True, kw_only=True)
class LogMel(SpectralFrontend):
    """The log mel energies themselves, each filter normalised: (49, n_mels, 1)."""

    kind: ClassVar[str] = "logmel"

    @property
    def columns(self) -> int:
        return self.n_mels

    def _rough(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (11.0,) * self.n_mels, (4.0,) * self.n_mels

    def _values(self, energies: Int32Array) -> Int32Array:
        return energies

    def _real_values(self, energies: FloatArray) -> FloatArray:
        return energies

    def _limit(self) -> int:
        return self.energy_limit
