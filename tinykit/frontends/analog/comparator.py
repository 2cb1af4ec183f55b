# SPDX-License-Identifier: Apache-2.0
"""Comparators behind the envelope detectors: fixed or causal adaptive thresholds, one bit a hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends.fixed import FloatArray


@dataclass(frozen=True)
class Comparator:
    """One comparator a filter, on the peak of each hop; amplitudes in full scales.

    The threshold is `max(level * reference, floor) * supply + offset`. The reference is 1, or,
    adaptive, the largest peak of all filters so far, which fades by `decay` of itself a hop. Only
    the past counts, and silence, which stays below the floor, fires no bit however faint the sound
    before it was.

    Attributes:
        levels: (filters,) float64.
        adaptive: whether the reference follows the sound.
        floor: the least threshold.
        decay: share of the reference that a hop takes away.
        hysteresis: a bit that is set stays until the peak is so far below the threshold.
        offset: of each comparator's input, (filters,) or one for all.
        supply: of what the thresholds are derived from, as a share of the nominal supply. A level
            that is a share of the reference does not depend on it.
    """

    levels: FloatArray
    adaptive: bool = False
    floor: float = 0.0
    decay: float = 0.0
    hysteresis: float = 0.0
    offset: FloatArray | float = 0.0
    supply: float = 1.0

    def references(self, peaks: NDArray[Any]) -> FloatArray:
        """(clips, hops, filters) -> (clips, hops, 1) float64: what the levels are shares of."""
        loudest = peaks.max(axis=2, keepdims=True).astype(np.float64)
        if not self.adaptive:
            return np.ones_like(loudest)
        kept = 1.0 - self.decay
        for hop in range(1, loudest.shape[1]):
            np.maximum(loudest[:, hop], kept * loudest[:, hop - 1], out=loudest[:, hop])
        return loudest

    def thresholds(self, peaks: NDArray[Any]) -> FloatArray:
        """(clips, hops, filters) -> the same shape, float64."""
        supply = 1.0 if self.adaptive else self.supply
        wanted = self.levels * self.references(peaks) * supply
        return np.maximum(wanted, self.floor * self.supply) + self.offset

    def bits(self, peaks: NDArray[Any]) -> NDArray[np.bool_]:
        """(clips, hops, filters) -> the same shape: which comparators were high in which hop."""
        high = self.thresholds(peaks)
        above = np.asarray(peaks > high)
        if self.hysteresis > 0.0:
            hold = peaks > high - self.hysteresis
            for hop in range(1, above.shape[1]):
                above[:, hop] |= hold[:, hop] & above[:, hop - 1]
        return above


def latched(
    waveforms: NDArray[Any], threshold: FloatArray, hysteresis: float, hop: int
) -> NDArray[np.bool_]:
    """What continuous comparators and a latch per hop make of fixed thresholds.

    `Comparator.bits` sees peaks alone. Without hysteresis it is the same; with it, it cannot know
    that an envelope fell below the lower threshold and rose again within a hop.

    Args:
        waveforms: (clips, filters, samples) envelopes.
        threshold: (filters,) at which an output goes high; it goes low `hysteresis` below.
        hysteresis: at least 0.
        hop: samples between resets of the latch, which the output sets again while it is high.

    Returns:
        (clips, samples // hop, filters).
    """
    clips, filters, samples = waveforms.shape
    setting = waveforms > threshold[:, None]
    clearing = waveforms <= threshold[:, None] - hysteresis
    # The state after a sample is what the last sample that set or cleared it says.
    index = np.arange(1, samples + 1)
    last_set = np.maximum.accumulate(np.where(setting, index, 0), axis=2)
    last_clear = np.maximum.accumulate(np.where(clearing, index, 0), axis=2)
    high = last_set > last_clear
    hops = samples // hop
    by_hop = high[..., : hops * hop].reshape(clips, filters, hops, hop)
    return np.asarray(by_hop.any(axis=3).transpose(0, 2, 1))
