# SPDX-License-Identifier: Apache-2.0
"""The whole front end in integers, for a microphone behind an ADC; mirrored by analog.c.

Signals are int16 samples with 13 more bits, coefficients have 29 bits below the point, and sums
of products are int64. Numerators sum to exactly 0, so that a constant input leaves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinykit.errors import TinykitError
from tinykit.frontends.analog.recursion import lfilter
from tinykit.frontends.analog.response import Response
from tinykit.frontends.fixed import Int8Array, Int16Array, Int32Array, Int64Array

#: Bits of a coefficient below the point, and of a signal below an int16 step.
COEFFICIENT_BITS = 29
SIGNAL_BITS = 13
#: Bits of an adaptive level below the point.
LEVEL_BITS = 15
#: An envelope of full scale.
UNIT = 1 << (15 + SIGNAL_BITS)
#: Recordings worked on together.
_CLIPS_AT_ONCE = 128


@dataclass(frozen=True)
class FixedBank:
    """Filters, rectifiers, envelopes and comparators in integers.

    Attributes:
        b, a: (filters, 3) int32 numerators, (filters, 2) int32 denominators without the 1.
        level: (filters,) int32: an envelope, or, adaptive, a share of the reference in Q15.
        hop: samples.
        envelope_shift: an envelope takes 1 / 2^shift of what it differs by at each sample.
        adaptive: as in `Comparator`.
        decay_shift: an adaptive reference loses 1 / 2^shift of itself each hop.
        floor, hysteresis: envelopes.
    """

    b: Int32Array
    a: Int32Array
    level: Int32Array
    hop: int
    envelope_shift: int
    adaptive: bool
    decay_shift: int
    floor: int
    hysteresis: int

    def peaks(self, x: Int16Array) -> Int32Array:
        """(clips, samples) int16 -> (clips, hops, filters) int32: largest envelope of each hop."""
        parts = [x[i : i + _CLIPS_AT_ONCE] for i in range(0, max(len(x), 1), _CLIPS_AT_ONCE)]
        return np.concatenate([self._peaks(part) for part in parts])

    def _peaks(self, x: Int16Array) -> Int32Array:
        hops = x.shape[1] // self.hop
        found = np.empty((hops, len(x), len(self.b)), np.int32)
        shape = found.shape[1:]
        samples = np.zeros((2 + hops * self.hop, len(x), 1), np.int64)
        samples[2:, :, 0] = x[:, : hops * self.hop].T.astype(np.int64) << SIGNAL_BITS
        state = (np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64))
        for hop in range(hops):
            begin = hop * self.hop
            state = self._run(samples[begin : begin + self.hop + 2], *state, found[hop])
        return found.transpose(1, 0, 2)

    def _run(
        self, x: Int64Array, y1: Int64Array, y2: Int64Array, e: Int64Array, peak: Int32Array
    ) -> tuple[Int64Array, Int64Array, Int64Array]:
        """One hop: two samples before it and its own -> outputs, envelope; the peak is written."""
        b, a = self.b.astype(np.int64), self.a.astype(np.int64)
        half = np.int64(1 << (COEFFICIENT_BITS - 1))
        driven: Int64Array = b[:, 0] * x[2:] + b[:, 1] * x[1:-1] + b[:, 2] * x[:-2] + half
        largest = np.zeros_like(e)
        for now in driven:
            y = (now - a[:, 0] * y1 - a[:, 1] * y2) >> COEFFICIENT_BITS
            y1, y2 = y, y1
            e = e + ((np.abs(y) - e) >> self.envelope_shift)
            np.maximum(largest, e, out=largest)
        peak[...] = largest
        return y1, y2, e

    def bits(self, peaks: Int32Array) -> Int8Array:
        """(clips, hops, filters) int32 -> the same shape, int8 of -1 and 1."""
        clips, hops, filters = peaks.shape
        out = np.empty(peaks.shape, np.int8)
        reference = np.zeros((clips, 1), np.int64)
        before = np.zeros((clips, filters), np.bool_)
        level = self.level.astype(np.int64)
        for hop in range(hops):
            now = peaks[:, hop].astype(np.int64)
            wanted = np.broadcast_to(level, now.shape)
            if self.adaptive:
                reference -= reference >> self.decay_shift
                np.maximum(reference, now.max(axis=1, keepdims=True), out=reference)
                wanted = (level * reference) >> LEVEL_BITS
            threshold = np.maximum(wanted, self.floor)
            before = now > threshold - np.where(before, self.hysteresis, 0)
            out[:, hop] = np.where(before, 1, -1)
        return out


def quantise(response: Response, rate: int) -> tuple[Int32Array, Int32Array]:
    """Coefficients of `FixedBank` that do what `response` does.

    Raises:
        TinykitError: some input could make a signal leave 32 bits.
    """
    b, a = response.biquads(rate)
    whole = np.rint(b * (1 << COEFFICIENT_BITS)).astype(np.int32)
    whole[:, 1] = -whole[:, 0] - whole[:, 2]
    fed_back = np.rint(a[:, 1:] * (1 << COEFFICIENT_BITS)).astype(np.int32)
    impulse = np.zeros(rate)
    impulse[0] = 1.0
    for index, (up, down) in enumerate(zip(b, a, strict=True)):
        # The worst input has the signs of the impulse response.
        most = np.abs(lfilter(up, down, impulse, axis=0)).sum() * UNIT
        if most * 1.01 >= 2.0**31:
            raise TinykitError(
                f"filter {index} amplifies some inputs {most / UNIT:.1f} times.",
                where="front end analog",
                remedy="Lower its gain.",
            )
    return whole, fed_back
