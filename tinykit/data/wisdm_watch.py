# SPDX-License-Identifier: Apache-2.0
"""WISDM 2019 (UCI 507): smartwatch accelerometer, 18 activities of daily living, 20 Hz."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.dataset import ACC_SCALE_G, STANDARD_GRAVITY, Dataset
from tinykit.data.inertial import InertialSet, Recording, imu_int16
from tinykit.errors import TinykitError

RATE = 20
LABELS = (
    "walking",
    "jogging",
    "stairs",
    "sitting",
    "standing",
    "typing",
    "brushing teeth",
    "eating soup",
    "eating chips",
    "eating pasta",
    "drinking",
    "eating sandwich",
    "kicking",
    "catch",
    "dribbling",
    "writing",
    "clapping",
    "folding clothes",
)
_CODES = "ABCDEFGHIJKLMOPQRS"  # the archive has no N
# The set has no official split: of the 46 subjects in the pack every fifth tests and every tenth
# validates; the five that the pack lacks train.
TEST_SUBJECTS = (1604, 1609, 1614, 1619, 1624, 1630, 1635, 1644, 1649)
VALIDATION_SUBJECTS = (1602, 1612, 1622, 1633, 1647)
_FOLDERS = ("wisdm-dataset", "wisdm_watch/wisdm-dataset", "wisdm_watch", ".")
_LINE = re.compile(r"(\d+),([A-S]),(\d+),([-+.\deE]+),([-+.\deE]+),([-+.\deE]+);?\s*")
_GAP_NS = 500_000_000  # ten samples
_SET = InertialSet(
    name="wisdm_watch",
    title="WISDM smartwatch",
    rate=RATE,
    labels=LABELS,
    channels=("acc_x", "acc_y", "acc_z"),
    scale=(ACC_SCALE_G,) * 3,
    test_subjects=TEST_SUBJECTS,
    official="data_*_accel_watch.txt",
)


def find(root: Path) -> Path | None:
    """The packed .npz, or the archive's `raw/watch/accel` folder, under `root`."""
    packed = root / "har" / "wisdm2019_watch_accel.npz"
    if packed.is_file():
        return packed
    for folder in _FOLDERS:
        raw = root / folder / "raw" / "watch" / "accel"
        if any(raw.glob("data_*_accel_watch.txt")):
            return raw
    return None


def load(
    root: Path,
    *,
    window: int = 200,
    step: int = 100,
    decimate: int = 1,
    validation_subjects: Sequence[int] = VALIDATION_SUBJECTS,
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Load windows (ten seconds unless told) that neither a gap nor a change of activity cuts.

    Args:
        root: folder that holds the set.
        window: samples a window, at 20 Hz unless decimated.
        step: samples from one window to the next.
        decimate: samples of the recordings that become one; window and step count the latter.
        validation_subjects: who validates instead of training; the test subjects stay.
        licence: from the manifest.
        citation: from the manifest.

    Raises:
        TinykitError: the set is not there, a line cannot be read, or the options make no sense.
    """
    return _SET.load(
        root,
        find(root),
        _read,
        window=window,
        step=step,
        purity=1.0,
        decimate=decimate,
        validation_subjects=validation_subjects,
        licence=licence,
        citation=citation,
    )


def _read(place: Path) -> list[Recording]:
    return _packed(place) if place.is_file() else _official(place)


def _packed(path: Path) -> list[Recording]:
    with np.load(path, allow_pickle=False) as data:
        signal = imu_int16(data["acc"] * (data["acc_scale_m_s2"] / STANDARD_GRAVITY))
        label = data["label"].astype(np.int64)
        starts = np.append(data["segment_start"], len(label))
        owner = np.searchsorted(data["subject_offset"], starts[:-1], side="right") - 1
        subjects = data["subject"][owner]
    return [
        Recording(signal[a:b], label[a:b], str(s))
        for a, b, s in zip(starts[:-1], starts[1:], subjects, strict=True)
    ]


def _official(folder: Path) -> list[Recording]:
    """The archive's text files: `subject,code,nanoseconds,x,y,z;` a line, m/s^2."""
    paths = sorted(folder.glob(_SET.official))
    return [recording for path in paths for recording in _file_recordings(path)]


def _file_recordings(path: Path) -> list[Recording]:
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[2] not in _CODES:
            raise TinykitError(
                f"line {number} is not `subject,code,time,x,y,z;`.",
                where=path,
                remedy="Get the file again.",
            )
        rows.append(match.groups())
    if not rows:
        return []
    time = np.array([int(r[2]) for r in rows], np.int64)
    label = np.array([_CODES.index(r[1]) for r in rows], np.int64)
    acc: npt.NDArray[np.float64] = np.array([r[3:6] for r in rows], np.float64)
    signal = imu_int16(acc / STANDARD_GRAVITY)
    step = np.diff(time)
    breaks = np.flatnonzero((np.diff(label) != 0) | (step <= 0) | (step > _GAP_NS)) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return [Recording(signal[a:b], label[a:b], rows[0][0]) for a, b in pairwise(edges)]
