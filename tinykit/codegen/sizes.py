# SPDX-License-Identifier: Apache-2.0
"""How much flash and RAM a firmware will take, before it is built.

Data is counted exactly. Code is what can be reached in a table of measured functions
(`tinykit.codegen.code_sizes`); a test builds firmware and holds the estimate to at least the truth
and little more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.choice import lay_out_for
from tinykit.codegen.code_sizes import Code, code_bytes, params_bytes
from tinykit.codegen.kernels import Layer
from tinykit.codegen.plan import MemoryPlan
from tinykit.codegen.render import class_names
from tinykit.codegen.vectors import Vectors
from tinykit.errors import DoesNotFitError
from tinykit.frontends import Frontend
from tinykit.network import Network

# Alignment between sections, and around the arena.
_SLACK = 16


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


def _code(
    network: Network,
    layers: Sequence[Layer],
    frontend: Frontend | None,
    main: str,
) -> Code:
    functions = {name for layer in layers for name in _functions(layer)}
    if network.tensor(network.input).bits != 8:
        functions.add("tk_pack")
    if network.tensor(network.output).bits != 8:
        functions.add("tk_unpack_pixel")
    return Code(
        functions=frozenset(functions),
        layers=len(layers),
        frontend="" if frontend is None else frontend.kind,
        main=main,
        wide=any(layer.scaling is not None and layer.scaling.wide for layer in layers),
    )


def _functions(layer: Layer) -> Iterator[str]:
    """C functions that a layer's call and constants name."""
    # The convolution of a "conv2d_pool" is not called as such.
    called = (layer, *layer.parts[1:])
    yield from (one.function for one in called)
    for one in (layer, *layer.parts):
        if one.matmul is not None:
            yield from (one.matmul.variant.expand, one.matmul.variant.multiply)
        if one.binary is not None:
            yield one.binary.function


def _name_bytes(network: Network, layers: Sequence[Layer]) -> int:
    """Of all names, and of the table of layers; that of classes is not linked."""
    names = [*class_names(network), *(layer.op.name for layer in layers)]
    return sum(_string_bytes(name) for name in names) + 4 * len(layers)


def _string_bytes(text: str) -> int:
    return -(-(len(text.encode()) + 1) // 4) * 4


def _table_bytes(network: Network, board: Board, layers: Sequence[Layer], names: bool) -> int:
    params = sum(
        params_bytes(board, one.params_type) for layer in layers for one in (layer, *layer.parts)
    )
    tables = sum(layer.table_bytes for layer in layers)
    return params + tables + (_name_bytes(network, layers) if names else 0)


def _frontend_tables(frontend: Frontend | None, board: Board) -> int:
    if frontend is None:
        return 0
    tables = frontend.c_tables()
    # The three normalisation tables are one array of structs in C, eight bytes a column.
    affine = ("offset", "multiplier", "shift")
    plain = sum(-(-t.nbytes // 4) * 4 for name, t in tables.items() if name not in affine)
    params = params_bytes(board, f"tk_{frontend.kind}_params")
    return plain + 8 * tables["shift"].size + params


def estimate_layers(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    vectors: Vectors | None,
    app: App = SELF_TEST,
) -> Sizes:
    """`estimate_size` for layers and a plan that exist already."""
    frontend = app.frontend(network)
    main = app.code_group(network, vectors)
    code, variables = code_bytes(board, _code(network, layers, frontend, main))
    board_name = _string_bytes(board.id)
    return Sizes(
        flash_parts={
            "weights": sum(layer.weight_bytes for layer in layers),
            "tables": _table_bytes(network, board, layers, app.embeds),
            "frontend": _frontend_tables(frontend, board),
            "vectors": 0 if vectors is None else vectors.nbytes,
            "code": code + board_name + _SLACK,
        },
        ram_parts={
            "arena": -(-plan.size // 8) * 8,
            "frontend": 0 if frontend is None else frontend.c_state_bytes,
            "buffers": app.buffer_bytes(network),
            "stack": board.stack_bytes,
            "other": variables + _SLACK,
        },
        board=board.id,
    )


def estimate_size(
    network: Network, board: Board, vectors: Vectors | None = None, app: App = SELF_TEST
) -> Sizes:
    """Bytes of flash and RAM that a firmware takes: data exact, code a little above the truth.

    Raises:
        TinykitError: a layer has no kernel.
    """
    layout = lay_out_for(network, board)
    return estimate_layers(network, board, layout.layers, layout.plan, vectors, app)


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
