# SPDX-License-Identifier: Apache-2.0
"""Ten classes from Speech Commands: official split, even unknown words, silence."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tinykit.data.noise import silence_clips, stretch
from tinykit.data.places import search_roots
from tinykit.data.speech_commands import CORE_WORDS, Packs, choose, load
from tinykit.data.splits import draw_evenly, hash_split, speaker_of
from tinykit.errors import TinykitError


def official_rule(file_name: str) -> str:
    """The rule as the README of the set states it, written a second time, for the test."""
    most = 2**27 - 1
    key = re.sub(r"_nohash_.*$", "", file_name)
    value = int(hashlib.sha1(key.encode()).hexdigest(), 16) % (most + 1) * (100.0 / most)
    return "validation" if value < 10 else "test" if value < 20 else "train"


def test_split_agrees_with_the_official_rule() -> None:
    # The first lines of validation_list.txt and testing_list.txt.
    assert hash_split(speaker_of("right/a69b9b3e_nohash_0.wav")) == 1
    assert hash_split(speaker_of("right/bb05582b_nohash_3.wav")) == 2
    names = [f"{k * 2654435761 % 2**32:08x}_nohash_{k % 4}.wav" for k in range(5000)]
    parts = ("train", "validation", "test")
    assert [parts[hash_split(speaker_of(n))] for n in names] == [official_rule(n) for n in names]


# The tiny packs always, and the real ones where they are.
REAL = [p for p in search_roots() if (p / "speech_commands" / "yes.tar").is_file()]


@pytest.fixture(params=["tiny", *REAL], ids=lambda p: "tiny" if p == "tiny" else "real")
def root(request: pytest.FixtureRequest, speech_packs: Path) -> Path:
    return speech_packs if request.param == "tiny" else request.param


def test_clips_are_in_their_official_part(root: Path) -> None:
    """Every clip of every core word is loaded, into the part that the rule says."""
    counts = load(root).counts()
    for label, word in enumerate(CORE_WORDS):
        with tarfile.open(root / "speech_commands" / f"{word}.tar") as tar:
            found = Counter(official_rule(m.name) for m in tar)
        assert counts[:, label].tolist() == [found[p] for p in ("train", "validation", "test")]


@pytest.mark.parametrize("ratio", [1.0, 1.25])
def test_unknown_clips_are_drawn_evenly(root: Path, ratio: float) -> None:
    check_even(Packs(root / "speech_commands").names(), ratio)


def check_even(names: dict[str, list[str]], ratio: float) -> None:
    names.pop("_background_noise_")
    chosen = choose(names, CORE_WORDS, ratio, seed=0)
    assert len(set(chosen)) == len(chosen)
    for part in range(3):
        known = sum(c[3] == part and c[2] < 8 for c in chosen) / 8
        drawn = Counter(c[0] for c in chosen if c[3] == part and c[2] == 9)
        there = {w: sum(hash_split(speaker_of(n)) == part for n in ns) for w, ns in names.items()}
        pools = {w: n for w, n in there.items() if w not in CORE_WORDS}
        wanted = round(known * (ratio if part == 0 else 1.0))
        assert sum(drawn.values()) == min(wanted, sum(pools.values()))
        most = max(drawn.values(), default=0)
        for word, pool in pools.items():
            assert drawn[word] >= min(pool, most - 1), (word, part)


def test_the_choice_depends_on_its_seed_only() -> None:
    pools = {w: [f"{w}/{i}" for i in range(20)] for w in "abc"}
    once = draw_evenly(pools, 30, seed=1)
    assert draw_evenly(dict(reversed(pools.items())), 30, seed=1) == once
    assert draw_evenly(pools, 30, seed=2) != once
    assert draw_evenly(pools, 1000, seed=1) == {w: draw_evenly(pools, 60, 1)[w] for w in "abc"}


def test_silence_is_as_frequent_as_a_word_and_never_shared(speech_packs: Path) -> None:
    data = load(speech_packs)
    counts = data.counts()
    np.testing.assert_array_equal(counts[:, 8], np.rint(counts[:, :8].mean(axis=1)))
    silence = data.select(data.y == 8)
    assert all(s.endswith((":train", ":validation", ":test")) for s in silence.subject)
    assert len(data.noise) == 2


def test_no_sample_of_background_noise_is_in_two_parts() -> None:
    recording = np.arange(30000).astype(np.int16)
    parts = [set(stretch(recording, p).tolist()) for p in range(3)]
    assert set.union(*parts) == set(recording.tolist())
    assert sum(map(len, parts)) == len(recording)


def test_some_silence_is_nearly_digital() -> None:
    rng = np.random.default_rng(0)
    loud = {"noise": rng.integers(-20000, 20000, 200000).astype(np.int16)}
    x, _, subject = silence_clips(loud, (300, 0, 0), 1600, seed=0)
    quiet = np.array([s.startswith("near-silence") for s in subject])
    assert 0.05 < quiet.mean() < 0.2
    assert np.abs(x[quiet]).max() < 30


def test_bad_archives(tmp_path: Path, speech_packs: Path) -> None:
    with pytest.raises(TinykitError, match="no recordings of 'seven'"):
        load(speech_packs, words=("yes", "seven"))
    place = tmp_path / "speech_commands"
    place.mkdir()
    for pack in sorted((speech_packs / "speech_commands").iterdir()):
        os.link(pack, place / pack.name)
    (place / "yes.tar").unlink()
    whole = (speech_packs / "speech_commands" / "yes.tar").read_bytes()
    (place / "yes.tar").write_bytes(whole[:4000] + bytes(3000) + whole[7000:])
    with pytest.raises(TinykitError, match=r"yes\.tar"):
        load(tmp_path)
