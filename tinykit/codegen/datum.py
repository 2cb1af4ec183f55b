# SPDX-License-Identifier: Apache-2.0
"""What generated C defines: constants and variables, as far as memory goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Datum:
    """A constant, or a variable that starts as zero.

    Attributes:
        name: its identifier.
        type: of it or of its elements: a type of stdint.h, char, float, "void *" or a struct.
        count: elements of an array; None if it is none.
        zero: it is a variable.
        align: that its definition asks for; 1 if none.
    """

    name: str
    type: str
    count: int | None
    zero: bool = False
    align: int = 1
