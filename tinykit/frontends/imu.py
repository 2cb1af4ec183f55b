# SPDX-License-Identifier: Apache-2.0
"""Windows of inertial samples, each channel normalised to int8."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import checks
from tinykit.frontends.fixed import Affine, FloatArray, Int8Array, Int16Array, fit_affine


@dataclass(frozen=True, kw_only=True)
class Imu:
    """int8 of `(sample - centre) / spread`, one row a sample: (input_length, 1, channels).

    Attributes:
        rate: samples a second and channel, Hz.
        input_length: samples of each channel in a window.
        channels: number of channels, interleaved.
        clip: how many times `spread` the int8 range reaches to either side of `centre`.
        centre, spread: per channel, mean and standard deviation in int16 steps; () before
            calibration, which stands for 0 and an eighth of full scale.
    """

    kind: ClassVar[str] = "imu"
    calibrated: ClassVar[tuple[str, ...]] = ("centre", "spread")
    output_bits: ClassVar[int] = 8

    rate: int = 50
    input_length: int = 128
    channels: int = 6
    clip: float = 4.0
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        checks.whole(self.kind, "rate", self.rate, 1, 100_000)
        checks.whole(self.kind, "input_length", self.input_length, 1, 65535)
        checks.whole(self.kind, "channels", self.channels, 1, 64)
        checks.real(self.kind, "clip", self.clip, 0.1, 100.0)
        if self.centre or self.spread:
            checks.reals(self.kind, "centre", self.centre, self.channels, -32768.0, 32767.0)
            checks.reals(self.kind, "spread", self.spread, self.channels, 1.0, 65536.0)
        _ = self.affine

    @property
    def rows(self) -> int:
        """One row a sample."""
        return self.input_length

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(input_length, 1, channels)."""
        return self.input_length, 1, self.channels

    @property
    def scale(self) -> float:
        """Spreads in one int8 step; of float32, as scales of a Network's input are."""
        return float(np.float32(self.clip / 128.0))

    @property
    def zero_point(self) -> int:
        """The int8 of a channel at its centre."""
        return 0

    def _normal(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        rough = (0.0,) * self.channels, (4096.0,) * self.channels
        return (self.centre, self.spread) if self.centre else rough

    @cached_property
    def affine(self) -> Affine:
        """From int16 to int8."""
        centre, spread = self._normal()
        return fit_affine(centre, spread, units=1.0, scale=self.scale, limit=32768)

    def integer(self, x: Int16Array) -> Int8Array:
        """Features as the device computes them, bit for bit.

        Args:
            x: (windows, input_length, channels) int16.

        Returns:
            (windows, input_length, 1, channels) int8.

        Raises:
            TinykitError: another shape or dtype.
        """
        return self.affine.apply(self._checked(x).astype(np.int32))[:, :, None, :]

    def reference(self, x: Int16Array) -> FloatArray:
        """The same in float64, not clamped: (windows, input_length, 1, channels)."""
        centre, spread = self._normal()
        return ((self._checked(x) - np.asarray(centre)) / np.asarray(spread))[:, :, None, :]

    def calibrate(self, x_train: Int16Array) -> Self:
        """The same front end with each channel's mean and deviation over `x_train`.

        Raises:
            TinykitError: no windows, or another shape or dtype.
        """
        samples = self._checked(x_train).reshape(-1, self.channels)
        if len(samples) == 0:
            raise TinykitError("no recordings to calibrate on.", where="front end imu")
        # Per channel, so that the float64 copy stays small.
        columns = [samples[:, channel].astype(np.float64) for channel in range(self.channels)]
        return replace(
            self,
            centre=tuple(round(float(column.mean()), 6) for column in columns),
            spread=tuple(round(max(float(column.std()), 1.0), 6) for column in columns),
        )

    def to_config(self) -> dict[str, object]:
        """JSON-able settings, calibration included; `frontends.from_config` reads them."""
        return checks.settings(self.kind, self)

    def _checked(self, x: Int16Array) -> Int16Array:
        if x.dtype != np.int16 or x.ndim != 3 or x.shape[1:] != (self.input_length, self.channels):
            raise TinykitError(
                f"recordings are {x.dtype} {x.shape}, expected int16 "
                f"(windows, {self.input_length}, {self.channels}).",
                where="front end imu",
                remedy="Cut the recordings into windows of the front end's length and channels.",
            )
        return x

    def c_tables(self) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """Constant tables of the generated C, by field name."""
        return {
            "multiplier": self.affine.multiplier,
            "offset": self.affine.offset,
            "shift": self.affine.shift,
        }

    def c_constants(self) -> dict[str, int]:
        """Constant numbers of the generated C, by field name."""
        return {
            "rate": self.rate,
            "clip_samples": self.input_length,
            "rows": self.rows,
            "row_length": self.channels,
            "channels": self.channels,
            "chunk": min(self.input_length, 16),
            "hop": 1,
        }

    @property
    def c_state_bytes(self) -> int:
        """RAM of the generated front end: a count of rows, as each row stands alone."""
        return 4
