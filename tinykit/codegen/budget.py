# SPDX-License-Identifier: Apache-2.0
"""What to buy for flash that is left: wider weights, where they save most instructions a byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinykit.boards import Board
from tinykit.boards.board import Memory
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.choice import Cheapest, storage_of
from tinykit.codegen.cost import CostModel, cost_model
from tinykit.codegen.isa import isa_of
from tinykit.codegen.kernels import choose_kernels
from tinykit.codegen.layer import Layer
from tinykit.codegen.plan import Layout, lay_out
from tinykit.codegen.sizes import estimate_layers
from tinykit.codegen.vectors import Vectors
from tinykit.network import Network


def with_flash(board: Board, flash: int | None) -> Board:
    """`board` as if it had no more than `flash` bytes of it."""
    if flash is None:
        return board
    if board.memory is None:
        return replace(board, memory=Memory(0, flash, 0, 0, 0))
    least = min(flash, board.memory.flash_bytes)
    return replace(board, memory=replace(board.memory, flash_bytes=least))


def within_flash(
    network: Network,
    board: Board,
    flash: int,
    vectors: Vectors | None,
    app: App = SELF_TEST,
) -> Layout:
    """`lay_out_for`, with wider weights where they save instructions, up to `flash` bytes.

    Layers are widened in the order of instructions saved a byte, each if the estimate of the whole
    firmware still fits. A layout that is too large as it is comes back as it is.

    Args:
        network: a valid Network.
        board: what it is for.
        flash: bytes of flash for the whole firmware.
        vectors: what it carries besides.
        app: what it does.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    model, isa = cost_model(board), isa_of(board)
    choose = Cheapest(model)
    layout = lay_out(network, isa, choose)
    if model is None:
        return layout
    widest: dict[str, int] = {}
    pooled = frozenset(layer.op.name for layer in layout.layers if layer.parts)
    for name, storage in _upgrades(model, layout.layers, choose.seen):
        if storage <= widest.get(name, 0):
            continue
        tried = {**widest, name: storage}
        layers = choose_kernels(network, isa, Cheapest(model, tried), pooled=pooled)
        if estimate_layers(network, board, layers, layout.plan, vectors, app).flash <= flash:
            widest = tried
    wide = lay_out(network, isa, Cheapest(model, widest))
    sizes = estimate_layers(network, board, wide.layers, wide.plan, vectors, app)
    return wide if sizes.flash <= flash else layout


def _upgrades(
    model: CostModel, layers: Sequence[Layer], seen: Mapping[str, Sequence[Layer]]
) -> list[tuple[str, int]]:
    """(operator, bits of a weight in flash) that save instructions, the most for a byte first."""
    found = []
    for layer in (part for whole in layers for part in whole.parts or (whole,)):
        cost = None if layer.matmul is None else model.predict(layer)
        if cost is None:
            continue
        now, storage, size = cost, storage_of(layer), _row_bytes(layer)
        ways = [(storage_of(one), model.predict(one), one) for one in seen[layer.op.name]]
        for wider, least, one in sorted(ways, key=lambda way: (way[0], way[1] or 0.0)):
            if least is None or wider <= storage or least >= now:
                continue
            found.append(((now - least) / (_row_bytes(one) - size), layer.op.name, wider))
            now, storage, size = least, wider, _row_bytes(one)
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return [(name, storage) for _, name, storage in found]


def _row_bytes(layer: Layer) -> float:
    """About what a layer's weights take in flash."""
    assert layer.matmul is not None
    assert layer.scaling is not None
    return len(layer.scaling.bias) * layer.matmul.length * storage_of(layer) / 8
