# SPDX-License-Identifier: Apache-2.0
"""A network behind an analog front end: what manufacture, loudness and rounding make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import Analog, analog_of
from tinykit.frontends.analog import Dac, Tolerances, Unit, divide, sample_unit
from tinykit.network import Network, interpret
from tinykit.progress import progress

Int16Array = NDArray[np.int16]
GAINS = (0.5, 1.0, 2.0, 4.0)
_DAC_BITS = 8
_SERIES = "E96"
# Levels of 0 and 1 always and never fire, which no part needs to be found for.
_LEAST = 1e-4


@dataclass(frozen=True)
class Yield:
    """Accuracies, 0 to 1, on the same clips.

    Attributes:
        clips: how many.
        nominal: of exact parts.
        rounded: with thresholds that parts can give, by part.
        gains: with the sound so many times as loud.
        units: of each manufactured unit.
    """

    clips: int
    nominal: float
    rounded: dict[str, float]
    gains: dict[float, float]
    units: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over units."""
        return float(np.mean(self.units))

    @property
    def fifth_percentile(self) -> float:
        """What 95 of 100 units reach."""
        return float(np.percentile(self.units, 5))

    def share_at(self, accuracy: float) -> float:
        """The yield: the share of units that reach an accuracy."""
        return float(np.mean(np.array(self.units) >= accuracy))


def simulate(
    network: Network,
    x: Int16Array,
    y: NDArray[np.int64],
    *,
    units: int,
    tolerances: Tolerances,
    seed: int = 0,
) -> Yield:
    """Monte Carlo over manufactured units.

    Args:
        network: whose front end is analog.
        x: clips, int16 (n, samples).
        y: their classes, (n,).
        units: how many are drawn.
        tolerances: how far their parts stray.
        seed: same seed, same units.

    Raises:
        TinykitError: another front end, or no units.
    """
    front = analog_of(network.frontend, f"network {network.name}")
    if units < 1:
        raise TinykitError(f"--units {units} are none.", remedy="Draw at least one.")

    def accuracy(front: Analog, sound: Int16Array, unit: Unit | None = None) -> float:
        rng = None if unit is None else np.random.default_rng(seed)
        features = np.where(front.bits(sound, unit, rng), 1, -1).astype(np.int8)[:, :, None]
        return float(np.mean(interpret(network, features).argmax(axis=1) == y))

    rng = np.random.default_rng(seed)
    found = []
    with progress() as bar:
        task = bar.add_task("units", total=units, note="")
        for _ in range(units):
            found.append(accuracy(front, x, sample_unit(front.stages, tolerances, rng)))
            bar.advance(task)
    return Yield(
        clips=len(x),
        nominal=accuracy(front, x),
        rounded={name: accuracy(one, x) for name, one in rounded(front).items()},
        gains={gain: accuracy(front, _louder(x, gain)) for gain in GAINS},
        units=tuple(found),
    )


def _louder(x: Int16Array, gain: float) -> Int16Array:
    return np.clip(np.rint(x * gain), -32768, 32767).astype(np.int16)


def rounded(front: Analog) -> dict[str, Analog]:
    """The front end with the nearest thresholds of a DAC and of dividers, by name of the part."""
    levels = np.array(front.levels)
    between = np.clip(levels, _LEAST, 1.0 - _LEAST)
    kept = (levels <= 0.0) | (levels >= 1.0)
    given = {
        f"a DAC of {_DAC_BITS} bits": Dac(_DAC_BITS, 1.0).realise(between),
        f"dividers of {_SERIES}": divide(between, 1.0, _SERIES).volts,
    }
    return {name: front.with_levels(np.where(kept, levels, some)) for name, some in given.items()}
