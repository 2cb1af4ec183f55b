# SPDX-License-Identifier: Apache-2.0
"""A model of cost: how many instructions a layer will take on a core, before anything is built.

The turns of a kernel's loops follow from shapes, widths and weights (`tinykit.codegen.counts`);
what one turn takes depends on the core's instruction set and the compiler alone. So the
instructions of a layer are the sum over the pieces of C that run for it, and over their loops, of
turns times instructions:

    instructions = sum over (piece, loop) of coefficient[piece, loop] * turns[piece, loop]

The coefficients of a core, in cost.json beside this file, were fitted to exact counts under QEMU of
layers with random shapes and widths, by least squares of the relative error under the condition
that no coefficient is negative (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter
23). benchmarks/fit_cost.py does that again; it must be run where a kernel has changed. What differs
in the end is what data decide: branches on signs and clamps.

A layer that runs a piece which was never measured on the core has no prediction. Firmware with wide
accumulators (a rare build of all kernels) is predicted as if it had none, and so somewhat too low.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.counts import Core, Counts, counts_of
from tinykit.codegen.isa import isa_of
from tinykit.codegen.layer import Layer

Coefficients = Mapping[str, Mapping[str, float]]
"""Instructions of a turn by piece and loop."""

FILE = "cost.json"
FORMAT = 1


@dataclass(frozen=True)
class CostModel:
    """The costs of one core.

    Attributes:
        name: of the core that the coefficients are of, as in board.toml.
        exact: whether that is the very core asked for, and not the closest one.
        core: what its paths through the kernels depend on.
        coefficients: instructions by piece and loop.
    """

    name: str
    exact: bool
    core: Core
    coefficients: Coefficients

    def of_counts(self, counts: Counts) -> float | None:
        """Instructions of all turns; None where a piece is unknown."""
        if any(piece not in self.coefficients for piece in counts):
            return None
        return sum(
            turns * self.coefficients[piece].get(loop, 0.0)
            for piece, loops in counts.items()
            for loop, turns in loops.items()
        )

    def predict(self, layer: Layer) -> float | None:
        """Instructions of a layer; None where it runs what was not measured on this core."""
        return self.of_counts(counts_of(layer, self.core))

    def total(self, layers: Iterable[Layer]) -> float | None:
        """Instructions of all layers; None where one has no prediction."""
        parts = [self.predict(layer) for layer in layers]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


def core_of(board: Board) -> Core:
    """What the paths through the kernels depend on."""
    return Core(isa_of(board), thumb1=board.arch == "arm" and board.core.startswith("cortex-m0"))


@cache
def _file() -> dict[str, Any]:
    path = resources.files("tinykit.codegen").joinpath(FILE)
    if not path.is_file():
        # Before the first fit.
        return {"format": FORMAT, "cores": {}}
    document: dict[str, Any] = json.loads(path.read_text())
    if document["format"] != FORMAT:
        raise ValueError(f"{FILE} has format {document['format']}")
    return document


def fitted_cores() -> tuple[str, ...]:
    """Cores with coefficients, as in board.toml."""
    return tuple(_file()["cores"])


def cost_model(board: Board) -> CostModel | None:
    """The model of a board's core, or of the closest core that runs the same kernels.

    The closest has the same features, if there is one, and a name that starts most alike. None
    where no core runs the same kernels, and on the host, whose instructions nobody counts.
    """
    if board.arch == "host":
        return None
    core = core_of(board)
    alike = {
        name: one
        for name, one in _file()["cores"].items()
        if (one["isa"], one["thumb1"]) == (core.isa, core.thumb1)
    }
    if not alike:
        return None

    def closeness(name: str) -> tuple[bool, bool, int]:
        same = alike[name]["features"] == sorted(board.features)
        return name == board.core, same, _in_common(name, board.core)

    name = max(sorted(alike), key=closeness)
    return CostModel(name, name == board.core, core, alike[name]["pieces"])


def _in_common(one: str, other: str) -> int:
    """Letters that two names start with alike."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
