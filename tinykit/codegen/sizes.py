# SPDX-License-Identifier: Apache-2.0
"""How much flash and RAM a firmware will take, before it is built.

Data is counted exactly. Code is taken from a table of sizes measured with gcc 12.2 -O2, one column
an instruction set, each entry what the linker keeps of one kernel; a test builds firmware and holds
the estimate to at least the truth and little more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.binary import Binary
from tinykit.codegen.isa import isa_of
from tinykit.codegen.kernels import Layer
from tinykit.codegen.plan import MemoryPlan, lay_out
from tinykit.codegen.vectors import Vectors
from tinykit.errors import DoesNotFitError
from tinykit.frontends import Frontend, from_config
from tinykit.network import Network

_ISAS = ("thumb1", "thumb2", "thumb2_dsp", "riscv")
# fmt: off
_CODE: dict[str, tuple[int, int, int, int]] = {
    "conv2d":       (696, 612, 644, 660),
    "pointwise":    (300, 272, 272, 316),
    "dense":        (56, 56, 56, 96),
    "depthwise":    (2028, 1740, 1712, 1984),
    "matmul_w8":    (2472, 1948, 1680, 2456),
    "matmul_w4":    (3060, 2308, 2000, 3176),
    "matmul_w2":    (4076, 3000, 2384, 4568),
    "depthwise_w8": (2028, 1740, 1712, 1984),
    "depthwise_w4": (1992, 1744, 1748, 2012),
    "depthwise_w2": (1948, 1744, 1784, 2000),
    "avgpool2d":    (748, 676, 696, 640),
    "maxpool2d":    (680, 564, 592, 544),
    "add":          (432, 348, 352, 384),
    # Only chosen where there are DSP instructions.
    "add_halves":   (0, 0, 348, 0),
    "add_rescaled": (640, 436, 436, 480),
    "add_table":    (160, 124, 124, 132),
    "maxpool2d_bits": (264, 268, 276, 240),
    "binary":       (620, 664, 668, 680),
    "binary_lanes": (1244, 1280, 1316, 1744),
    # One-bit layers row by row, and what each word of a row adds.
    "binary_bits":   (300, 280, 280, 340),
    "binary_bits_word": (25, 22, 22, 42),
    "binary_values": (480, 455, 455, 520),
    "binary_values_word": (24, 22, 22, 37),
    "repack":       (256, 212, 224, 220),
    "unpack16":     (284, 284, 520, 280),
    "unpack8":      (320, 236, 272, 316),
    "pack":         (208, 180, 184, 188),
    "unpack_pixel": (136, 100, 104, 112),
    "mfcc":         (3200, 2760, 2860, 3450),
    "logmel":       (3100, 2690, 2740, 3380),
    "imu":          (160, 116, 120, 116),
    # main()'s part that streams recordings.
    "stream":       (370, 380, 350, 410),
    # One layer's call and check, and its entry in the table of names.
    "layer":        (48, 48, 44, 52),
    # main(), records, check sums, start-up, port, C library; measured as what is left.
    "base":         (4960, 4230, 4300, 4760),
}
# fmt: on

# The function for any number of words is as large as that for this many.
_WORDS_OF_ANY = 32

# sizeof the params on a 32-bit core.
_PARAMS = {
    "tk_conv2d_pool_params": 24,
    "tk_conv2d_params": 44,
    "tk_dense_params": 28,
    "tk_depthwise_params": 44,
    "tk_pool_params": 24,
    "tk_repack_params": 16,
    "tk_binary_params": 36,
    "tk_add_params": 20,
    "tk_add_rescaled_params": 28,
    "tk_add_table_params": 16,
}

# Variables of the port and the C library, and alignment.
_RAM_BASE = 96


@dataclass(frozen=True)
class Sizes:
    """Bytes, by what they are for.

    Attributes:
        flash_parts: weights, tables (bias, multiplier, shift, params, names), frontend, vectors,
            code.
        ram_parts: arena, frontend, buffers, stack, other.
    """

    flash_parts: dict[str, int]
    ram_parts: dict[str, int]
    board: str = field(default="")

    @property
    def flash(self) -> int:
        """Bytes of flash in all."""
        return sum(self.flash_parts.values())

    @property
    def ram(self) -> int:
        """Bytes of RAM in all, the stack's reserve included."""
        return sum(self.ram_parts.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "flash": self.flash,
            "flash_parts": self.flash_parts,
            "ram": self.ram,
            "ram_parts": self.ram_parts,
        }


def uses_dsp(board: Board) -> bool:
    """Whether weights are laid out for the Cortex-M DSP instructions."""
    return board.arch == "arm" and "dsp" in board.features


def _column(board: Board) -> int:
    if board.arch == "riscv":
        return _ISAS.index("riscv")
    if board.arch == "arm" and "cortex-m0" in board.core:
        return _ISAS.index("thumb1")
    return _ISAS.index("thumb2_dsp" if uses_dsp(board) else "thumb2")


