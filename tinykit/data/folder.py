# SPDX-License-Identifier: Apache-2.0
"""A user's own recordings: `<label>/*.wav` for keywords, `<label>/*.csv` for activities."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.audio import fit_length, read_wav_with_remarks
from tinykit.data.dataset import (
    AUDIO_SCALE,
    IMU_CHANNELS,
    PARTS,
    Dataset,
)
from tinykit.data.inertial import Recording, windows_of
from tinykit.data.motion import channel_scales, read_motion
from tinykit.data.noise import silence_clips, training_noise
from tinykit.data.splits import split_of_subjects
from tinykit.data.windows import check_window
from tinykit.errors import TinykitError
from tinykit.progress import notice

Sound16 = npt.NDArray[np.int16]

SUBJECTS_FILE = "subjects.csv"
_NOISE = "_background_noise_"


@dataclass(frozen=True)
class _Files:
    """The recordings of a folder: path and class of each, and the label names."""

    labels: tuple[str, ...]
    paths: list[Path]
    y: list[int]


def find(root: Path) -> Path | None:
    """`root` itself, if it is a folder."""
    return root if root.is_dir() else None


def load(
    root: Path,
    *,
    rate: int | None = None,
    seconds: float = 1.0,
    window: int = 128,
    step: int = 64,
    channels: Sequence[str] = IMU_CHANNELS,
    acc_unit: str = "g",
    seed: int = 0,
    licence: str = "the user's own",
    citation: str = "",
) -> Dataset:
    """Load a folder with one folder per label.

    Wav files make keywords: mono at `rate` (16000 Hz), cut or filled up to `seconds`; background
    recordings in `_background_noise_` add a class "silence" and noise for training. CSV files
    make activities: windows of `window` samples recorded at `rate` (50 Hz), acceleration in
    `acc_unit`, angular rate in rad/s.

    The subject of a file is its name up to the first `_`, or what `subjects.csv` (columns `file`,
    `subject`, optionally `split`) says of `<label>/<name>`. Subjects are split by a hash of their
    names, so adding people moves nobody who is there.

    Args:
        root: the folder.
        rate: samples per second, Hz.
        seconds: length of a clip of sound.
        window: samples a window, activities only.
        step: samples from one window to the next, activities only.
        channels: columns of the CSV files; names begin with `acc` or `gyro`.
        acc_unit: "g" or "m/s2".
        seed: of the choice of silence.
        licence: of the recordings.
        citation: of the recordings.

    Raises:
        TinykitError: the folder is empty, mixes kinds, has too few subjects, or a file is bad.
    """
    wavs, csvs = _list(root, ".wav"), _list(root, ".csv")
    if wavs.paths and csvs.paths:
        raise TinykitError(
            "holds wav and CSV recordings.", where=root, remedy="Give each task its own folder."
        )
    files = wavs if wavs.paths else csvs
    _check_labels(root, files)
    subject, part = _subjects(root, files)
    if wavs.paths:
        return _sounds(root, files, subject, part, rate or 16000, seconds, seed, licence, citation)
    return _motion(
        files, subject, part, rate or 50, window, step, channels, acc_unit, licence, citation
    )


def _list(root: Path, suffix: str) -> _Files:
    try:
        folders = sorted(
            p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))
        )
    except OSError as error:
        raise TinykitError(f"cannot read: {error.strerror or error}.", where=root) from error
    paths, y = [], []
    for k, folder in enumerate(folders):
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() == suffix)
        paths += found
        y += [k] * len(found)
    return _Files(tuple(f.name for f in folders), paths, y)


def _check_labels(root: Path, files: _Files) -> None:
    layout = "Put recordings into one folder per label: <label>/*.wav or <label>/*.csv."
    if not files.paths:
        raise TinykitError("holds no recordings.", where=root, remedy=layout)
    for k, label in enumerate(files.labels):
        if k not in files.y:
            raise TinykitError("is an empty label folder.", where=root / label, remedy=layout)
    if len(files.labels) < 2:
        raise TinykitError("has one label only; there is nothing to tell apart.", where=root)


def _subjects(root: Path, files: _Files) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.uint8]]:
    """Subject and part of each file."""
    names = [f"{p.parent.name}/{p.name}" for p in files.paths]
    told, parts = _read_subjects(root / SUBJECTS_FILE)
    subject = [told.get(n, p.stem.split("_")[0]) for n, p in zip(names, files.paths, strict=True)]
    split = split_of_subjects(subject, where=root, fixed=parts)
    return np.array(subject, np.str_), np.array([split[s] for s in subject], np.uint8)


def _read_subjects(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Subject by file, and part by subject where the table fixes it."""
    told: dict[str, str] = {}
    parts: dict[str, int] = {}
    if not path.is_file():
        return told, parts
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not {"file", "subject"} <= set(reader.fieldnames or ()):
            raise TinykitError("needs the columns `file` and `subject`.", where=path)
        for row in reader:
            name, who, part = row["file"], row["subject"], row.get("split") or ""
            if not name or not who:
                raise TinykitError(f"line {reader.line_num} has a gap.", where=path)
            told[name] = who
            if not part:
                continue
            if part not in PARTS or parts.setdefault(who, PARTS.index(part)) != PARTS.index(part):
                raise TinykitError(
                    f"line {reader.line_num}: split {part!r} is unknown, or puts {who!r} twice.",
                    where=path,
                    remedy="A subject is in one of train, validation, test.",
                )
    return told, parts


