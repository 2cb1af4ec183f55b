# SPDX-License-Identifier: Apache-2.0
"""Clips that push a front end into its corners, and clips that look like speech."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from tinykit.data import load_dataset


def corner_clips(length: int, seed: int = 0) -> dict[str, NDArray[np.int16]]:
    """Named groups of clips, each (clips, length) int16."""
    rng = np.random.default_rng(seed)
    time = np.arange(length)
    tones = [20000 * np.sin(2 * np.pi * f * time) for f in (0.001, 0.0173, 0.1, 0.25, 0.4999)]
    impulses = np.zeros((4, length))
    impulses[np.arange(4), [0, 1, length // 2, length - 1]] = [1, -32768, 32767, -1]
    sign = rng.random((2, length)) < 0.5
    groups = {
        "noise": rng.integers(-32768, 32768, (3, length)),
        "signs": np.where(sign, -32768, 32767),
        "alternating": np.where(time % 2 == 0, -32768, 32767)[None],
        "last bits": rng.integers(-1, 2, (2, length)),
        "silence": np.zeros((1, length)),
        "lowest": np.full((1, length), -32768),
        "highest": np.full((1, length), 32767),
        "tones": np.stack(tones),
        "impulses": impulses,
        "fading": rng.normal(size=(2, length)) * 10 ** np.linspace(0, 4, length),
    }
    return {
        name: np.clip(np.rint(clips), -32768, 32767).astype(np.int16)
        for name, clips in groups.items()
    }


def voices(clips: int, length: int = 16000, seed: int = 0) -> NDArray[np.int16]:
    """(clips, length) int16: harmonics of a gliding pitch in noise, loud and quiet."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / 16000
    out = np.empty((clips, length), np.int16)
    for clip in out:
        pitch = rng.uniform(80, 250) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(1, 4) * time))
        phase = 2 * np.pi * np.cumsum(pitch) / 16000
        voice = sum(np.sin(k * phase) / k ** rng.uniform(0.8, 1.8) for k in range(1, 24))
        envelope = np.exp(-(((time - rng.uniform(0.3, 0.7)) / 0.15) ** 2))
        level, noise = 10 ** rng.uniform(2.5, 4), 10 ** rng.uniform(0.3, 2)
        sound = level * envelope * voice + noise * rng.normal(size=length)
        clip[:] = np.clip(np.rint(sound), -32768, 32767)
    return out


def recordings() -> NDArray[np.int16]:
    """The test clips of Speech Commands where $TINYKIT_DATA has them, else `voices`."""
    if "TINYKIT_DATA" in os.environ:
        return load_dataset("speech_commands").part("test").x
    return voices(300)
