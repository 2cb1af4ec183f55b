# SPDX-License-Identifier: Apache-2.0
"""What comparators see, as features: for training, in which thresholds are still to be found.

A bit is 1 where `peak - offset` is above `level * reference` and above the floor. The feature is
the logarithm of `(peak - offset) / reference`, and least where the floor is not reached: comparing
it with a threshold is what the comparator does, whichever level the threshold stands for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends.analog.frontend import Analog
from tinykit.frontends.analog.recursion import Float32Array
from tinykit.frontends.analog.unit import Tolerances, Unit, sample_unit
from tinykit.frontends.fixed import Int8Array, Int16Array

# Steps of an octave. Adaptive levels reach 6.4 octaves below the loudest filter, fixed ones 10
# below full scale.
_STEPS = {"adaptive": 40, "fixed": 25}
# In octaves: about how far a filter's envelope strays from its mean.
_SPREAD = 2.0


@dataclass(frozen=True)
class Envelopes:
    """Envelopes of a bank on a logarithmic scale, (hops, 1, filters); its levels do not matter.

    Attributes:
        analog: the bank.
        units: how far the parts of drawn units stray, as a multiple of `Tolerances()`.
    """

    kind: ClassVar[str] = "envelopes"

    analog: Analog
    units: float = 0.0

    @property
    def input_length(self) -> int:
        """Samples in a clip."""
        return self.analog.input_length

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(hops, 1, filters)."""
        return self.analog.output_shape

    @property
    def _steps(self) -> int:
        return _STEPS[self.analog.threshold]

    @property
    def scale(self) -> float:
        """A step of the int8 result, in spreads of an envelope."""
        # Of float32, as scales of a Network's tensors are.
        return float(np.float32(1.0 / (_SPREAD * self._steps)))

    def to_config(self) -> dict[str, object]:
        """JSON-able settings."""
        return {
            "kind": self.kind,
            "analog": self.analog.to_config(),
            "units": self.units,
            "tolerances": asdict(Tolerances()) if self.units else None,
        }

    def integer(self, x: Int16Array) -> Int8Array:
        """What a bank of exact parts gives: int16 (clips, samples) to int8 (clips, *shape)."""
        return self._features(self.analog.peaks(x), None)

    def drawn(self, x: Int16Array, rng: np.random.Generator) -> Int8Array:
        """What one manufactured unit gives, drawn by `rng`; op-amp noise left out, which is slow
        to simulate and changes one bit in a thousand."""
        if not self.units:
            return self.integer(x)
        unit = sample_unit(self.analog.stages, Tolerances().times(self.units), rng)
        return self._features(self.analog.peaks(x, unit), unit)

    def _features(self, peaks: Float32Array, unit: Unit | None) -> Int8Array:
        comparator = self.analog.comparator(unit)
        seen = peaks - comparator.offset
        supply = 1.0 if comparator.adaptive else comparator.supply
        references = np.maximum(comparator.references(peaks) * supply, 1e-9)
        octaves = np.log2(np.maximum(seen / references, 1e-9))
        # -128 is below the floor, for which no level makes up.
        steps = np.clip(np.rint(127.0 + octaves * self._steps), -127, 127)
        heard = seen > comparator.floor * comparator.supply
        return np.where(heard, steps, -128.0).astype(np.int8)[:, :, None]

    def with_thresholds(self, least: NDArray[Any]) -> Analog:
        """The bank with the levels that thresholds on its features stand for.

        Args:
            least: (filters,) the least real feature that gives 1, infinite for none.

        Raises:
            TinykitError: no filter ever fires.
        """
        if not np.isfinite(least).any():
            raise TinykitError(
                "no filter gives a bit after training.",
                where="front end analog",
                remedy="Train longer, or with a lower floor.",
            )
        # A feature rounds up to the least one from half a step below.
        octaves = (np.rint(np.asarray(least) / self.scale) - 0.5 - 127.0) / self._steps
        return self.analog.with_levels(np.where(np.isfinite(least), 2.0**octaves, 1.0))
