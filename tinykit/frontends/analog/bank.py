# SPDX-License-Identifier: Apache-2.0
"""The analog part as floats: band-passes, rectifiers, envelope detectors, up to each hop's peak.

Amplitudes are shares of the int16 full scale. What comparators make of them is in `comparator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinykit.frontends.analog.recursion import BlockFilter, Float32Array, Smoother, windows
from tinykit.frontends.analog.response import Response
from tinykit.frontends.fixed import FloatArray, Int16Array

FULL_SCALE = 32768.0
#: Longest block of a recursion; longer matrices do more arithmetic than they save.
_BLOCK = 40
#: Recordings worked on together, so that a filter's signals stay in a core's cache.
_CLIPS_AT_ONCE = 8


def block_of(hop: int) -> int:
    """The block length for a hop: its largest divisor up to 40, at least 2.

    >>> block_of(160)
    40
    """
    return max((size for size in range(2, _BLOCK + 1) if hop % size == 0), default=hop)


@dataclass(frozen=True)
class Bank:
    """A bank of filters, each with a full-wave rectifier and an RC envelope detector.

    Attributes:
        response: what the band-passes do.
        rate: samples a second, Hz.
        hop: samples of a hop, at least 2.
        tau: time constant of the envelope detectors, seconds.
        noise: (filters,) at each filter's input, full scales / sqrt(Hz); white. Or None.
    """

    response: Response
    rate: int
    hop: int
    tau: float
    noise: FloatArray | None = None

    @cached_property
    def _filters(self) -> list[BlockFilter]:
        b, a = self.response.biquads(self.rate)
        return [BlockFilter.of(*one, block_of(self.hop)) for one in zip(b, a, strict=True)]

    @cached_property
    def _detector(self) -> Smoother:
        return Smoother.of(float(-np.expm1(-1.0 / (self.rate * self.tau))), block_of(self.hop))

    def waveforms(self, x: Int16Array, rng: np.random.Generator | None = None) -> Float32Array:
        """The envelopes sample by sample.

        Args:
            x: (clips, samples) int16; samples beyond whole hops are left out.
            rng: for the noise; without it there is none.

        Returns:
            (clips, filters, samples) float32.
        """
        found = [self._envelope(x, index, rng) for index in range(len(self._filters))]
        return np.stack([one.reshape(len(x), -1) for one in found], axis=1)

    def peaks(self, x: Int16Array, rng: np.random.Generator | None = None) -> Float32Array:
        """The largest envelope of each hop.

        Args:
            x: (clips, samples) int16; samples beyond whole hops are left out.
            rng: for the noise; without it there is none.

        Returns:
            (clips, hops, filters) float32.
        """
        hops = x.shape[1] // self.hop
        found = np.empty((len(x), hops, len(self._filters)), np.float32)
        for first in range(0, len(x), _CLIPS_AT_ONCE):
            part = x[first : first + _CLIPS_AT_ONCE]
            shared = self._windows(part)
            for index in range(len(self._filters)):
                e = self._envelope(part, index, rng, shared)
                found[first : first + len(part), :, index] = e.reshape(len(part), hops, -1).max(2)
        return found

    def _windows(self, x: Int16Array, noise: Float32Array | None = None) -> Float32Array:
        whole = x.shape[1] // self.hop * self.hop
        sound = x[:, :whole] * np.float32(1.0 / FULL_SCALE)
        return windows(sound if noise is None else sound + noise, block_of(self.hop))

    def _envelope(
        self,
        x: Int16Array,
        index: int,
        rng: np.random.Generator | None,
        shared: Float32Array | None = None,
    ) -> Float32Array:
        """Filter `index`: (clips, blocks, block)."""
        if rng is not None and self.noise is not None:
            rms = np.float32(self.noise[index] * np.sqrt(self.rate / 2.0))
            whole = x.shape[1] // self.hop * self.hop
            white = rng.standard_normal((len(x), whole), dtype=np.float32)
            shared = self._windows(x, rms * white)
        y = self._filters[index].run(self._windows(x) if shared is None else shared)
        return self._detector.run(np.abs(y, out=y))
