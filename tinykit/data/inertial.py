# SPDX-License-Identifier: Apache-2.0
"""What the loaders of inertial recordings share: recordings in, windows of one activity out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.data.cache import Arrays
from tinykit.data.dataset import ACC_SCALE_G, GYRO_SCALE_RAD_S, to_int16
from tinykit.data.windows import cut, label_windows


@dataclass(frozen=True)
class Recording:
    """A stretch without gaps: signal int16 (n, channels), label int64 (n,), -1 for none."""

    signal: npt.NDArray[np.int16]
    label: npt.NDArray[np.int64]
    subject: str


def imu_int16(
    acc_g: npt.NDArray[Any], gyro_rad_s: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.int16]:
    """Acceleration (n, 3) in g, and angular rate (n, 3) in rad/s, as int16 (n, 3 or 6)."""
    acc = to_int16(acc_g, ACC_SCALE_G)
    if gyro_rad_s is None:
        return acc
    return np.concatenate([acc, to_int16(gyro_rad_s, GYRO_SCALE_RAD_S)], axis=1)


def windows_of(
    recordings: Iterable[Recording], classes: int, window: int, step: int, purity: float
) -> Arrays:
    """x int16 (N, window, channels), y int64 (N,) and subject str (N,) of all recordings."""
    x, y, subject = [], [], []
    for recording in recordings:
        starts, found = label_windows(recording.label, classes, window, step, purity)
        x.append(cut(recording.signal, starts, window))
        y.append(found)
        subject += [recording.subject] * len(starts)
    return {"x": np.concatenate(x), "y": np.concatenate(y), "subject": np.array(subject, np.str_)}
