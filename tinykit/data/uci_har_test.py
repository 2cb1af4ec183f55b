# SPDX-License-Identifier: Apache-2.0
"""UCI HAR (UCI 240), test part: a cross-check for networks trained on HAPT's raw recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.csvfile import read_numbers
from tinykit.data.dataset import IMU_CHANNELS, IMU_SCALE, TEST, Dataset, to_int16
from tinykit.data.hapt import LABELS, RATE
from tinykit.errors import TinykitError

_FOLDERS = ("UCI HAR Dataset", "uci_har_test/UCI HAR Dataset", "uci_har_test", ".")
_CHANNELS = tuple(f"{s}_{a}" for s in ("total_acc", "body_gyro") for a in "xyz")
_WINDOW = 128


def find(root: Path) -> Path | None:
    """The packed .npz, or the archive's `test` folder, under `root`."""
    packed = root / "har" / "uci_har_test.npz"
    if packed.is_file():
        return packed
    for folder in _FOLDERS:
        test = root / folder / "test"
        if (test / "Inertial Signals" / "total_acc_x_test.txt").is_file():
            return test
    return None


def load(root: Path, *, licence: str = "", citation: str = "") -> Dataset:
    """Load the 2947 windows of 128 samples at 50 Hz; all of them are in the test part.

    Total acceleration and angular rate, as HAPT has them, but filtered by the authors and rounded
    to five digits.

    Args:
        root: folder that holds the set.
        licence: from the manifest.
        citation: from the manifest.

    Raises:
        TinykitError: the set is not there, or a file is damaged.
    """
    place = find(root)
    if place is None:
        raise TinykitError("no UCI HAR test recordings here.", where=root)
    values, y, subject = _packed(place) if place.is_file() else _official(place)
    return Dataset(
        name="uci_har_test",
        task="har",
        rate=RATE,
        labels=LABELS,
        x=to_int16(values, IMU_SCALE),
        y=y.astype(np.int64) - 1,
        split=np.full(len(y), TEST, np.uint8),
        subject=subject.astype(np.int64).astype(np.str_),
        channels=IMU_CHANNELS,
        scale=IMU_SCALE,
        synthetic=False,
        licence=licence,
        citation=citation,
    )


_Parts = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _packed(path: Path) -> _Parts:
    with np.load(path, allow_pickle=False) as data:
        names = data["channels"].tolist()
        order = [names.index(c) for c in _CHANNELS]
        values = data["X"][:, order, :].transpose(0, 2, 1).astype(np.float64)
        return values, data["y"].astype(np.int64), data["subject"].astype(np.int64)


def _official(test: Path) -> _Parts:
    signals = test / "Inertial Signals"
    values = [read_numbers(signals / f"{c}_test.txt", _WINDOW) for c in _CHANNELS]
    y = read_numbers(test / "y_test.txt", 1)[:, 0].astype(np.int64)
    subject = read_numbers(test / "subject_test.txt", 1)[:, 0].astype(np.int64)
    return np.stack(values, axis=2), y, subject
