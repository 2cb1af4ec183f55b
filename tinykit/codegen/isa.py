# SPDX-License-Identifier: Apache-2.0
"""What a core can do, as far as the choice of kernels and the layout of weights depend on it."""

from __future__ import annotations

from typing import Literal, get_args

from tinykit.boards import Board

Isa = Literal["dsp", "mve", "riscv", "thumb"]
"""`dsp`: Cortex-M with 16-bit multiply-accumulate pairs (M4, M7, M33). `mve`: with vectors (M55).
`thumb`: without either (M0, M3), for few registers. `riscv`: no SIMD but many registers; the
machine that compiles runs what RISC-V runs."""

ISAS: tuple[Isa, ...] = get_args(Isa)


def isa_of(board: Board) -> Isa:
    """The instruction set that firmware for `board` is laid out for."""
    if board.arch != "arm":
        return "riscv"
    if "mve" in board.features:
        return "mve"
    return "dsp" if "dsp" in board.features else "thumb"
