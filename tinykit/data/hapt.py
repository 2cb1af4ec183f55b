# SPDX-License-Identifier: Apache-2.0
"""HAPT (UCI 341): waist-worn phone, accelerometer and gyroscope, six activities, 30 subjects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.data.csvfile import read_numbers
from tinykit.data.dataset import IMU_CHANNELS, IMU_SCALE, Dataset
from tinykit.data.inertial import InertialSet, Recording, imu_int16
from tinykit.errors import TinykitError

RATE = 50
LABELS = ("walking", "upstairs", "downstairs", "sitting", "standing", "laying")
# The official test subjects; of the 21 others every fifth validates.
TEST_SUBJECTS = (2, 4, 9, 10, 12, 13, 18, 20, 24)
VALIDATION_SUBJECTS = (7, 16, 23, 29)
_FOLDERS = ("hapt", "hapt/HAPT Data Set", "HAPT Data Set", ".")
_SET = InertialSet(
    name="hapt",
    title="HAPT",
    rate=RATE,
    labels=LABELS,
    channels=IMU_CHANNELS,
    scale=IMU_SCALE,
    test_subjects=TEST_SUBJECTS,
    official="*.txt",
)


def find(root: Path) -> Path | None:
    """The packed .npz, or the official `RawData` folder, under `root`."""
    packed = root / "har" / "hapt_raw.npz"
    if packed.is_file():
        return packed
    for folder in _FOLDERS:
        raw = root / folder / "RawData"
        if (raw / "labels.txt").is_file():
            return raw
    return None


def load(
    root: Path,
    *,
    window: int = 128,
    step: int = 64,
    purity: float = 0.9,
    decimate: int = 1,
    gyroscope: bool = True,
    validation_subjects: Sequence[int] = VALIDATION_SUBJECTS,
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Load windows of the six activities; transitions between postures are left out.

    Args:
        root: folder that holds the set.
        window: samples a window, at 50 Hz unless decimated.
        step: samples from one window to the next.
        purity: share of the window that must be of one activity.
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
        purity=purity,
        decimate=decimate,
        gyroscope=gyroscope,
        validation_subjects=validation_subjects,
        licence=licence,
        citation=citation,
    )


def recordings() -> list[Recording]:
    """All recordings, whole, in their order, of the first place that has the set.

    Raises:
        TinykitError: none has.
    """
    from tinykit.data.catalogue import place_of

    place = find(place_of("hapt"))
    assert place is not None
    return _read(place)


def recording_of(subject: str) -> Recording:
    """The first recording of a subject, whole.

    Raises:
        TinykitError: the set is not there, or has no such subject.
    """
    found = recordings()
    for recording in found:
        if recording.subject == subject:
            return recording
    raise TinykitError(
        f"HAPT has no subject {subject!r}.",
        where="--subject",
        remedy=f"Choose {found[0].subject} to {found[-1].subject}.",
    )


def _read(place: Path) -> list[Recording]:
    return _packed(place) if place.is_file() else _official(place)


def _six_only(label: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """HAPT's 0 (none), 1..6 (activities), 7..12 (transitions) as class 0..5 or -1."""
    return np.where((label >= 1) & (label <= 6), label.astype(np.int64) - 1, -1)


def _packed(path: Path) -> list[Recording]:
    with np.load(path, allow_pickle=False) as data:
        signal = imu_int16(
            data["acc"] * data["acc_scale_g"], data["gyro"] * data["gyro_scale_rad_s"]
        )
        offset, subject = data["rec_offset"], data["rec_subject"]
        label = _six_only(data["label"])
    return [
        Recording(signal[a:b], label[a:b], str(s))
        for a, b, s in zip(offset[:-1], offset[1:], subject, strict=True)
    ]


def _official(raw: Path) -> list[Recording]:
    """The text files of the UCI archive: `acc_expNN_userNN.txt`, `gyro_...`, `labels.txt`."""
    segments = read_numbers(raw / "labels.txt", 5).astype(np.int64)
    recordings = []
    for path in sorted(raw.glob("acc_exp*_user*.txt")):
        match = re.fullmatch(r"acc_exp(\d+)_user(\d+)\.txt", path.name)
        if match is None:
            continue
        acc = read_numbers(path, 3)
        gyro = read_numbers(path.with_name(path.name.replace("acc_", "gyro_", 1)), 3)
        n = min(len(acc), len(gyro))
        label = np.zeros(n, np.int64)
        for _, _, activity, begin, end in segments[segments[:, 0] == int(match[1])]:
            label[begin - 1 : end] = activity  # 1-based, inclusive
        signal = imu_int16(acc[:n], gyro[:n])
        recordings.append(Recording(signal, _six_only(label), str(int(match[2]))))
    return recordings
