# SPDX-License-Identifier: Apache-2.0
"""The analog binary front end: a filter bank and one comparator a filter, one bit a hop and filter.

After G. Cerutti et al., "Sub-mW Keyword Spotting on an MCU: Analog Binary Feature Extraction and
Binary Neural Networks" (arXiv:2201.03386). `reference` is the analog part simulated in floats;
`integer` is what a microcontroller computes in its place from int16 samples, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import checks
from tinykit.frontends.analog import fixed_point
from tinykit.frontends.analog.bank import Bank
from tinykit.frontends.analog.channels import SPACINGS, Spacing, spaced
from tinykit.frontends.analog.comparator import Comparator
from tinykit.frontends.analog.fixed_point import FixedBank
from tinykit.frontends.analog.mfb import Mfb, design, exact
from tinykit.frontends.analog.recursion import Float32Array
from tinykit.frontends.analog.response import Response
from tinykit.frontends.analog.unit import Unit
from tinykit.frontends.fixed import FloatArray, Int8Array, Int16Array

_CALIBRATION_CLIPS = 4000
#: Levels before calibration: far above a quiet room, within speech.
_ROUGH_FIXED, _ROUGH_ADAPTIVE = 0.008, 0.2


@dataclass(frozen=True, kw_only=True)
class Analog:
    """Band-passes, rectifiers, envelopes and comparators; (hops, 1, filters) of -1 and 1.

    Amplitudes (`floor`, `hysteresis`, fixed `levels`) are shares of the int16 full scale.

    Attributes:
        rate: samples a second, Hz.
        input_length: samples in a clip.
        hop: samples that one bit of each filter stands for.
        filters: number of filters, 4 to 64.
        lower_hz, upper_hz: centres of the first and of the last filter.
        spacing: of the centres, "mel" or "log".
        series: of the resistors, "E24" or "E96", or "ideal".
        envelope_shift: the envelope detector's time constant is 2^shift samples.
        threshold: "fixed", or "adaptive" to the largest envelope so far.
        decay_shift: an adaptive reference loses 1 / 2^shift of itself each hop.
        floor: the least threshold; what stays below is silence.
        hysteresis: of the comparators.
        levels: a threshold for each filter; "adaptive": a share of the reference, at most 1.
            () before calibration, which stands for rough values.
    """

    kind: ClassVar[str] = "analog"
    calibrated: ClassVar[tuple[str, ...]] = ("levels",)
    # A network may take the bits as values of 8 bits, or as what they are.
    output_bits: ClassVar[int] = 1

    rate: int = 16000
    input_length: int = 16000
    hop: int = 160
    filters: int = 16
    lower_hz: float = 166.0
    upper_hz: float = 6761.0
    spacing: Spacing = "mel"
    series: str = "E96"
    envelope_shift: int = 6
    threshold: Literal["fixed", "adaptive"] = "fixed"
    decay_shift: int = 6
    floor: float = 0.001
    hysteresis: float = 0.0
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kind = self.kind
        checks.whole(kind, "rate", self.rate, 1000, 100_000)
        checks.whole(kind, "hop", self.hop, 2, 65535)
        checks.whole(kind, "input_length", self.input_length, self.hop, 10_000_000)
        checks.whole(kind, "filters", self.filters, 4, 64)
        checks.real(kind, "upper_hz", self.upper_hz, 2.0, 0.45 * self.rate)
        checks.real(kind, "lower_hz", self.lower_hz, 1.0, self.upper_hz / 2.0)
        self._one_of("spacing", SPACINGS)
        self._one_of("series", ("E24", "E96", "ideal"))
        checks.whole(kind, "envelope_shift", self.envelope_shift, 1, 12)
        self._one_of("threshold", ("fixed", "adaptive"))
        checks.whole(kind, "decay_shift", self.decay_shift, 1, 15)
        checks.real(kind, "floor", self.floor, 0.0, 1.0)
        checks.real(kind, "hysteresis", self.hysteresis, 0.0, 1.0)
        if self.levels:
            checks.reals(kind, "levels", self.levels, self.filters, 0.0, 1.0)

    def _one_of(self, field: str, known: tuple[str, ...]) -> None:
        value = getattr(self, field)
        if value not in known:
            raise checks.fault(self.kind, field, value, f"one of {', '.join(known)}")

    # --- what every front end offers ---

    @property
    def channels(self) -> int:
        """One microphone."""
        return 1

    @property
    def rows(self) -> int:
        """Whole hops in a clip."""
        return self.input_length // self.hop

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(hops, 1, filters): the bits of a hop are one pixel, which one-bit tensors pack."""
        return self.rows, 1, self.filters

    @property
    def scale(self) -> float:
        """A step of the int8 result: -1 and 1 mean themselves."""
        return 1.0

    @property
    def zero_point(self) -> int:
        """As -1 and 1 mean themselves."""
        return 0

    def integer(self, x: Int16Array) -> Int8Array:
        """Bits as the device computes them from samples.

        Args:
            x: (clips, input_length) int16.

        Returns:
            (clips, hops, 1, filters) int8 of -1 and 1.

        Raises:
            TinykitError: another shape or dtype.
        """
        bank = self.fixed
        return bank.bits(bank.peaks(self._checked(x)))[:, :, None]

    def reference(self, x: Int16Array) -> FloatArray:
        """Bits of the simulated analog part in which nothing strays: float64 of -1 and 1.

        Returns:
            (clips, hops, 1, filters).
        """
        return np.where(self.comparator().bits(self.peaks(x)), 1.0, -1.0)[:, :, None]

    def calibrate(self, x_train: Int16Array) -> Self:
        """The same front end with each level at its filter's mean over `x_train`.

        Adaptive levels are means of peaks as shares of their reference, over the hops in which
        there is sound, above the floor.

        Raises:
            TinykitError: no clips, or another shape or dtype.
        """
        clips = self._checked(x_train)
        if len(clips) == 0:
            raise TinykitError("no recordings to calibrate on.", where=f"front end {self.kind}")
        picked = np.unique(np.linspace(0, len(clips) - 1, _CALIBRATION_CLIPS).astype(np.int64))
        peaks = self.peaks(clips[picked]).astype(np.float64)
        references = self.comparator().references(peaks)
        audible = references[..., 0] > self.floor
        shares = (peaks / np.maximum(references, 1e-9))[audible]
        if len(shares) == 0:
            return replace(self, levels=self._rough())
        return self.with_levels(shares.mean(axis=0))

    def to_config(self) -> dict[str, object]:
        """JSON-able settings, calibration included; `frontends.from_config` reads them."""
        return checks.settings(self.kind, self)

    def _checked(self, x: Int16Array) -> Int16Array:
        return checks.clips(self.kind, x, self.input_length)

    # --- the analog part ---

    @cached_property
    def wanted(self) -> Response:
        """The filters before they are made of parts."""
        return spaced(self.filters, self.lower_hz, self.upper_hz, self.spacing)

    @cached_property
    def stages(self) -> Mfb:
        """The parts of the filters."""
        return exact(self.wanted) if self.series == "ideal" else design(self.wanted, self.series)

    @property
    def tau(self) -> float:
        """Time constant of the envelope detectors, seconds."""
        return float((1 << self.envelope_shift) / self.rate)

    def bank(self, unit: Unit | None = None) -> Bank:
        """The simulated analog part of `unit`, or of one in which nothing strays."""
        response = self.stages.ideal() if unit is None else unit.response
        return Bank(response, self.rate, self.hop, self.tau, None if unit is None else unit.noise)

    def peaks(
        self, x: Int16Array, unit: Unit | None = None, rng: np.random.Generator | None = None
    ) -> Float32Array:
        """What the comparators see: the largest envelope of each hop, in full scales.

        Args:
            x: (clips, input_length) int16.
            unit: a manufactured one, with its microphone.
            rng: for its noise; without it there is none.

        Returns:
            (clips, hops, filters) float32.
        """
        found = self.bank(unit).peaks(self._checked(x), rng)
        return found if unit is None else found * np.float32(unit.microphone)

    def comparator(self, unit: Unit | None = None) -> Comparator:
        """The comparators of `unit`, or of one in which nothing strays."""
        return Comparator(
            levels=np.array(self.levels or self._rough()),
            adaptive=self.threshold == "adaptive",
            floor=self.floor,
            decay=2.0**-self.decay_shift,
            hysteresis=self.hysteresis,
            offset=0.0 if unit is None else unit.offset,
            supply=1.0 if unit is None else unit.supply,
        )

    def bits(
        self, x: Int16Array, unit: Unit | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.bool_]:
        """(clips, input_length) int16 -> (clips, hops, filters): the bits of one unit."""
        return self.comparator(unit).bits(self.peaks(x, unit, rng))

    def with_levels(self, levels: NDArray[Any]) -> Self:
        """The same front end with other levels, clipped to what may be and rounded to 6 digits."""
        clipped = np.clip(np.asarray(levels, np.float64), 0.0, 1.0)
        return replace(self, levels=tuple(round(float(level), 6) for level in clipped))

    def _rough(self) -> tuple[float, ...]:
        rough = _ROUGH_ADAPTIVE if self.threshold == "adaptive" else _ROUGH_FIXED
        return (rough,) * self.filters

    # --- the integers ---

    @cached_property
    def fixed(self) -> FixedBank:
        """The digital fallback."""
        b, a = fixed_point.quantise(self.stages.ideal(), self.rate)
        adaptive = self.threshold == "adaptive"
        one = 1 << fixed_point.LEVEL_BITS if adaptive else fixed_point.UNIT
        levels = np.array(self.levels or self._rough())
        return FixedBank(
            b=b,
            a=a,
            level=np.rint(levels * one).astype(np.int32),
            hop=self.hop,
            envelope_shift=self.envelope_shift,
            adaptive=adaptive,
            decay_shift=self.decay_shift,
            floor=round(self.floor * fixed_point.UNIT),
            hysteresis=round(self.hysteresis * fixed_point.UNIT),
        )

    def c_tables(self) -> dict[str, NDArray[Any]]:
        """Constant tables of the generated C, by field name."""
        bank = self.fixed
        columns = np.concatenate([bank.b, bank.a, bank.level[:, None]], axis=1)
        return {"filters": columns.astype(np.int32)}

    def c_constants(self) -> dict[str, int]:
        """Constant numbers of the generated C, by field name."""
        bank = self.fixed
        return {
            "rate": self.rate,
            "clip_samples": self.input_length,
            "rows": self.rows,
            "row_length": self.filters,
            "channels": self.channels,
            "chunk": self.hop,
            "hop": self.hop,
            "envelope_shift": bank.envelope_shift,
            "adaptive": int(bank.adaptive),
            "decay_shift": bank.decay_shift,
            "floor": bank.floor,
            "hysteresis": bank.hysteresis,
        }

    @property
    def c_state_bytes(self) -> int:
        """RAM of the generated front end: a filter's state each, and the state they share."""
        return 20 * self.filters + 16
