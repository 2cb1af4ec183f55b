# SPDX-License-Identifier: Apache-2.0
"""Google Speech Commands: ten classes, official split; packs of FLAC or the official archive."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinykit.data.audio import conform, decode_flac, decode_wav, fit_length
from tinykit.data.cache import Arrays, cached, fingerprint
from tinykit.data.dataset import AUDIO_SCALE, Dataset
from tinykit.data.noise import silence_clips, training_noise
from tinykit.data.splits import draw_evenly, hash_split, speaker_of
from tinykit.errors import TinykitError

Sound16 = npt.NDArray[np.int16]

CORE_WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go")
RATE = 16000
SAMPLES = 16000
_NOISE = "_background_noise_"
_FOLDERS = ("speech_commands", "speech_commands_v0.02", "speech_commands_v0.01", ".")


class Archive(Protocol):
    """Where the clips are: names by word, and their samples."""

    @property
    def root(self) -> Path:
        """The folder of the packs or words."""

    def names(self) -> dict[str, list[str]]:
        """File names without suffix by word, `_background_noise_` included.

        Without suffix, so that wav and FLAC files of one name are chosen alike.
        """

    def read(self, word: str, names: Sequence[str]) -> Iterator[Sound16]:
        """The clips `names` of `word`, in that order, int16 (samples,) at 16 kHz."""

    def files(self) -> list[Path]:
        """What the content depends on, for the cache."""


@dataclass(frozen=True)
class Packs:
    """One uncompressed tar of FLAC files per word."""

    root: Path

    def names(self) -> dict[str, list[str]]:
        return {p.stem: _members(p) for p in self.files()}

    def read(self, word: str, names: Sequence[str]) -> Iterator[Sound16]:
        path = self.root / f"{word}.tar"
        with tarfile.open(path) as tar:
            blobs = [(n, _member(tar, f"{n}.flac", path)) for n in names]
        # libsndfile releases the interpreter lock, so threads do help here.
        with ThreadPoolExecutor() as pool:
            yield from pool.map(
                lambda b: conform(decode_flac(b[1], f"{path}:{b[0]}.flac"), RATE)[0], blobs
            )

    def files(self) -> list[Path]:
        return sorted(self.root.glob("*.tar"))


@dataclass(frozen=True)
class Folders:
    """The official archive, extracted: one folder of wav files per word."""

    root: Path

    def names(self) -> dict[str, list[str]]:
        return {p.name: sorted(f.stem for f in p.glob("*.wav")) for p in self.files()}

    def read(self, word: str, names: Sequence[str]) -> Iterator[Sound16]:
        for name in names:
            path = self.root / word / f"{name}.wav"
            yield conform(decode_wav(path.read_bytes(), path), RATE)[0]

    def files(self) -> list[Path]:
        return sorted(p for p in self.root.iterdir() if p.is_dir())


def find(root: Path) -> Path | None:
    """The folder of the packs, or of the extracted archive, under `root`."""
    for folder in _FOLDERS:
        place = root / folder
        if (place / "yes.tar").is_file() or (place / "yes").is_dir():
            return place
    return None


def load(
    root: Path,
    *,
    words: Sequence[str] = CORE_WORDS,
    unknown_ratio: float = 1.25,
    silence_ratio: float = 1.0,
    seed: int = 0,
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Load the ten classes: `words`, then "silence" and "unknown".

    Clips are one second at 16 kHz; shorter ones are filled up with zeros, longer ones cut, as in
    the reference code. Unknown clips are drawn evenly over all other words.

    Args:
        root: folder that holds the set in either layout.
        words: the words to tell apart, in the order of the labels.
        unknown_ratio: unknown clips per average word in training; 1 in validation and test.
        silence_ratio: silence clips per average word, in every part.
        seed: of the choice of unknown clips and of silence; independent of training.
        licence: from the manifest.
        citation: from the manifest.

    Raises:
        TinykitError: a word or the background noise is missing, or a clip cannot be decoded.
    """
    place = find(root)
    if place is None:
        raise TinykitError("no Speech Commands here.", where=root)
    archive: Archive = Packs(place) if (place / "yes.tar").is_file() else Folders(place)
    key = {
        "files": fingerprint(archive.files()),
        "words": list(words),
        "ratios": [unknown_ratio, silence_ratio],
        "seed": seed,
    }
    arrays = cached(
        "speech_commands",
        key,
        lambda: _decode(archive, tuple(words), unknown_ratio, silence_ratio, seed),
    )
    noise = [arrays[n] for n in sorted(arrays) if n.startswith("noise")]
    return Dataset(
        name="speech_commands",
        task="kws",
        rate=RATE,
        labels=(*words, "silence", "unknown"),
        x=arrays["x"],
        y=arrays["y"],
        split=arrays["split"],
        subject=arrays["subject"],
        channels=("mono",),
        scale=(AUDIO_SCALE,),
        synthetic=False,
        licence=licence,
        citation=citation,
        noise=tuple(noise),
    )


