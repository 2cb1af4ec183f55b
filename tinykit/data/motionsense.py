# SPDX-License-Identifier: Apache-2.0
"""MotionSense: phone in the front pocket, total acceleration and rotation rate, 24 subjects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinykit.data.csvfile import read_csv
from tinykit.data.dataset import IMU_CHANNELS, IMU_SCALE, Dataset
from tinykit.data.inertial import InertialSet, Recording, imu_int16

RATE = 50
LABELS = ("downstairs", "upstairs", "walking", "jogging", "sitting", "standing")
# The set has no official split by subject: 16 train, 3 validate, 5 test, fixed here.
TEST_SUBJECTS = (3, 8, 13, 18, 23)
VALIDATION_SUBJECTS = (5, 14, 21)
_FOLDERS = ("A_DeviceMotion_data", "motionsense/A_DeviceMotion_data", "motionsense")
_CODES = {"dws": 0, "ups": 1, "wlk": 2, "jog": 3, "sit": 4, "std": 5}
_COLUMNS = tuple(
    f"{sensor}.{axis}"
    for sensor in ("gravity", "userAcceleration", "rotationRate")
    for axis in "xyz"
)
_SET = InertialSet(
    name="motionsense",
    title="MotionSense",
    rate=RATE,
    labels=LABELS,
    channels=IMU_CHANNELS,
    scale=IMU_SCALE,
    test_subjects=TEST_SUBJECTS,
    official="*/sub_*.csv",
)


def find(root: Path) -> Path | None:
    """The packed .npz, or the extracted `A_DeviceMotion_data` folder, under `root`."""
    packed = root / "har" / "motionsense.npz"
    if packed.is_file():
        return packed
    for folder in _FOLDERS:
        if any((root / folder).glob("wlk_*/sub_*.csv")):
            return root / folder
    return None


def load(
    root: Path,
    *,
    window: int = 128,
    step: int = 64,
    decimate: int = 1,
    gyroscope: bool = True,
    validation_subjects: Sequence[int] = VALIDATION_SUBJECTS,
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Load windows of the six activities; every trial is of one activity throughout.

    Args:
        root: folder that holds the set.
        window: samples a window, at 50 Hz unless decimated.
        step: samples from one window to the next.
        decimate: samples of the recordings that become one; window and step count the latter.
        gyroscope: whether its channels are there.
        validation_subjects: who validates instead of training; the test subjects stay.
        licence: from the manifest.
        citation: from the manifest.

    Raises:
        TinykitError: the set is not there, or the options make no sense.
    """
    return _SET.load(
        root,
        find(root),
        _read,
        window=window,
        step=step,
        purity=1.0,
        decimate=decimate,
        gyroscope=gyroscope,
        validation_subjects=validation_subjects,
        licence=licence,
        citation=citation,
    )


def _read(place: Path) -> list[Recording]:
    return _packed(place) if place.is_file() else _official(place)


def _packed(path: Path) -> list[Recording]:
    with np.load(path, allow_pickle=False) as data:
        total = data["gravity"] * data["gravity_scale_g"]
        total += data["user_acc"] * data["user_acc_scale_g"]
        signal = imu_int16(total, data["rotation_rate"] * data["rotation_rate_scale_rad_s"])
        offset, subject = data["trial_offset"], data["trial_subject"]
        activity = data["trial_activity"]
    return [
        Recording(signal[a:b], np.full(b - a, k, np.int64), str(s))
        for a, b, k, s in zip(offset[:-1], offset[1:], activity, subject, strict=True)
    ]


def _official(folder: Path) -> list[Recording]:
    """The archive's layout: `<activity>_<trial>/sub_<subject>.csv` with a header line."""
    recordings = []
    for path in sorted(folder.glob("*/sub_*.csv")):
        code = path.parent.name.split("_")[0]
        match = re.fullmatch(r"sub_(\d+)\.csv", path.name)
        if match is None or code not in _CODES:
            continue
        values = read_csv(path, _COLUMNS)
        signal = imu_int16(values[:, 0:3] + values[:, 3:6], values[:, 6:9])
        label = np.full(len(signal), _CODES[code], np.int64)
        recordings.append(Recording(signal, label, str(int(match[1]))))
    return recordings