def _code_parts(network: Network, layers: Sequence[Layer], frontend: Frontend | None) -> list[str]:
    parts: set[str] = set()
    rows: dict[str, list[str]] = {}
    for layer in layers:
        if layer.binary is not None:
            parts.add("binary")
            rows[layer.binary.function] = _count_parts(layer.binary)
        elif layer.function == "tk_maxpool2d_bits":
            parts.add("maxpool2d_bits")
        else:
            parts.add(layer.kind)
    if network.tensor(network.input).bits != 8:
        parts.add("pack")
    if network.tensor(network.output).bits != 8:
        parts.add("unpack_pixel")
    if frontend is not None:
        parts |= {frontend.kind, "stream"}
    return ["base", *sorted(parts), *chain(*rows.values()), *["layer"] * len(layers)]


def _count_parts(how: Binary) -> list[str]:
    if how.lanes:
        return ["binary_lanes"]
    kind = "binary_bits" if "_bits" in how.function else "binary_values"
    return [kind, *[f"{kind}_word"] * (how.words if how.known else _WORDS_OF_ANY)]


def _name_bytes(network: Network, layers: Sequence[Layer]) -> int:
    names = [*network.labels, *(layer.op.name for layer in layers)]
    return sum(-(-(len(name.encode()) + 1) // 4) * 4 + 4 for name in names)


def _table_bytes(network: Network, layers: Sequence[Layer]) -> int:
    params = sum(layer.table_bytes + _PARAMS[layer.params_type] for layer in layers)
    return params + _name_bytes(network, layers)


def _frontend_tables(frontend: Frontend | None) -> int:
    if frontend is None:
        return 0
    tables = frontend.c_tables()
    # The three normalisation tables are one array of structs in C, eight bytes a column.
    affine = ("offset", "multiplier", "shift")
    plain = sum(-(-t.nbytes // 4) * 4 for name, t in tables.items() if name not in affine)
    return plain + 12 * tables["shift"].size + 64


def _buffers(network: Network, frontend: Frontend | None) -> int:
    total = 0
    if network.tensor(network.input).bits != 8:
        # The features before they are packed.
        total += -(-math.prod(network.tensor(network.input).shape) // 4) * 4
    if frontend is not None:
        constants = frontend.c_constants()
        total += 2 * constants["chunk"] * constants["channels"]
    return total


def estimate_layers(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    vectors: Vectors | None,
) -> Sizes:
    """`estimate_size` for layers and a plan that exist already."""
    frontend = None if network.frontend is None else from_config(network.frontend)
    column = _column(board)
    code = sum(_CODE[part][column] for part in _code_parts(network, layers, frontend))
    return Sizes(
        flash_parts={
            "weights": sum(layer.weight_bytes for layer in layers),
            "tables": _table_bytes(network, layers),
            "frontend": _frontend_tables(frontend),
            "vectors": 0 if vectors is None else vectors.nbytes,
            "code": code,
        },
        ram_parts={
            "arena": -(-plan.size // 8) * 8,
            "frontend": 0 if frontend is None else frontend.c_state_bytes,
            "buffers": _buffers(network, frontend),
            "stack": board.stack_bytes,
            "other": _RAM_BASE,
        },
        board=board.id,
    )


def estimate_size(network: Network, board: Board, vectors: Vectors | None = None) -> Sizes:
    """Bytes of flash and RAM that a firmware takes: data exact, code a little above the truth.

    Raises:
        TinykitError: a layer has no kernel.
    """
    layout = lay_out(network, isa_of(board))
    return estimate_layers(network, board, layout.layers, layout.plan, vectors)


def missing(sizes: Sizes, board: Board) -> tuple[int, int]:
    """Bytes of flash and of RAM that the board lacks; 0 where it has enough or knows no limit."""
    flash = max(0, sizes.flash - board.flash_bytes) if board.flash_bytes else 0
    ram = max(0, sizes.ram - board.ram_bytes) if board.ram_bytes else 0
    return flash, ram


def check_sizes(network: Network, board: Board, sizes: Sizes) -> None:
    """`check_fit` for sizes that are known already."""
    flash, ram = missing(sizes, board)
    lacks = []
    if flash:
        lacks.append(
            f"{flash} bytes of flash are missing ({sizes.flash} needed, {board.flash_bytes} there)"
        )
    if ram:
        lacks.append(
            f"{ram} bytes of RAM are missing ({sizes.ram} needed, {board.ram_bytes} there)"
        )
    if not lacks:
        return
    parts = sizes.ram_parts if ram else sizes.flash_parts
    largest = max(parts, key=lambda name: parts[name])
    remedies = {
        "arena": "narrower activations (w8a4, w4a4), fewer channels",
        "weights": "narrower weights (w4a8, w2a8), fewer channels",
        "vectors": "fewer embedded vectors and clips",
        "stack": "a smaller stack_bytes in board.toml",
    }
    remedy = remedies.get(largest, "a smaller front end or network")
    raise DoesNotFitError(
        f"it does not fit {board.name}: {' and '.join(lacks)}; "
        f"the largest part is {largest} with {parts[largest]} bytes.",
        where=f"network {network.name}",
        remedy=f"Try {remedy}, or a larger board.",
    )


def check_fit(network: Network, board: Board, vectors: Vectors | None = None) -> Sizes:
    """The estimate, if the board has the room.

    Raises:
        DoesNotFitError: says how many bytes are missing and what to do.
    """
    sizes = estimate_size(network, board, vectors)
    check_sizes(network, board, sizes)
    return sizes