def _members(path: Path) -> list[str]:
    try:
        with tarfile.open(path) as tar:
            return sorted(m.name[:-5] for m in tar if m.isfile() and m.name.endswith(".flac"))
    except (tarfile.TarError, OSError) as error:
        raise TinykitError(
            f"damaged pack: {error}.", where=path, remedy="Get the file again."
        ) from error


def _member(tar: tarfile.TarFile, name: str, path: Path) -> bytes:
    try:
        stream = tar.extractfile(name)
        return stream.read() if stream else b""
    except (tarfile.TarError, OSError, KeyError) as error:
        raise TinykitError(
            f"damaged pack: {error}.", where=f"{path}:{name}", remedy="Get the file again."
        ) from error


def by_part(names: Sequence[str]) -> list[list[str]]:
    """`names` sorted into train, validation and test by the official rule."""
    parts: list[list[str]] = [[], [], []]
    for name in names:
        parts[hash_split(speaker_of(name))].append(name)
    return parts


def choose(
    names: dict[str, list[str]], words: tuple[str, ...], unknown_ratio: float, seed: int
) -> list[tuple[str, str, int, int]]:
    """The clips to load: (word, file name, class, part), in a fixed order.

    Args:
        names: file names by word, without the background noise.
        words: the words that are classes of their own.
        unknown_ratio: see `load`.
        seed: see `load`.
    """
    chosen = []
    counts = np.zeros((len(words), 3), np.int64)
    for label, word in enumerate(words):
        for part, members in enumerate(by_part(names[word])):
            counts[label, part] = len(members)
            chosen += [(word, n, label, part) for n in members]
    others = {w: by_part(n) for w, n in sorted(names.items()) if w not in words}
    for part in range(3):
        ratio = unknown_ratio if part == 0 else 1.0
        wanted = round(float(counts[:, part].mean()) * ratio)
        # A file name says who spoke, not which word: the word makes it unique.
        pools = {w: [f"{w}/{n}" for n in parts[part]] for w, parts in others.items()}
        for word, drawn in draw_evenly(pools, wanted, seed).items():
            chosen += [(word, d.split("/", 1)[1], len(words) + 1, part) for d in drawn]
    return chosen


def _decode(
    archive: Archive,
    words: tuple[str, ...],
    unknown_ratio: float,
    silence_ratio: float,
    seed: int,
) -> Arrays:
    names = archive.names()
    for word in (*words, _NOISE):
        if not names.get(word):
            raise TinykitError(
                f"no recordings of {word!r}.",
                where=archive.root,
                remedy="Get the whole set, or choose words that are there.",
            )
    noise_names = names.pop(_NOISE)
    recordings = dict(zip(noise_names, archive.read(_NOISE, noise_names), strict=True))
    chosen = choose(names, words, unknown_ratio, seed)
    x, rows = _read_clips(archive, chosen)
    y = np.array([c[2] for c in rows], np.int64)
    split = np.array([c[3] for c in rows], np.uint8)
    subject = np.array([speaker_of(c[1]) for c in rows], np.str_)
    spoken = np.array([np.sum((split == p) & (y < len(words))) for p in range(3)])
    wanted = [round(float(n) / len(words) * silence_ratio) for n in spoken]
    silence, silence_split, silence_subject = silence_clips(recordings, wanted, SAMPLES, seed)
    arrays: Arrays = {
        "x": np.concatenate([x, silence]),
        "y": np.concatenate([y, np.full(len(silence), len(words), np.int64)]),
        "split": np.concatenate([split, silence_split]),
        "subject": np.concatenate([subject, silence_subject]),
    }
    for i, sound in enumerate(training_noise(recordings)):
        arrays[f"noise{i:02d}"] = sound
    return arrays


def _read_clips(
    archive: Archive, chosen: list[tuple[str, str, int, int]]
) -> tuple[Sound16, list[tuple[str, str, int, int]]]:
    """x int16 (N, 16000) and the rows of `chosen` in the order of x (word by word)."""
    x = np.zeros((len(chosen), SAMPLES), np.int16)
    rows: list[tuple[str, str, int, int]] = []
    by_word: dict[str, list[tuple[str, str, int, int]]] = {}
    for row in chosen:
        by_word.setdefault(row[0], []).append(row)
    for word, group in by_word.items():
        for row, sound in zip(group, archive.read(word, [r[1] for r in group]), strict=True):
            x[len(rows)] = fit_length(sound, SAMPLES)
            rows.append(row)
    return x, rows