def _sounds(
    root: Path,
    files: _Files,
    subject: npt.NDArray[np.str_],
    part: npt.NDArray[np.uint8],
    rate: int,
    seconds: float,
    seed: int,
    licence: str,
    citation: str,
) -> Dataset:
    samples = round(rate * seconds)
    if samples < 1:
        raise TinykitError(f"seconds={seconds} cannot be used.", remedy="Clips need a length.")
    remarks: Counter[str] = Counter()
    x = np.zeros((len(files.paths), samples), np.int16)
    for i, path in enumerate(files.paths):
        x[i] = fit_length(_read(path, rate, remarks, samples), samples)
    labels, y = files.labels, np.array(files.y, np.int64)
    recordings = {
        p.name: _read(p, rate, remarks, None) for p in sorted((root / _NOISE).glob("*.wav"))
    }
    if recordings and "silence" not in labels:
        wanted = [round(np.sum(part == p) / len(labels)) for p in range(3)]
        silence, silence_part, silence_subject = silence_clips(recordings, wanted, samples, seed)
        x = np.concatenate([x, silence])
        y = np.concatenate([y, np.full(len(silence), len(labels), np.int64)])
        part = np.concatenate([part, silence_part])
        subject = np.concatenate([subject, silence_subject])
        labels = (*labels, "silence")
    for remark, count in sorted(remarks.items()):
        notice(f"{root}: {count} {'file' if count == 1 else 'files'} {remark}")
    return Dataset(
        name="folder",
        task="kws",
        rate=rate,
        labels=labels,
        x=x,
        y=y,
        split=part,
        subject=subject,
        channels=("mono",),
        scale=(AUDIO_SCALE,),
        synthetic=False,
        licence=licence,
        citation=citation,
        noise=training_noise(recordings),
    )


def _read(path: Path, rate: int, remarks: Counter[str], samples: int | None) -> Sound16:
    sound, changed = read_wav_with_remarks(path, rate)
    remarks.update(changed)
    if samples is not None and len(sound) > samples:
        remarks["cut at the end"] += 1
    if samples is not None and len(sound) < samples:
        remarks["filled up with zeros"] += 1
    return sound


def _motion(
    files: _Files,
    subject: npt.NDArray[np.str_],
    part: npt.NDArray[np.uint8],
    rate: int,
    window: int,
    step: int,
    channels: Sequence[str],
    acc_unit: str,
    licence: str,
    citation: str,
) -> Dataset:
    check_window(window, step, 1.0)
    recordings = []
    for path, label, who in zip(files.paths, files.y, subject, strict=True):
        signal = read_motion(path, channels, acc_unit)
        if len(signal) < window:
            notice(f"{path}: {len(signal)} samples, shorter than a window of {window}; left out")
        recordings.append(Recording(signal, np.full(len(signal), label, np.int64), str(who)))
    arrays = windows_of(recordings, len(files.labels), window, step, 1.0)
    if len(arrays["y"]) == 0:
        raise TinykitError(
            f"no recording is as long as a window of {window} samples.",
            remedy="Choose a shorter window, or record longer.",
        )
    split = dict(zip(subject.tolist(), part.tolist(), strict=True))
    return Dataset(
        name="folder",
        task="har",
        rate=rate,
        labels=files.labels,
        x=arrays["x"],
        y=arrays["y"],
        split=np.array([split[s] for s in arrays["subject"].tolist()], np.uint8),
        subject=arrays["subject"],
        channels=tuple(channels),
        scale=channel_scales(channels),
        synthetic=False,
        licence=licence,
        citation=citation,
    )
