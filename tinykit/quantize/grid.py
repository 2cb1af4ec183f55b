# SPDX-License-Identifier: Apache-2.0
"""The levels that an activation lies on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Grid:
    """The levels an activation lies on: real = scale * level, stored = level + zero_point."""

    scale: Any
    zero_point: int
    bits: int


BITS = Grid((1.0,), 0, 1)
"""One bit: -1 and 1."""
