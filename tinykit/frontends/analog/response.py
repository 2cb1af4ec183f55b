# SPDX-License-Identifier: Apache-2.0
"""Second-order band-passes, as the analog transfer function and as the recursion that follows it.

    H(s) = G (w0 / Q) s / (s^2 + (w0 / Q) s + w0^2)

The recursion has the poles of the analog filter (z = exp(s / rate)) and the numerator for which
gain is exact at 0 Hz, at the centre and at half the rate (M. Vicanek, "Matched Second Order
Digital Filters", 2016, with the gain at half the rate in place of the slope at the centre). The
bilinear transform, prewarped, is exact at the centre alone: it squeezes all above into the octave
that is left below half the rate, where these front ends have their highest channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends.fixed import FloatArray


@dataclass(frozen=True)
class Response:
    """Band-passes of a bank.

    Attributes:
        centre: (filters,) float64, Hz.
        quality: (filters,) float64, centre over the width between the -3 dB points.
        gain: (filters,) float64, at the centre.
    """

    centre: FloatArray
    quality: FloatArray
    gain: FloatArray

    def analog(self, frequency: FloatArray) -> NDArray[np.complex128]:
        """H at `frequency` (n,) in Hz: (filters, n) complex128."""
        ratio = np.asarray(frequency)[None, :] / self.centre[:, None]
        middle = 1j * ratio / self.quality[:, None]
        return np.asarray(self.gain[:, None] * middle / (1.0 - ratio**2 + middle), np.complex128)

    def biquads(self, rate: int) -> tuple[FloatArray, FloatArray]:
        """The recursion at `rate` Hz: numerator and denominator, each (filters, 3) float64.

        Centres must be below half the rate.
        """
        angle = 2.0 * np.pi * self.centre / rate
        damping = angle / (2.0 * self.quality)
        a1, a2 = _denominator(angle, damping)
        low, high, cross = (1.0 + a1 + a2) ** 2, (1.0 - a1 + a2) ** 2, -4.0 * a2
        p1 = np.sin(angle / 2.0) ** 2
        p0 = 1.0 - p1
        # Squared gain is (B1 p1 + 4 B2 p0 p1) / (A0 p0 + A1 p1 + 4 A2 p0 p1) at any frequency.
        nyquist = np.abs(self.analog(np.array([rate / 2.0]))[:, 0] / self.gain) ** 2
        b1_squared = nyquist * high
        centre = low * p0 + high * p1 + 4.0 * cross * p0 * p1
        b2_squared = np.maximum((centre - b1_squared * p1) / (4.0 * p0 * p1), 0.0)
        b1 = -0.5 * np.sqrt(b1_squared)
        b0 = 0.5 * (np.sqrt(b2_squared + b1**2) - b1)
        numerator = np.stack([b0, b1, -b0 - b1], axis=1) * self.gain[:, None]
        return numerator, np.stack([np.ones_like(a1), a1, a2], axis=1)


def _denominator(angle: FloatArray, damping: FloatArray) -> tuple[FloatArray, FloatArray]:
    """a1 and a2 of poles at z = exp(-damping +- sqrt(damping^2 - angle^2))."""
    root = np.sqrt((damping**2 - angle**2).astype(np.complex128))
    a1 = -2.0 * np.exp(-damping) * np.cosh(root).real
    return np.asarray(a1, np.float64), np.exp(-2.0 * damping)
