# SPDX-License-Identifier: Apache-2.0
"""Log mel energies of int16 sound: what `mfcc` and `logmel` share, as integers and as floats."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import checks, fft
from tinykit.frontends.fixed import (
    LOG2_BITS,
    Affine,
    FloatArray,
    Int8Array,
    Int16Array,
    Int32Array,
    fit_affine,
    log2_fixed,
    log2_table,
)
from tinykit.frontends.mel import SparseFilters, sparse_filters, triangles

#: Clips worked on together by one thread: some 500 frames, which stay in a core's cache.
_CLIPS_AT_ONCE = 10
#: Clips from which a calibration is made; more change the figures by less than a step.
_CALIBRATION_CLIPS = 4000
_LARGEST = 100_000


def hann(window: int) -> FloatArray:
    """(window,) float64: the periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window), np.float64)


def window_table(window: int) -> Int16Array:
    """(window // 2 + 1,) int16: the rising half of `hann` in Q15; sample i and window - i share."""
    return np.rint(hann(window)[: window // 2 + 1] * 32767.0).astype(np.int16)


def in_batches(x: Int16Array, work: Callable[[Int16Array], NDArray]) -> NDArray:  # type: ignore[type-arg]
    """`work` over slices of the clips, in threads (NumPy frees them), joined in order."""
    parts = [x[i : i + _CLIPS_AT_ONCE] for i in range(0, max(len(x), 1), _CLIPS_AT_ONCE)]
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        return np.concatenate(list(pool.map(work, parts)))


@dataclass(frozen=True, kw_only=True)
class SpectralFrontend(ABC):
    """Sound to log mel energies, then whatever the subclass makes of a frame's energies.

    A frame is `window` samples under a Hann window, every `hop` samples. Its power spectrum is
    averaged by triangular mel filters, a floor is added and the log2 taken. All powers are in
    squared int16 steps. There is no pre-emphasis: normalisation per coefficient does its work.

    Attributes:
        rate: samples a second, Hz.
        input_length: samples in a clip.
        window, hop: samples in a frame and between frames.
        n_fft: points of the transform, a power of two; frames are padded with zeros.
        n_mels: number of filters.
        lower_hz, upper_hz: where the first filter rises and the last one ends.
        floor_bits: log2 of the power added to every filter, so that the last bits of near-silence
            do not swing the logarithm; 10 is a white noise of 2.4 steps rms.
        clip: how many times `spread` the int8 range reaches to either side of `centre`.
        centre, spread: per column of the output, mean and standard deviation in octaves of power;
            () before calibration, which stands for rough values.
    """

    kind: ClassVar[str]
    calibrated: ClassVar[tuple[str, ...]] = ("centre", "spread")
    output_bits: ClassVar[int] = 8

    rate: int = 16000
    input_length: int = 16000
    window: int = 480
    hop: int = 320
    n_fft: int = 512
    n_mels: int = 40
    lower_hz: float = 20.0
    upper_hz: float = 4000.0
    floor_bits: int = 10
    clip: float = 4.0
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    # --- what a subclass says ---

    @property
    @abstractmethod
    def columns(self) -> int:
        """Features in a row."""

    @abstractmethod
    def _rough(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Centre and spread before calibration."""

    @abstractmethod
    def _values(self, energies: Int32Array) -> Int32Array:
        """(..., n_mels) log energies, Q9 -> (..., columns) before the affine step, Q9."""

    @abstractmethod
    def _real_values(self, energies: FloatArray) -> FloatArray:
        """The float twin of `_values`, in octaves."""

    @abstractmethod
    def _limit(self) -> int:
        """Bound on |`_values`|."""

    # --- settings ---

    def __post_init__(self) -> None:
        kind = self.kind
        checks.whole(kind, "rate", self.rate, 1000, _LARGEST)
        checks.whole(kind, "n_fft", self.n_fft, 64, 4096)
        if self.n_fft & (self.n_fft - 1):
            raise checks.fault(kind, "n_fft", self.n_fft, "a power of two")
        checks.whole(kind, "window", self.window, 16, self.n_fft)
        if self.window % 2:
            raise checks.fault(kind, "window", self.window, "even, as samples travel in pairs")
        checks.whole(kind, "hop", self.hop, 1, self.window)
        checks.whole(kind, "input_length", self.input_length, self.window, 10_000_000)
        checks.whole(kind, "n_mels", self.n_mels, 1, 128)
        checks.real(kind, "upper_hz", self.upper_hz, 1.0, self.rate / 2)
        checks.real(kind, "lower_hz", self.lower_hz, 0.0, self.upper_hz - 1.0)
        checks.whole(kind, "floor_bits", self.floor_bits, 0, 24)
        checks.real(kind, "clip", self.clip, 0.1, 100.0)
        self._check_filters()
        if self.centre or self.spread:
            checks.reals(kind, "centre", self.centre, self.columns, -1000.0, 1000.0)
            checks.reals(kind, "spread", self.spread, self.columns, 0.001, 1000.0)
        _ = self.affine

    def _check_filters(self) -> None:
        empty = np.flatnonzero(self._triangles.sum(axis=1) == 0.0)
        if len(empty):
            needs = f"fewer: filter {empty[0]} lies between two of the bins of n_fft={self.n_fft}"
            raise checks.fault(self.kind, "n_mels", self.n_mels, needs)

    @property
    def channels(self) -> int:
        """One microphone."""
        return 1

    @property
    def rows(self) -> int:
        """Whole frames in a clip."""
        return 1 + (self.input_length - self.window) // self.hop

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(frames, columns, 1)."""
        return self.rows, self.columns, 1

    @property
    def scale(self) -> float:
        """Spreads in one int8 step; of float32, as scales of a Network's input are."""
        return float(np.float32(self.clip / 128.0))

    @property
    def zero_point(self) -> int:
        """The int8 of a feature at its centre."""
        return 0

    # --- tables ---

    @cached_property
    def _triangles(self) -> FloatArray:
        return triangles(
            n_mels=self.n_mels,
            n_fft=self.n_fft,
            rate=self.rate,
            lower_hz=self.lower_hz,
            upper_hz=self.upper_hz,
        )

    @cached_property
    def filters(self) -> SparseFilters:
        """The integer mel filters."""
        return sparse_filters(self._triangles)

    @cached_property
    def affine(self) -> Affine:
        """The last step, from Q9 octaves to int8."""
        centre, spread = (self.centre, self.spread) if self.centre else self._rough()
        return fit_affine(
            centre, spread, units=float(1 << LOG2_BITS), scale=self.scale, limit=self._limit()
        )

    @property
    def largest_shift(self) -> int:
        """How far a quiet frame is scaled up at most; keeps the floor within 32 bits."""
        return min(15, (30 - self.floor_bits) // 2)

    @property
    def energy_limit(self) -> int:
        """The largest log energy, Q9: a full-scale input in phase with every bin."""
        octaves = 2.0 * np.log2(32768.0 * hann(self.window).sum()) - self.floor_bits
        return int(np.ceil(max(octaves, 1.0) * (1 << LOG2_BITS))) + 16

    # --- the integer path ---

    def integer(self, x: Int16Array) -> Int8Array:
        """Features as the device computes them, bit for bit.

        Args:
            x: (clips, input_length) int16.

        Returns:
            (clips, rows, columns, 1) int8.

        Raises:
            TinykitError: another shape or dtype.
        """
        values = in_batches(self._checked(x), self._integer_values)
        return self.affine.apply(values)[..., None]

    def _integer_values(self, x: Int16Array) -> Int32Array:
        return self._values(self.log_energies(x))

    def log_energies(self, x: Int16Array) -> Int32Array:
        """(clips, input_length) int16 -> (clips, rows, n_mels) int32, Q9 octaves over the floor."""
        frames = self._frames(x)
        flat = frames.reshape(-1, self.window).T.astype(np.int32, order="C")
        energies = self._frame_energies(flat)
        return energies.T.reshape(len(x), self.rows, self.n_mels)

    def _frames(self, x: Int16Array) -> Int16Array:
        view = np.lib.stride_tricks.sliding_window_view(x, self.window, axis=1)
        frames: Int16Array = view[:, :: self.hop][:, : self.rows]
        return frames

    def _frame_energies(self, frames: Int32Array) -> Int32Array:
        """(window, frames) int32 -> (n_mels, frames) int32."""
        ored = np.bitwise_or.reduce(frames ^ (frames >> 31), axis=0)
        left = np.minimum(15 - fft.magnitude_bits(ored), self.largest_shift)
        half = window_table(self.window).astype(np.int32)
        index = np.arange(self.window)
        taper = half[np.minimum(index, self.window - index)]
        padded = np.zeros((self.n_fft, frames.shape[1]), np.int32)
        padded[: self.window] = ((frames << left) * taper[:, None] + (1 << 14)) >> 15
        power, right = fft.power_spectrum(padded, self._sine, self._order, self.filters.bins)
        return self._log_filters(power, right - left)

    def _log_filters(self, power: NDArray[np.uint32], shift: Int32Array) -> Int32Array:
        # Sums stay below 2^47, so float64 holds them exactly in whatever order they are added.
        mean = (self._dense @ power.astype(np.float64)).astype(np.int64)
        floor = np.maximum(16 + self.floor_bits - 2 * shift, 0)
        mean += np.left_shift(np.int64(1), floor.astype(np.int64))
        octaves = log2_fixed(mean, self._log2)
        return octaves + ((2 * shift - 16 - self.floor_bits) << LOG2_BITS)

    @cached_property
    def _sine(self) -> Int16Array:
        return fft.sine_table(self.n_fft)

    @cached_property
    def _order(self) -> NDArray[np.uint16]:
        return fft.bit_reversal(self.n_fft // 2)

    @cached_property
    def _dense(self) -> FloatArray:
        return self.filters.dense()

    @cached_property
    def _log2(self) -> NDArray[np.uint16]:
        return log2_table()

    # --- the float twin ---

    def reference(self, x: Int16Array) -> FloatArray:
        """The same features in float64: what the integers approximate.

        Returns:
            (clips, rows, columns, 1) float64, normalised; compare with
            `scale * (integer(x) - zero_point)`, which also clamps to +-`clip`.
        """
        values = in_batches(self._checked(x), self._reference_values)
        centre, spread = (self.centre, self.spread) if self.centre else self._rough()
        return ((values - np.asarray(centre)) / np.asarray(spread))[..., None]

    def _reference_values(self, x: Int16Array) -> FloatArray:
        frames = self._frames(x) * hann(self.window)
        spectrum = np.fft.rfft(frames, self.n_fft, axis=-1)[..., : self.n_fft // 2]
        power = spectrum.real**2 + spectrum.imag**2
        mean = power @ self._triangles.T
        return self._real_values(np.log2(mean + 2.0**self.floor_bits) - self.floor_bits)

    # --- calibration and the file ---

    def calibrate(self, x_train: Int16Array) -> Self:
        """The same front end with each column's mean and deviation over `x_train`.

        Raises:
            TinykitError: no clips, or another shape or dtype.
        """
        clips = self._checked(x_train)
        if len(clips) == 0:
            raise TinykitError("no recordings to calibrate on.", where=f"front end {self.kind}")
        picked = np.unique(np.linspace(0, len(clips) - 1, _CALIBRATION_CLIPS).astype(np.int64))
        values = in_batches(clips[picked], self._integer_values).reshape(-1, self.columns)
        octaves = values / float(1 << LOG2_BITS)
        centre, spread = octaves.mean(axis=0), np.maximum(octaves.std(axis=0), 0.02)
        # Six digits are finer than an int8 step and read well in the Network's file.
        return replace(
            self,
            centre=tuple(round(float(value), 6) for value in centre),
            spread=tuple(round(float(value), 6) for value in spread),
        )

    def to_config(self) -> dict[str, object]:
        """JSON-able settings, calibration included; `frontends.from_config` reads them."""
        return checks.settings(self.kind, self)

    def _checked(self, x: Int16Array) -> Int16Array:
        return checks.clips(self.kind, x, self.input_length)

    # --- code generation ---

    def c_tables(self) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """Constant tables of the generated C, by field name."""
        return {
            "taper": window_table(self.window),
            "sine": self._sine,
            "order": self._order,
            "filter_first": self.filters.first,
            "filter_offset": self.filters.offset,
            "filter_weights": self.filters.weights,
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
            "row_length": self.columns,
            "channels": self.channels,
            "chunk": self.hop,
            "window": self.window,
            "hop": self.hop,
            "points": self.n_fft // 2,
            "bins": self.filters.bins,
            "n_mels": self.n_mels,
            "floor_bits": self.floor_bits,
            "largest_shift": self.largest_shift,
        }

    @property
    def c_state_bytes(self) -> int:
        """RAM of the generated front end: samples, transform, log energies, the state struct."""
        return 2 * self.window + 2 * self.n_fft + 2 * self.n_mels + 16
