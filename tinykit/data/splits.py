# SPDX-License-Identifier: Apache-2.0
"""Who is trained on, who validates, who tests: rules that look at the speaker or subject only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.dataset import TEST, TRAIN, VALIDATION
from tinykit.errors import TinykitError

_SPEECH_COMMANDS_BUCKETS = 2**27 - 1


def speaker_of(file_name: str) -> str:
    """The speaker of a Speech Commands file: its stem up to `_nohash_`."""
    stem = file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return stem.split("_nohash_")[0]


def hash_percentage(key: str) -> float:
    """Where `key` falls in 0..100 by the rule in the README of Speech Commands (Warden 2018)."""
    bucket = int(hashlib.sha1(key.encode()).hexdigest(), 16) % (_SPEECH_COMMANDS_BUCKETS + 1)
    return bucket * (100.0 / _SPEECH_COMMANDS_BUCKETS)


def hash_split(key: str, validation: float = 10.0, test: float = 10.0) -> int:
    """The part of a speaker or subject: below `validation` %, below the sum, or the rest."""
    percentage = hash_percentage(key)
    if percentage < validation:
        return VALIDATION
    return TEST if percentage < validation + test else TRAIN


def subject_split(
    subjects: npt.NDArray[np.str_], *, validation: Iterable[object], test: Iterable[object]
) -> npt.NDArray[np.uint8]:
    """The part of each clip from lists of held-out subjects: uint8 (N,).

    Raises:
        TinykitError: a subject is in both lists.
    """
    validating, testing = {str(s) for s in validation}, {str(s) for s in test}
    if both := sorted(validating & testing):
        raise TinykitError(
            f"subject {both[0]} tests and cannot validate.",
            remedy="Choose validation subjects among those that train.",
        )
    split = np.full(subjects.shape, TRAIN, np.uint8)
    split[np.isin(subjects, sorted(validating))] = VALIDATION
    split[np.isin(subjects, sorted(testing))] = TEST
    return split


def ordered_by_hash(names: Iterable[str], seed: int) -> list[str]:
    """`names` in an order that depends on each name and `seed` only, not on what else is there."""
    return sorted(names, key=lambda n: hashlib.sha256(f"{seed}:{n}".encode()).digest())


def draw_evenly(pools: Mapping[str, list[str]], count: int, seed: int) -> dict[str, list[str]]:
    """Draw `count` names from the pools, as many from each as the smallest pools allow.

    Rounds go over the pools, one name from each that still has one, until `count` is reached; so
    two pools differ by more than one name only when the smaller one is used up.

    Returns:
        The names drawn, by pool; fewer than `count` in all when the pools have no more.
    """
    waiting = {k: ordered_by_hash(v, seed)[::-1] for k, v in pools.items()}
    drawn: dict[str, list[str]] = {k: [] for k in pools}
    order = ordered_by_hash(pools, seed)
    left = min(count, sum(map(len, waiting.values())))
    while left > 0:
        for pool in order:
            if waiting[pool] and left > 0:
                drawn[pool].append(waiting[pool].pop())
                left -= 1
    return drawn


def split_of_subjects(
    subjects: Iterable[str], *, where: str | Path, fixed: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The part of each subject: as `fixed` says, else by hash, with nobody missing from a part.

    In order of the hash percentage the first validate, the next test, the rest train. With few
    people the hash alone can leave a part empty; then one subject at least is taken for it.

    Raises:
        TinykitError: too few subjects, so that a part would be empty.
    """
    split = dict(fixed or {})
    people = sorted({s for s in subjects if s not in split}, key=hash_percentage)
    by_hash = [hash_split(s) for s in people]
    most = max(1, len(people) // 3)
    numbers = []
    for part in (VALIDATION, TEST):
        least = 0 if part in split.values() else 1
        numbers.append(min(max(by_hash.count(part), least), most))
    for i, who in enumerate(people):
        validates, tests = i < numbers[0], i < sum(numbers)
        split[who] = VALIDATION if validates else TEST if tests else TRAIN
    if set(split.values()) != {TRAIN, VALIDATION, TEST}:
        raise TinykitError(
            f"{len(split)} {'subject is' if len(split) == 1 else 'subjects are'} too few "
            "for a train, a validation and a test part.",
            where=where,
            remedy="Record three people at least; file names begin with the person and `_`.",
        )
    return split
