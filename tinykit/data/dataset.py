# SPDX-License-Identifier: Apache-2.0
"""`Dataset`: the one form in which every recording, real or synthetic, reaches the front ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Task = Literal["kws", "har"]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
TRAIN, VALIDATION, TEST = 0, 1, 2

# One scale per kind of sensor, whatever the recording device was, so that a firmware needs no
# table per data set. An accelerometer at +-8 g and 16 bit has 4096 steps per g; 1 mrad/s reaches
# 32.7 rad/s, the range of a gyroscope at +-2000 degrees per second.
ACC_SCALE_G = 1.0 / 4096
GYRO_SCALE_RAD_S = 1.0 / 1000
AUDIO_SCALE = 1.0 / 32768
STANDARD_GRAVITY = 9.80665  # m/s^2 per g, by definition

IMU_CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
IMU_SCALE = (ACC_SCALE_G,) * 3 + (GYRO_SCALE_RAD_S,) * 3


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled recordings with a split in which no speaker or subject crosses.

    Attributes:
        name: the name it was loaded by.
        task: "kws" (keyword spotting) or "har" (human activity recognition).
        rate: samples per second, Hz.
        labels: class names; `y` indexes them.
        x: int16; kws (N, samples), har (N, window, channels).
        y: int64 (N,), class of each clip.
        split: uint8 (N,); 0 train, 1 validation, 2 test.
        subject: str (N,); who spoke or wore the sensor. Silence carries the stretch of the
            background recording it was cut from.
        channels: what each channel is, e.g. ("mono",) or ("acc_x", ...).
        scale: physical units (full scale for sound, g, rad/s) per LSB, one per channel.
        synthetic: no person made these; every figure shown must say so.
        licence: under which the recordings may be used.
        citation: whom to cite.
        noise: int16 (samples,) each; background recordings for mixing into training clips only
            (the stretches that validation and test silence comes from are not in them).
    """

    name: str
    task: Task
    rate: int
    labels: tuple[str, ...]
    x: npt.NDArray[np.int16]
    y: npt.NDArray[np.int64]
    split: npt.NDArray[np.uint8]
    subject: npt.NDArray[np.str_]
    channels: tuple[str, ...]
    scale: tuple[float, ...]
    synthetic: bool
    licence: str
    citation: str
    noise: tuple[npt.NDArray[np.int16], ...] = field(default=())

    def __post_init__(self) -> None:
        n = len(self.x)
        dimensions = {"kws": 2, "har": 3}[self.task]
        if self.x.dtype != np.int16 or self.x.ndim != dimensions:
            raise ValueError(
                f"x must be int16 with {dimensions} axes: {self.x.dtype} {self.x.shape}"
            )
        if not (self.y.shape == self.split.shape == self.subject.shape == (n,)):
            raise ValueError("y, split and subject must have one entry per clip")
        if n and not 0 <= int(self.y.min()) <= int(self.y.max()) < len(self.labels):
            raise ValueError("y has a class that labels does not name")
        if len(self.scale) != len(self.channels):
            raise ValueError("scale must have one entry per channel")
        if self.task == "har" and self.x.shape[2] != len(self.channels):
            raise ValueError("x and channels disagree")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: npt.NDArray[Any]) -> Dataset:
        """The clips of `rows` (a boolean mask (N,) or indices), everything else alike."""
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            split=self.split[rows],
            subject=self.subject[rows],
        )

    def part(self, name: Part) -> Dataset:
        """The clips of one part of the split; may be empty."""
        return self.select(self.split == PARTS.index(name))

    def counts(self) -> npt.NDArray[np.int64]:
        """Clips by part and class: int64 (3, classes)."""
        table = np.zeros((len(PARTS), len(self.labels)), np.int64)
        np.add.at(table, (self.split.astype(np.int64), self.y), 1)
        return table

    def crossing(self) -> tuple[str, ...]:
        """Subjects that stand in more than one part of the split; must be empty."""
        seen = [set(self.subject[self.split == p].tolist()) for p in range(len(PARTS))]
        crossed = (seen[0] & seen[1]) | (seen[0] & seen[2]) | (seen[1] & seen[2])
        return tuple(sorted(crossed))


def to_int16(
    values: npt.NDArray[np.floating[Any]], scale: float | Sequence[float]
) -> npt.NDArray[np.int16]:
    """Physical values (..., channels) as int16 steps of `scale`, rounded to even, saturating."""
    steps = np.rint(np.asarray(values, np.float64) / np.asarray(scale, np.float64))
    return np.clip(steps, -32768, 32767).astype(np.int16)
