# SPDX-License-Identifier: Apache-2.0
"""The multiple-feedback band-pass: two resistors in, one back, two equal capacitors, an op-amp.

R1 leads from the input to a node, R2 from there to ground, one capacitor from there to the output
and one to the inverting input, R3 from the output to the inverting input. With R = R1 || R2 and
an ideal op-amp (G. Deliyannis, "High-Q factor circuit with reduced sensitivity", 1968)

    w0 = 1 / (C sqrt(R R3))        Q = sqrt(R3 / R) / 2        gain = R3 / (2 R1) <= 2 Q^2
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from tinykit.frontends.analog.response import Response
from tinykit.frontends.analog.series import neighbours
from tinykit.frontends.fixed import FloatArray

#: Feedback resistors near this, ohm: the current is small, and stray capacitance still harmless.
_FEEDBACK_OHM = 680e3
#: Capacitors come in fewer values than resistors.
_CAPACITOR_SERIES = "E12"
_SMALLEST_FARAD = 100e-12
_BOLTZMANN = 1.380649e-23
#: How many values around each ideal part are tried.
_TRIED = 3


@dataclass(frozen=True)
class Mfb:
    """Stages of a bank; every array is (filters,) float64.

    Attributes:
        r1, r2, r3: ohm; `r2` is infinite where it is left out.
        c1, c2: farad; from the node to the output, and to the inverting input.
    """

    r1: FloatArray
    r2: FloatArray
    r3: FloatArray
    c1: FloatArray
    c2: FloatArray

    @property
    def _conductance(self) -> FloatArray:
        return 1.0 / self.r1 + 1.0 / self.r2

    def ideal(self) -> Response:
        """The response with an ideal op-amp; capacitors may differ."""
        angular = np.sqrt(self._conductance / (self.r3 * self.c1 * self.c2))
        quality = angular * self.r3 * self.c1 * self.c2 / (self.c1 + self.c2)
        gain = self.r3 / self.r1 * self.c2 / (self.c1 + self.c2)
        return Response(angular / (2.0 * np.pi), quality, gain)

    def response(self, gain_bandwidth: float | FloatArray) -> Response:
        """The response with an op-amp of gain 2 pi `gain_bandwidth` / s.

        The circuit's equations give a third pole, far above; centre and quality are those of the
        pair that is left. To first order the centre falls by Q f0 / gain_bandwidth of itself.

        Args:
            gain_bandwidth: Hz, one or (filters,); infinite for ideal op-amps.
        """
        ideal = self.ideal()
        if np.isinf(gain_bandwidth).all():
            return ideal
        w0, pole = 2.0 * np.pi * ideal.centre, 2.0 * np.pi * np.asarray(gain_bandwidth)
        width = w0 / ideal.quality
        # The poles: s^2 + width s + w0^2 + (s / pole) (s^2 + noise s + w0^2) = 0.
        noise = width + self._conductance / self.c1
        ones = np.ones_like(w0)
        cubic = np.stack([ones / pole, 1.0 + noise / pole, width + w0**2 / pole, w0**2 * ones], -1)
        roots = np.array([np.sort_complex(np.roots(row)) for row in cubic])
        far = np.argmax(np.abs(roots), axis=1)
        near = np.array([np.delete(row, index) for row, index in zip(roots, far, strict=True)])
        angular = np.sqrt(near.prod(axis=1).real)
        quality = angular / -near.sum(axis=1).real
        third = -roots[np.arange(len(roots)), far].real
        height = ideal.gain * width * pole / third * quality / angular
        height /= np.abs(1.0 + 1j * angular / third)
        return Response(angular / (2.0 * np.pi), quality, height)

    def noise_density(self, op_amp: float, kelvin: float) -> FloatArray:
        """(filters,) V / sqrt(Hz) at the input that stands for all noise within the pass-band.

        The op-amp's own voltage noise appears at the output times 1 + 2 Q^2 at the centre, the
        thermal noise of R1 and R2 as a current into the node, that of R3 times sqrt(Q^2 + 1).

        Args:
            op_amp: voltage noise of the op-amp, V / sqrt(Hz).
            kelvin: temperature.
        """
        found = self.ideal()
        thermal = 4.0 * _BOLTZMANN * kelvin
        amplified = (op_amp * 2.0 * found.quality**2 / found.gain) ** 2
        node = thermal * self._conductance * self.r1**2
        feedback = thermal * self.r3 * (found.quality**2 + 1.0) / found.gain**2
        return np.sqrt(amplified + node + feedback)


def _capacitors(wanted: Response, count: int) -> FloatArray:
    """(filters, count) farad: values with which the feedback resistor is near its size."""
    ideal = wanted.quality / (np.pi * wanted.centre * _FEEDBACK_OHM)
    return np.maximum(neighbours(ideal, _CAPACITOR_SERIES, count), _SMALLEST_FARAD)


def exact(wanted: Response, capacitor: FloatArray | None = None) -> Mfb:
    """Stages with ideal resistors around capacitors of the E12 series.

    Args:
        wanted: gains at most 2 Q^2.
        capacitor: (filters,) farad, instead.
    """
    c = _capacitors(wanted, 1)[:, 0] if capacitor is None else capacitor
    angular = 2.0 * np.pi * wanted.centre
    r3 = 2.0 * wanted.quality / (angular * c)
    r1 = r3 / (2.0 * wanted.gain)
    shunt = 2.0 * wanted.quality * angular * c - 1.0 / r1
    left_out = shunt <= 1e-9 / r1
    r2 = np.where(left_out, np.inf, 1.0 / np.where(left_out, 1.0, shunt))
    return Mfb(r1, r2, r3, c, c)


def design(wanted: Response, series: str) -> Mfb:
    """Stages of parts that are sold: resistors of `series`, capacitors of E12.

    Of the values around the ideal ones those are taken whose centre, in widths, quality and gain
    are closest together.
    """
    tried = [
        Mfb(r1, r2, r3, one.c1, one.c2)
        for one in (exact(wanted, c) for c in _capacitors(wanted, _TRIED).T)
        for r1, r2, r3 in product(
            *(neighbours(r, series, _TRIED).T for r in (one.r1, one.r2, one.r3))
        )
    ]
    best = np.argmin([_distance(one.ideal(), wanted) for one in tried], axis=0)

    def taken(name: str) -> FloatArray:
        return np.array([getattr(one, name) for one in tried])[best, np.arange(len(best))]

    return Mfb(taken("r1"), taken("r2"), taken("r3"), taken("c1"), taken("c2"))


def _distance(found: Response, wanted: Response) -> FloatArray:
    centre = np.log(found.centre / wanted.centre) * 2.0 * wanted.quality
    quality = np.log(found.quality / wanted.quality)
    gain = np.log(found.gain / wanted.gain)
    # A threshold makes good for a gain, nothing for a centre.
    return centre**2 + quality**2 + 0.1 * gain**2
