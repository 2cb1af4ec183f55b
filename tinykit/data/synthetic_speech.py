# SPDX-License-Identifier: Apache-2.0
"""Synthetic keywords: espeak-ng utterances put into rooms and noise. No person spoke these."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.data.audio import decode_flac
from tinykit.data.cache import Arrays, cached, fingerprint
from tinykit.data.dataset import AUDIO_SCALE, PARTS, Dataset
from tinykit.data.noise import silence_clips, stretch, training_noise
from tinykit.resources import resource_dir

Real = npt.NDArray[np.float64]
Sound16 = npt.NDArray[np.int16]

RATE = 16000
SAMPLES = 16000
_FOLDER = "synthetic_speech"
_NOISE_SECONDS = 20
UNKNOWN_RATIO = 1.25


@dataclass(frozen=True)
class Utterance:
    """One word as a voice said it, dry: samples int16 (n,), n < 16000."""

    word: str
    speaker: str
    part: int
    samples: Sound16


def find(root: Path) -> Path | None:
    """The folder that travels with tinykit; `root` does not matter."""
    folder = resource_dir("datasets") / _FOLDER
    return folder if (folder / "utterances.flac").is_file() else None


def load(
    root: Path, *, variants: int = 6, seed: int = 0, licence: str = "", citation: str = ""
) -> Dataset:
    """Load the ten classes of `speech_commands`, made from the embedded utterances.

    Every utterance is heard `variants` times: at another speed, place in the second and level, in
    another room, with another noise. The voices are split; the same arguments give the same
    arrays.

    Args:
        root: not used; the utterances travel with tinykit.
        variants: clips made of each utterance; fewer of unknown words, which share a class.
        seed: of everything random.
        licence: from the manifest.
        citation: from the manifest.
    """
    folder = resource_dir("datasets") / _FOLDER
    files = [folder / n for n in ("settings.toml", "utterances.csv", "utterances.flac")]
    key = {"files": fingerprint(files), "variants": variants, "seed": seed}
    arrays = cached(_FOLDER, key, lambda: _make(folder, variants, seed))
    words = tomllib.loads(files[0].read_text())["words"]
    return Dataset(
        name=_FOLDER,
        task="kws",
        rate=RATE,
        labels=(*words, "silence", "unknown"),
        x=arrays["x"],
        y=arrays["y"],
        split=arrays["split"],
        subject=arrays["subject"],
        channels=("mono",),
        scale=(AUDIO_SCALE,),
        synthetic=True,
        licence=licence,
        citation=citation,
        noise=tuple(arrays[n] for n in sorted(arrays) if n.startswith("noise")),
    )


def utterances(folder: Path) -> list[Utterance]:
    """All utterances of the folder, in the order of its table."""
    settings = tomllib.loads((folder / "settings.toml").read_text())
    part = {s["name"]: PARTS.index(s["part"]) for s in settings["speaker"]}
    path = folder / "utterances.flac"
    samples = decode_flac(path.read_bytes(), path).samples[:, 0]
    with (folder / "utterances.csv").open(newline="") as stream:
        return [
            Utterance(
                r["word"],
                r["speaker"],
                part[r["speaker"]],
                samples[int(r["begin"]) : int(r["end"])],
            )
            for r in csv.DictReader(stream)
        ]


def _make(folder: Path, variants: int, seed: int) -> Arrays:
    words = tomllib.loads((folder / "settings.toml").read_text())["words"]
    recordings = noise_recordings(seed)
    clips, y, split, subject = [], [], [], []
    spoken = utterances(folder)
    unknown = len({u.word for u in spoken} - set(words))
    for utterance in spoken:
        known = utterance.word in words
        # All unknown words together are about as many clips as a word of their own.
        for k in range(variants if known else max(1, round(variants * UNKNOWN_RATIO / unknown))):
            clips.append(place(utterance, recordings, _generator(seed, utterance, k)))
            y.append(words.index(utterance.word) if known else len(words) + 1)
            split.append(utterance.part)
            subject.append(utterance.speaker)
    wanted = [len({u.speaker for u in spoken if u.part == p}) * variants for p in range(3)]
    silence, silence_split, silence_subject = silence_clips(recordings, wanted, SAMPLES, seed)
    arrays: Arrays = {
        "x": np.concatenate([np.stack(clips), silence]),
        "y": np.concatenate([np.array(y, np.int64), np.full(len(silence), len(words), np.int64)]),
        "split": np.concatenate([np.array(split, np.uint8), silence_split]),
        "subject": np.concatenate([np.array(subject, np.str_), silence_subject]),
    }
    for i, sound in enumerate(training_noise(recordings)):
        arrays[f"noise{i:02d}"] = sound
    return arrays


def _generator(seed: int, utterance: Utterance, variant: int) -> np.random.Generator:
    """Random numbers of one clip, which no other clip's being there changes."""
    text = f"{seed}:{utterance.word}:{utterance.speaker}:{variant}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def place(
    utterance: Utterance, recordings: Mapping[str, Sound16], rng: np.random.Generator
) -> Sound16:
    """One clip int16 (16000,): the utterance at a random speed, level and place, in a room."""
    dry = _stretch_time(utterance.samples.astype(np.float64), rng.uniform(0.9, 1.1))
    clip = np.zeros(SAMPLES)
    begin = int(rng.integers(0, max(1, SAMPLES - len(dry))))
    clip[begin : begin + len(dry)] = dry[: SAMPLES - begin]
    clip = in_room(clip, rng)
    clip *= 32767 * 10 ** (rng.uniform(-24, -3) / 20) / np.abs(clip).max()
    name = sorted(recordings)[int(rng.integers(len(recordings)))]
    source = stretch(recordings[name], utterance.part)
    start = int(rng.integers(len(source) - SAMPLES))
    noise = source[start : start + SAMPLES].astype(np.float64)
    ratio = 10 ** (-rng.uniform(8, 40) / 20)
    loud = np.sqrt(np.mean(clip[begin : begin + len(dry)] ** 2))
    clip += noise * (ratio * loud / np.sqrt(np.mean(noise**2)))
    return np.clip(np.rint(clip), -32768, 32767).astype(np.int16)


