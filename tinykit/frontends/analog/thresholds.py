# SPDX-License-Identifier: Apache-2.0
"""Thresholds that parts can give: codes of a DAC, or resistors of a divider."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinykit.errors import TinykitError
from tinykit.frontends.analog.series import mantissas, neighbours
from tinykit.frontends.fixed import FloatArray, Int32Array

#: The upper resistor of a divider lies in the decade that starts here, ohm.
_TOP_OHM = 1e6


def _checked(volts: FloatArray, vref: float) -> FloatArray:
    wanted = np.asarray(volts, np.float64)
    if not np.all((wanted > 0.0) & (wanted < vref)):
        raise TinykitError(
            f"thresholds from {wanted.min():g} to {wanted.max():g} V are not between 0 V and the "
            f"reference of {vref:g} V.",
            where="front end analog",
            remedy="Amplify the microphone more or less, or choose another reference.",
        )
    return wanted


@dataclass(frozen=True)
class Dac:
    """A digital-to-analog converter whose code `c` gives `c / 2^bits * vref`.

    Attributes:
        bits: 1 to 16.
        vref: volts.
    """

    bits: int
    vref: float

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16 or not self.vref > 0.0:
            raise TinykitError(
                f"a DAC of {self.bits} bits and a reference of {self.vref:g} V cannot be.",
                where="front end analog",
                remedy="Take 1 to 16 bits and a positive reference.",
            )

    def codes(self, volts: FloatArray) -> Int32Array:
        """The nearest codes, never 0, at which noise alone would fire.

        Raises:
            TinykitError: a threshold is not between 0 and the reference.
        """
        codes = np.rint(_checked(volts, self.vref) / self.vref * (1 << self.bits))
        return np.clip(codes, 1, (1 << self.bits) - 1).astype(np.int32)

    def volts(self, codes: Int32Array) -> FloatArray:
        """What the codes give."""
        return np.asarray(codes / (1 << self.bits) * self.vref, np.float64)

    def realise(self, volts: FloatArray) -> FloatArray:
        """The closest thresholds that the part can give."""
        return self.volts(self.codes(volts))


@dataclass(frozen=True)
class Dividers:
    """Two resistors a threshold, from the reference to ground; arrays of one shape.

    Attributes:
        top, bottom: ohm.
        volts: at their joint.
    """

    top: FloatArray
    bottom: FloatArray
    volts: FloatArray


def divide(volts: FloatArray, vref: float, series: str) -> Dividers:
    """The pair of values of `series` that comes closest to each threshold, by ratio.

    The upper resistor is from 1 to 10 Mohm, so that a divider draws at most `vref` / 1 Mohm.

    Raises:
        TinykitError: a threshold is not between 0 and the reference, or no such series.
    """
    wanted = _checked(volts, vref)
    tops = mantissas(series) * _TOP_OHM
    ratio = wanted[..., None] / (vref - wanted[..., None])
    bottoms = neighbours(ratio * tops, series)[..., 0]
    given = vref * bottoms / (tops + bottoms)
    best = np.argmin(np.abs(np.log(given / wanted[..., None])), axis=-1)[..., None]
    take = [np.take_along_axis(one, best, -1)[..., 0] for one in (bottoms, given)]
    return Dividers(tops[best[..., 0]], take[0], take[1])
