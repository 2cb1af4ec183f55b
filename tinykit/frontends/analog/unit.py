# SPDX-License-Identifier: Apache-2.0
"""What manufacture, temperature and supply make of a bank: one unit drawn from the tolerances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinykit.errors import TinykitError
from tinykit.frontends.analog.mfb import Mfb
from tinykit.frontends.analog.response import Response
from tinykit.frontends.fixed import FloatArray

_CELSIUS = 273.15
_ROOM = 25.0


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """How far parts stray; every one is drawn evenly within its bounds.

    Attributes:
        resistor, capacitor: bounds on relative deviation of a part.
        resistor_ppm, capacitor_ppm: bounds on a part's temperature coefficient, 1e-6 / K.
        celsius: lowest and highest temperature; parts are specified at 25.
        gain_bandwidth: of the op-amp, Hz; infinite for an ideal one.
        gain_bandwidth_spread: bound on its relative deviation.
        noise: voltage noise of the op-amp, V / sqrt(Hz).
        offset: bound on a comparator's input offset, V.
        supply: lowest and highest supply as a share of the nominal.
        microphone_db: bound on the deviation of the microphone's sensitivity, dB.
        full_scale: volts at the filters' inputs that int16 full scale stands for.
    """

    resistor: float = 0.01
    capacitor: float = 0.05
    resistor_ppm: float = 100.0
    capacitor_ppm: float = 30.0
    celsius: tuple[float, float] = (0.0, 50.0)
    gain_bandwidth: float = 1e6
    gain_bandwidth_spread: float = 0.3
    noise: float = 50e-9
    offset: float = 0.003
    supply: tuple[float, float] = (0.95, 1.0)
    microphone_db: float = 1.0
    full_scale: float = 1.0

    def __post_init__(self) -> None:
        shares = ("resistor", "capacitor", "gain_bandwidth_spread")
        bounds = (*shares, "resistor_ppm", "capacitor_ppm", "noise", "offset", "microphone_db")
        good = all(getattr(self, name) >= 0.0 for name in bounds)
        good = good and all(getattr(self, name) < 1.0 for name in shares)
        good = good and self.gain_bandwidth > 0.0 and self.full_scale > 0.0
        if not good or not 0.0 < self.supply[0] <= self.supply[1] or self.celsius[0] < -_CELSIUS:
            raise TinykitError(
                f"no parts stray like this: {self}.",
                where="front end analog",
                remedy="Give bounds of at least 0, and relative ones below 1.",
            )

    def times(self, factor: float) -> Tolerances:
        """The same with the bounds on parts, offset and microphone wider or narrower."""
        names = ("resistor", "capacitor", "resistor_ppm", "capacitor_ppm", "offset")
        changed = {name: getattr(self, name) * factor for name in (*names, "microphone_db")}
        return replace(self, **changed)


@dataclass(frozen=True)
class Unit:
    """One manufactured front end at one moment.

    Attributes:
        response: what its band-passes do.
        noise: (filters,) at their inputs, full scales / sqrt(Hz).
        offset: (filters,) of the comparators, full scales.
        supply: share of the nominal supply.
        microphone: gain over the nominal microphone's, 1 for the same.
        celsius: temperature.
    """

    response: Response
    noise: FloatArray
    offset: FloatArray
    supply: float = 1.0
    microphone: float = 1.0
    celsius: float = _ROOM


def nominal_unit(stages: Mfb, tolerances: Tolerances) -> Unit:
    """The unit in which nothing strays: only gain-bandwidth and noise of the op-amp are left."""
    noise = stages.noise_density(tolerances.noise, _CELSIUS + _ROOM) / tolerances.full_scale
    response = stages.response(tolerances.gain_bandwidth)
    return Unit(response, noise, np.zeros_like(noise))


def sample_unit(stages: Mfb, tolerances: Tolerances, rng: np.random.Generator) -> Unit:
    """Draw one unit.

    Args:
        stages: the parts as designed.
        tolerances: how far they stray.
        rng: the same state gives the same unit.
    """
    filters = len(stages.r1)
    celsius = rng.uniform(*tolerances.celsius)

    def strayed(part: FloatArray, spread: float, ppm: float) -> FloatArray:
        made = 1.0 + rng.uniform(-spread, spread, filters)
        return part * made * (1.0 + rng.uniform(-ppm, ppm, filters) * 1e-6 * (celsius - _ROOM))

    resistor = (tolerances.resistor, tolerances.resistor_ppm)
    capacitor = (tolerances.capacitor, tolerances.capacitor_ppm)
    made = Mfb(
        *(strayed(part, *resistor) for part in (stages.r1, stages.r2, stages.r3)),
        *(strayed(part, *capacitor) for part in (stages.c1, stages.c2)),
    )
    spread = tolerances.gain_bandwidth_spread
    # Amplifiers of one package are alike; packages are not told apart here.
    gain_bandwidth = tolerances.gain_bandwidth * (1.0 + rng.uniform(-spread, spread, filters))
    return Unit(
        response=made.response(gain_bandwidth),
        noise=made.noise_density(tolerances.noise, _CELSIUS + celsius) / tolerances.full_scale,
        offset=rng.uniform(-1.0, 1.0, filters) * tolerances.offset / tolerances.full_scale,
        supply=rng.uniform(*tolerances.supply),
        microphone=float(10.0 ** (rng.uniform(-1.0, 1.0) * tolerances.microphone_db / 20.0)),
        celsius=celsius,
    )