def _stretch_time(samples: Real, factor: float) -> Real:
    """The samples played `factor` times as fast (pitch moves along), by linear interpolation."""
    at = np.arange(int(len(samples) / factor)) * factor
    return np.interp(at, np.arange(len(samples)), samples)


def in_room(clip: Real, rng: np.random.Generator) -> Real:
    """Convolved with a room: the direct sound and a tail of noise that decays exponentially.

    The reverberation time (60 dB) is 0.1 to 0.5 s, the tail 6 to 20 dB below the direct sound; a
    usual simple model of a diffuse room (Polack 1988).
    """
    t60 = rng.uniform(0.1, 0.5)
    n = int(t60 * RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: RATE // 500] = 0  # the first echo comes 2 ms after the direct sound
    response = tail * (10 ** (-rng.uniform(6, 20) / 20) / np.sqrt(np.sum(tail**2)))
    response[0] = 1.0
    size = 1 << (len(clip) + n - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(clip, size) * np.fft.rfft(response, size), size)
    return wet[: len(clip)]


def noise_recordings(seed: int) -> dict[str, Sound16]:
    """Background recordings of 20 s by name: white, pink and brown noise, and mains hum."""
    n = _NOISE_SECONDS * RATE
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
    recordings = {}
    for k, (name, slope) in enumerate((("white", 0.0), ("pink", 0.5), ("brown", 1.0))):
        rng = np.random.default_rng([seed, k])
        spectrum = np.fft.rfft(rng.standard_normal(n)) / frequency**slope
        recordings[name] = _at_level(np.fft.irfft(spectrum, n))
    rng = np.random.default_rng([seed, 3])
    time = np.arange(n) / RATE
    hum = sum(
        np.sin(2 * np.pi * 50 * h * time + rng.uniform(0, 2 * np.pi)) / h for h in range(1, 12)
    )
    recordings["hum"] = _at_level(hum + 0.1 * rng.standard_normal(n))
    return recordings


def _at_level(samples: Any) -> Sound16:
    """int16 at -20 dB of full scale (root mean square)."""
    level = 3276.7 / np.sqrt(np.mean(samples**2))
    return np.clip(np.rint(samples * level), -32768, 32767).astype(np.int16)
