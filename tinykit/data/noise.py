# SPDX-License-Identifier: Apache-2.0
"""Background recordings: which stretch belongs to which part, and silence clips cut from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tinykit.data.dataset import PARTS

Sound16 = npt.NDArray[np.int16]

# Train, validation and test silence come from disjoint stretches of every recording, so that a
# network never sees a sample of the noise it is tested on.
_STRETCHES = ((0.0, 0.8), (0.8, 0.9), (0.9, 1.0))

# One clip in ten is what a muted or distant microphone gives: a few LSB of noise, no room.
_NEAR_SILENT_SHARE = 0.1
_NEAR_SILENT_LSB = 4.0


def stretch(recording: Sound16, part: int) -> Sound16:
    """The samples of `recording` that belong to part 0, 1 or 2."""
    begin, end = _STRETCHES[part]
    return recording[int(begin * len(recording)) : int(end * len(recording))]


def training_noise(recordings: Mapping[str, Sound16]) -> tuple[Sound16, ...]:
    """The stretches that may be mixed into training clips, in order of name."""
    return tuple(stretch(recordings[n], 0) for n in sorted(recordings))


def silence_clips(
    recordings: Mapping[str, Sound16], counts: Sequence[int], samples: int, seed: int
) -> tuple[Sound16, npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """Silence for every part: background noise at a random gain, and near-silence.

    Args:
        recordings: int16 (n,) by name; stretches shorter than a clip are not used.
        counts: clips for train, validation and test.
        samples: length of a clip.
        seed: of the choice of places and gains.

    Returns:
        x int16 (sum of counts, samples), split uint8, subject ("<recording>:<part>").
    """
    clips, split, subject = [], [], []
    for part, count in enumerate(counts):
        rng = np.random.default_rng([seed, part])
        usable = [n for n in sorted(recordings) if len(stretch(recordings[n], part)) > samples]
        for i in range(count):
            near_silent = not usable or rng.random() < _NEAR_SILENT_SHARE
            name = "near-silence" if near_silent else usable[i % len(usable)]
            if near_silent:
                clip = rng.standard_normal(samples) * (rng.random() * _NEAR_SILENT_LSB)
            else:
                source = stretch(recordings[name], part)
                start = int(rng.integers(len(source) - samples))
                clip = source[start : start + samples] * rng.random()
            clips.append(np.rint(clip).astype(np.int16))
            split.append(part)
            subject.append(f"{name}:{PARTS[part]}")
    x = np.stack(clips) if clips else np.zeros((0, samples), np.int16)
    return x, np.array(split, np.uint8), np.array(subject, np.str_)
