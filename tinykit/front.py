# SPDX-License-Identifier: Apache-2.0
"""Fronts of two figures: what is better than all that costs less."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def climbing(items: Iterable[T], score: Callable[[T], float]) -> list[T]:
    """Those with a better score than all before them; items come by their cost, cheapest first."""
    kept: list[T] = []
    for one in items:
        if not kept or score(one) > score(kept[-1]):
            kept.append(one)
    return kept
