# SPDX-License-Identifier: Apache-2.0
"""The multipliers there are, what each can compute, and how its weights lie.

A layer that mixes channels is run by an expander and a multiplier (firmware: tinykit/matmul.h). A
`Variant` is one such pair for one kind of core; `variants` lists those that can run a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import pack
from tinykit.codegen.isa import Isa
from tinykit.codegen.pack import Int8Array, WordArray

Stream = Callable[[WordArray, WordArray, WordArray, WordArray], WordArray]

# As in matmul.h: two pixels share a 16-bit lane, this far apart.
LANE_BITS = 12
# As in dsp/line.h: bits of a line below the output's.
LINE_FRACTION = 14
# As in dsp/multiply4_line_body.h: where a sum stands when it is multiplied.
LINE_SUM_BITS = 14
# As TK_ROWS in plain/plain.h: channels whose weights lie interleaved.
ROWS: dict[Isa, int] = {"riscv": 4, "thumb": 2}
# Values that a chunk must have at least for sharing lanes to pay.
_SHORTEST_CHUNK = 16


@dataclass(frozen=True)
class Variant:
    """One way to multiply.

    Attributes:
        expand, multiply: C functions.
        sources: C files below firmware/src.
        group: pixels in a group.
        storage: bits of a weight in flash.
        run_block: values that a run is filled up to.
        block: values that a row is filled up to.
        column_bytes: bytes that one value of a group takes in the columns.
        planes: activation bits whose plane order the rows take, or 8 for none.
        sum_shift: the power of two by which sums are too large inside the kernel.
        lane_limit: what a sum of one sign may reach where pixels share a register, or None.
        rows: packs rows (c, k) of int8 at `storage` bits.
        stream: joins biases, rows, multipliers and shifts.
        odd_bias: odd pixels of a group have a bias of their own, as their values of 4 bits come
            without offset.
        shift: encodes right shifts.
        apart: each pixel of a group has its own row in the columns; elsewhere values alternate.
    """

    expand: str
    multiply: str
    sources: tuple[str, ...]
    group: int
    storage: int
    run_block: int
    block: int
    column_bytes: int
    planes: int
    sum_shift: int
    lane_limit: int | None
    rows: Callable[[Int8Array, int], WordArray]
    stream: Stream
    odd_bias: bool
    shift: Callable[[NDArray[np.integer[Any]]], WordArray]
    apart: bool = False


def variants(isa: Isa, weight_bits: int, activation_bits: int, *, single: bool) -> list[Variant]:
    """Those that can run a layer: the narrowest storage first, and of that the fastest.

    Args:
        isa: of the core.
        weight_bits, activation_bits: of the layer.
        single: there is one pixel only (Dense).
    """
    widths = sorted({weight_bits, 8})
    if isa == "dsp":
        return _dsp(widths, activation_bits, single)
    if isa == "mve":
        return [_mve_variant(bits, activation_bits, 1 if single else 4) for bits in widths]
    return _plain(widths, activation_bits, single, ROWS[isa])


def _dsp(widths: list[int], activation_bits: int, single: bool) -> list[Variant]:
    if single:
        return [_dsp_variant(bits, activation_bits, 1) for bits in widths]
    found = []
    if activation_bits < 8 and widths[0] < 8:
        found.append(_dsp_variant(widths[0], activation_bits, 8))
    return found + [_dsp_variant(bits, activation_bits, 4) for bits in (*widths, 16)]


def _dsp_variant(storage: int, activation_bits: int, group: int) -> Variant:
    shared = group == 8
    frame = f"kernels/dsp/multiply{group}_body.h"
    return Variant(
        expand=f"tk_dsp_expand{group}_a{activation_bits}",
        multiply=f"tk_dsp_multiply{group}_w{storage}",
        sources=(
            f"kernels/dsp/expand_a{activation_bits}.c",
            f"kernels/dsp/multiply{group}_w{storage}.c",
            frame,
            "kernels/dsp/finish.c",
        ),
        group=group,
        storage=storage,
        run_block=32 // activation_bits,
        block=16 if storage == 2 else 4 if group == 1 and storage == 8 else 8,
        column_bytes=2 if group == 1 else 8,
        planes=activation_bits,
        sum_shift=0 if storage >= 8 or shared else 8 - storage,
        lane_limit=(1 << (LANE_BITS - 1)) - 1 if shared else None,
        rows=pack.dsp_row_words,
        stream=pack.stream_of_pairs if group == 1 else pack.stream_of_rows,
        odd_bias=shared,
        shift=pack.power_words,
    )


def along_lines(variant: Variant, bits: int) -> Variant | None:
    """The variant for outputs of `bits` bits that come of lines (lines.py); None if there is none.

    Its stream is `pack.stream_of_lines`.
    """
    narrow = variant.group > 1 and variant.storage < 8
    if not narrow or not variant.multiply.startswith("tk_dsp_"):
        return None
    name = f"multiply{variant.group}_w{variant.storage}_o{bits}"
    expander = variant.sources[0]
    return replace(
        variant,
        multiply=f"tk_dsp_{name}",
        sources=(
            expander,
            f"kernels/dsp/{name}.c",
            f"kernels/dsp/multiply{variant.group}_line_body.h",
        ),
    )


def _plain(widths: list[int], activation_bits: int, single: bool, rows: int) -> list[Variant]:
    if single:
        # A byte is read as fast as 4 bits are taken out of a word, and takes more flash.
        return [_plain_variant("1", bits, activation_bits, rows) for bits in widths]
    groups = ["4"]
    if widths[0] < 8 or activation_bits < 8:
        groups.insert(0, "8")
    if widths[0] == activation_bits == 2:
        groups.insert(0, "8q")
    return [
        _plain_variant(group, bits, activation_bits, rows) for group in groups for bits in widths
    ]


def _plain_variant(group: str, storage: int, activation_bits: int, rows: int) -> Variant:
    lane_bits = {"8": 16, "8q": 8}.get(group)
    pixels = int(group[0])
    rows = 4 if pixels == 1 else rows
    return Variant(
        expand=f"tk_plain_expand{group}_a{activation_bits}",
        multiply=f"tk_plain_multiply{group}_w{storage}",
        sources=(
            f"kernels/plain/expand_a{activation_bits}.c",
            f"kernels/plain/multiply{group}_w{storage}.c",
            "kernels/plain/finish.c",
        ),
        group=pixels,
        storage=storage,
        run_block=8 // activation_bits,
        block=4 if storage == 8 else 32 // storage // rows,
        column_bytes=pixels if lane_bits is None else pixels * lane_bits // 8,
        planes=8,
        sum_shift=0,
        lane_limit=None if lane_bits is None else (1 << (lane_bits - 1)) - 1,
        rows=pack.plain_rows,
        stream=partial(pack.stream_of_blocks, channels=rows, bits=storage),
        shift=pack.short_shift_words,
        odd_bias=False,
    )


def _mve_variant(storage: int, activation_bits: int, group: int) -> Variant:
    folder = "kernels/mve"
    return Variant(
        expand=f"tk_mve_expand{group}_a{activation_bits}",
        multiply=f"tk_mve_multiply{group}_w{storage}",
        sources=(
            f"{folder}/expand_a{activation_bits}.c",
            f"{folder}/multiply{group}_w{storage}.c",
        ),
        group=group,
        storage=storage,
        run_block=1,
        block=128 // storage,
        column_bytes=group,
        planes=8,
        sum_shift=0,
        lane_limit=None,
        rows=pack.mve_row_words,
        stream=pack.mve_stream_of_fours if group == 1 else pack.mve_stream_of_pairs,
        odd_bias=False,
        shift=pack.negated_words,
        apart=True,
    )


def chunk_length(variant: Variant, rows: Int8Array, activation_bits: int) -> int:
    """Values after which shared sums must be taken apart; 0 where the variant does not pay.

    Args:
        rows: (c, k) int8 as the multiplier sees them, in whole blocks.

    Returns:
        k where one pass fits; a multiple of the block below it elsewhere.
    """
    length = rows.shape[1]
    if variant.lane_limit is None:
        return length
    # Activations of 8 bits keep their sign, so weights of either sign pull either way.
    signed = activation_bits == 8
    largest = 128 if signed else (1 << activation_bits) - 1
    wide = rows.astype(np.int64)
    for chunk in range(length, 0, -variant.block):
        parts = np.pad(wide, ((0, 0), (0, -length % chunk))).reshape(len(rows), -1, chunk)
        up, down = np.maximum(parts, 0).sum(2), np.maximum(-parts, 0).sum(2)
        reach = int((up + down if signed else np.maximum(up, down)).max())
        if reach * largest <= variant.lane_limit:
            return chunk if chunk >= min(_SHORTEST_CHUNK, length) else 0
    return 0
