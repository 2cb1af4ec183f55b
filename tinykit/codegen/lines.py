# SPDX-License-Identifier: Apache-2.0
"""The requantisation of narrow outputs as one multiplication, proven for every sum there is.

An output of 4 or 2 bits is a staircase of few steps over the sum of its channel. The Network
rounds twice; but as the steps are few, `(offset + (factor * sum >> 16)) >> fraction`, clamped at
the width, nearly always has the very same steps: a digital line. Where each step lies is found from
the Network's own rounding, and a factor and an offset are searched that put all of them there.

Halves round away from zero, so where outputs stand for both signs, as without a ReLU, a coarse
staircase has a kink at zero and no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import integer_range
from tinykit.network.requantize import requantize

IntArray = NDArray[np.int64]

_INT32_LIMIT = 1 << 31
# Factors tried on either side of the true one, nearest first.
_TRIES = 24
_FAR = np.int64(1) << 40


@dataclass(frozen=True)
class Staircases:
    """The outputs of the channels of a layer over their sums.

    Attributes:
        bias: (channels,) what is added to a sum first.
        reach: (channels,) the largest magnitude of a sum.
        multiplier, shift: (channels,) of the requantisation, the shift to the right.
        zero_point, bits: of the output, which is clamped at its width only.
    """

    bias: IntArray
    reach: IntArray
    multiplier: NDArray[np.integer[Any]]
    shift: NDArray[np.integer[Any]]
    zero_point: int
    bits: int

    def outputs(self, sums: IntArray) -> IntArray:
        """Outputs of (..., channels) sums, not clamped."""
        shift = -self.shift.astype(np.int64)
        return requantize(sums + self.bias, self.multiplier, shift, self.zero_point)

    def steps(self) -> IntArray:
        """(levels - 1, channels): the least sum of each output but the least; reach + 1 where no
        sum gives it."""
        low, high = integer_range(self.bits)
        wanted = np.arange(low + 1, high + 1)[:, None]
        shape = (len(wanted), len(self.bias))
        below = np.broadcast_to(-self.reach - 1, shape).astype(np.int64)
        above = np.broadcast_to(self.reach + 1, shape).astype(np.int64)
        while (above - below).max(initial=0) > 1:
            middle = (above + below) // 2
            # Both ends stand outside of what may be computed.
            inside = np.clip(middle, -self.reach, self.reach)
            reached = self.outputs(inside) >= wanted
            open_ = above - below > 1
            above = np.where(open_ & reached, middle, above)
            below = np.where(open_ & ~reached, middle, below)
        return above


@dataclass(frozen=True)
class Lines:
    """Factor (channels,) and offsets (staircases, channels), all within int32."""

    factor: IntArray
    offset: IntArray


def digital_lines(*stairs: Staircases, fraction: int, grain: int, parts: int = 1) -> Lines | None:
    """Lines with exactly the outputs of `stairs`; None where some channel has none.

    Args:
        stairs: what to compute; they share their factors, and differ in biases and reaches only.
        fraction: bits of a line below the output's.
        grain: what factors are multiples of.
        parts: of a sum, each of which is multiplied and cut for itself.
    """
    first = stairs[0]
    real = first.multiplier * 2.0 ** (fraction + 16 - 31 - first.shift.astype(np.float64))
    nearest = np.rint(real / grain).astype(np.int64)
    factor = np.zeros_like(nearest)
    offset = np.zeros((len(stairs), len(nearest)), np.int64)
    missing = np.ones(len(nearest), bool)
    steps = [one.steps() for one in stairs]
    for tried in sorted(range(-_TRIES, _TRIES + 1), key=abs):
        factors = np.maximum(nearest + tried, 0) * grain
        found = missing & (factors < _INT32_LIMIT)
        offsets = np.zeros_like(offset)
        for index, one in enumerate(stairs):
            fits, offsets[index] = _offsets(one, steps[index], factors, fraction, parts)
            found &= fits & (np.abs(offsets[index]) + _margin(one, factors) < _INT32_LIMIT)
        factor, offset = np.where(found, factors, factor), np.where(found, offsets, offset)
        missing &= ~found
        if not missing.any():
            return Lines(factor, offset)
    return None


def _offsets(
    stairs: Staircases, steps: IntArray, factor: IntArray, fraction: int, parts: int
) -> tuple[NDArray[np.bool_], IntArray]:
    """Whether some offset puts all steps of a channel in their places, and the one amid those."""
    low, high = integer_range(stairs.bits)
    levels = np.arange(low + 1, high + 1)[:, None] << fraction
    # Sums that are cut in parts come out smaller by less than their number.
    from_ = levels - (factor * steps >> 16) + parts - 1
    at_least = np.where(steps <= stairs.reach, from_, -_FAR).max(axis=0)
    to = levels - (factor * (steps - 1) >> 16)
    below = np.where(steps > -stairs.reach, to, _FAR).min(axis=0)
    # Where only one side is bound, stay close to it.
    at_least = np.where(at_least == -_FAR, below - (1 << fraction), at_least)
    below = np.minimum(below, at_least + (1 << fraction))
    return at_least < below, (at_least + below) // 2


def _margin(stairs: Staircases, factor: IntArray) -> IntArray:
    """What a line may go beyond its offset, on the way too."""
    return (factor * (stairs.reach + 1) >> 16) + (1 << 16)
