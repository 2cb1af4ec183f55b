# SPDX-License-Identifier: Apache-2.0
"""Exits of a Network in firmware: where they lie among the layers, their thresholds, their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.cost import CostModel
from tinykit.codegen.counts import Counts
from tinykit.codegen.layer import Layer
from tinykit.errors import TinykitError
from tinykit.network import NEVER, Exit, Mode, Network
from tinykit.network.exits import Heads

# What runs any network, below firmware/src, besides the walk over its layers.
NETWORK_SOURCES = ("marks.c", "network_ends.c", "packing.c", "status.c")


def walk_of(network: Network) -> str:
    """The file below firmware/src with the walk over a network's layers."""
    return "network_exits.c" if network.exits else "network.c"


@dataclass(frozen=True)
class ExitAt:
    """Where an exit lies.

    Attributes:
        exit: the exit.
        head: index of the first of the layers that only it needs, which run one after another.
        last: index of the last, which makes its logits.
    """

    exit: Exit
    head: int
    last: int


def exits_at(network: Network, layers: Sequence[Layer]) -> tuple[ExitAt, ...]:
    """All exits of `network` among its `layers`."""
    heads, found = Heads(network), []
    by_output = {layer.op.output: layer.index for layer in layers}
    for one in network.exits:
        own, last = heads.of(one), by_output[one.tensor]
        first = last
        while first and layers[first - 1].op.name in own:
            first -= 1
        found.append(ExitAt(one, first, last))
    return tuple(found)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of all modes as firmware has them.

    Attributes:
        table: uint8 (modes, exits): the threshold of an exit or, where there are rows, the number
            of the row that holds one a class; NEVER where no inference leaves.
        rows: uint8 (rows, classes), each once; none where no mode has a threshold for each class.
    """

    table: NDArray[np.uint8]
    rows: NDArray[np.uint8]


def thresholds_of(network: Network) -> Thresholds:
    """Thresholds of a network's modes, rows that several share being there once.

    Raises:
        TinykitError: there are too many different rows to number.
    """
    modes = network.operating_modes
    each = max(len(row) for mode in modes for row in mode.thresholds)
    if each == 1:
        plain = np.array([mode.thresholds for mode in modes], np.uint8)
        return Thresholds(plain[:, :, 0], np.zeros((0, 1), np.uint8))
    numbers: dict[tuple[int, ...], int] = {(NEVER,) * each: NEVER}
    table = [
        [numbers.setdefault((row * each)[:each], len(numbers) - 1) for row in mode.thresholds]
        for mode in modes
    ]
    if len(numbers) > NEVER + 1:
        raise TinykitError(
            f"its modes have {len(numbers) - 1} different thresholds by class, firmware at most "
            f"{NEVER}.",
            where=f"network {network.name}",
            remedy="`tinykit tune --modes` keeps fewer.",
        )
    rows = [row for row, number in numbers.items() if number != NEVER]
    return Thresholds(np.array(table, np.uint8), np.array(rows, np.uint8))


@dataclass(frozen=True)
class ExitCosts:
    """Predicted instructions of an inference, by the exit that it takes.

    Attributes:
        trunk: (exits + 1,) all layers up to each exit and to the end that belong to no head.
        heads: (exits,) the layers that only each exit needs, and its check.
        skips: (exits,) going past a closed exit.
    """

    trunk: NDArray[np.float64]
    heads: NDArray[np.float64]
    skips: NDArray[np.float64]

    def by_exit(self, mode: Mode) -> NDArray[np.float64]:
        """Of an inference in `mode` that takes each exit or, last, runs to the end.

        Returns:
            (exits + 1,).
        """
        is_open = np.array([mode.is_open(i) for i in range(len(self.heads))], bool)
        passed = np.concatenate([[0.0], np.cumsum(np.where(is_open, self.heads, self.skips))])
        # Who takes an exit has run its head; who runs to the end has passed them all.
        return self.trunk + np.concatenate([passed[:-1] + self.heads, passed[-1:]])


def exit_costs(network: Network, layers: Sequence[Layer], model: CostModel) -> ExitCosts | None:
    """The costs of a network's exits; None where a layer has no prediction."""
    predicted = [model.predict(layer) for layer in layers]
    classes = len(network.labels)
    check = model.of_counts(open_counts(classes))
    closed = [model.of_counts(closed_counts(first=first)) for first in (True, False)]
    if None in (check, *closed, *predicted):
        return None
    costs, (gone, skipped) = np.array(predicted, np.float64), np.array(closed, np.float64)
    trunk, heads, skips = [], [], []
    total, at = 0.0, 0
    for one in exits_at(network, layers):
        total += costs[at : one.head].sum()
        at = one.last + 1
        trunk.append(total)
        heads.append(costs[one.head : at].sum() + float(check or 0))
        skips.append(gone + (one.last - one.head) * skipped)
    trunk.append(total + costs[at:].sum())
    return ExitCosts(np.array(trunk), np.array(heads), np.array(skips))


def open_counts(classes: int) -> Counts:
    """Turns of what an exit's check adds to the layer that makes its logits."""
    return {"tk_exits": {"checks": 1, "values": classes}}


def closed_counts(*, first: bool) -> Counts:
    """Turns in place of a layer that need not run; the first of a head finds that out."""
    return {"tk_exits": {"skipped": 1, **({"closed": 1} if first else {})}}


def inference_cost(network: Network, layers: Sequence[Layer], model: CostModel) -> float | None:
    """Predicted instructions of an inference that runs to the end, in the mode at start."""
    if not network.exits:
        return model.total(layers)
    costs = exit_costs(network, layers, model)
    return None if costs is None else float(costs.by_exit(network.operating_modes[0])[-1])
