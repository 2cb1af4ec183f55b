# SPDX-License-Identifier: Apache-2.0
"""What the loaders of inertial recordings share: recordings in, windows of one activity out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.data.cache import Arrays, cached, fingerprint
from tinykit.data.dataset import ACC_SCALE_G, GYRO_SCALE_RAD_S, Dataset, to_int16
from tinykit.data.splits import subject_split
from tinykit.data.windows import check_window, cut, label_windows
from tinykit.errors import TinykitError


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


def check_sampling(rate: int, decimate: int) -> None:
    """Refuse a decimation after which the rate is no whole number of hertz.

    Raises:
        TinykitError: names the factors that there are.
    """
    possible = [k for k in range(1, rate + 1) if rate % k == 0]
    if decimate not in possible:
        raise TinykitError(
            f"decimate = {decimate} leaves no whole rate of {rate} Hz.",
            where="[data]",
            remedy=f"Use one of {', '.join(map(str, possible))}.",
        )


def resampled(recording: Recording, decimate: int, channels: int) -> Recording:
    """A recording as a sensor gives it that runs `decimate` times slower and has fewer channels.

    Samples are means of `decimate` in a row, as of a sensor that filters before it decimates; one
    that two classes share has none. The first `channels` stay.
    """
    signal, label = recording.signal[:, :channels], recording.label
    if decimate == 1:
        return replace(recording, signal=signal)
    count = len(label) // decimate
    means = signal[: count * decimate].reshape(count, decimate, -1).mean(axis=1)
    groups = label[: count * decimate].reshape(count, decimate)
    same = (groups == groups[:, :1]).all(axis=1)
    return Recording(
        np.rint(means).astype(np.int16), np.where(same, groups[:, 0], -1), recording.subject
    )


@dataclass(frozen=True, kw_only=True)
class InertialSet:
    """What a set of real recordings is, apart from where they lie and how a file is read.

    Attributes:
        name, labels, channels, scale, rate: as in Dataset.
        title: of the set, for messages.
        test_subjects: who tests, fixed.
        official: pattern of the files in the official archive's layout.
    """

    name: str
    title: str
    rate: int
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    scale: tuple[float, ...]
    test_subjects: Sequence[int]
    official: str

    def load(
        self,
        root: Path,
        place: Path | None,
        read: Callable[[Path], Iterable[Recording]],
        *,
        window: int,
        step: int,
        purity: float,
        decimate: int = 1,
        gyroscope: bool = True,
        validation_subjects: Sequence[int],
        licence: str,
        citation: str,
    ) -> Dataset:
        """Windows of the recordings at `place`, from the cache where they were cut before.

        Args:
            root: where the set was looked for.
            place: the packed file or the official folder; None if there is neither.
            read: all recordings of `place`.
            window, step: samples of a window, and from one to the next.
            purity: share of the window that must be of one activity.
            decimate: samples of the recordings that become one.
            gyroscope: whether its channels are there, where the set has them.
            validation_subjects: who validates instead of training.
            licence, citation: from the manifest.

        Raises:
            TinykitError: the set is not there, or the options make no sense.
        """
        check_window(window, step, purity)
        check_sampling(self.rate, decimate)
        channels = len(self.channels) if gyroscope else min(len(self.channels), 3)
        if place is None:
            raise TinykitError(f"no {self.title} recordings here.", where=root)
        sources = [place] if place.is_file() else sorted(place.glob(self.official))
        key = {"files": fingerprint(sources), "window": window, "step": step, "purity": purity}
        key |= {"decimate": decimate, "channels": channels}

        def make() -> Arrays:
            recordings = (resampled(one, decimate, channels) for one in read(place))
            return windows_of(recordings, len(self.labels), window, step, purity)

        arrays = cached(self.name, key, make)
        subject = arrays["subject"]
        return Dataset(
            name=self.name,
            task="har",
            rate=self.rate // decimate,
            labels=self.labels,
            x=arrays["x"],
            y=arrays["y"],
            split=subject_split(subject, validation=validation_subjects, test=self.test_subjects),
            subject=subject,
            channels=self.channels[:channels],
            scale=self.scale[:channels],
            synthetic=False,
            licence=licence,
            citation=citation,
        )
