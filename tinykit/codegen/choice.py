# SPDX-License-Identifier: Apache-2.0
"""Which kernel runs a layer: the one that the model of cost says takes fewest instructions.

Unless a layer is allowed more, its weights take no more flash than they must; wider ones are faster
on some cores, and `tinykit.codegen.budget` buys them where there is flash for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinykit.boards import Board
from tinykit.codegen.cost import CostModel, cost_model
from tinykit.codegen.isa import isa_of
from tinykit.codegen.kernels import first_of
from tinykit.codegen.layer import Layer
from tinykit.codegen.plan import Layout, lay_out
from tinykit.network import Network


@dataclass
class Cheapest:
    """A `Choose` that goes by predicted instructions.

    Attributes:
        model: of the core; None chooses the first that needs least flash.
        widest: the most bits that a weight may take in flash, by the name of the operator; the
            least that any kernel needs where it is not named.
        seen: all that could have been chosen, by the name of the operator.
    """

    model: CostModel | None
    widest: Mapping[str, int] = field(default_factory=dict)
    seen: dict[str, Sequence[Layer]] = field(default_factory=dict)

    def __call__(self, layers: Sequence[Layer]) -> Layer:
        """The cheapest of those that are narrow enough."""
        name = layers[0].op.name
        self.seen[name] = layers
        least = min(storage_of(layer) for layer in layers)
        most = max(least, self.widest.get(name, 0))
        allowed = [layer for layer in layers if storage_of(layer) <= most]
        model = self.model
        costs = [None if model is None else model.predict(layer) for layer in allowed]
        known = [(cost, i) for i, cost in enumerate(costs) if cost is not None]
        return allowed[min(known)[1]] if len(known) == len(allowed) else first_of(allowed)


def lay_out_for(network: Network, board: Board) -> Layout:
    """Kernels and arena for a board, with the least flash for weights.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    return lay_out(network, isa_of(board), Cheapest(cost_model(board)))


def storage_of(layer: Layer) -> int:
    """Bits that a weight of a layer that mixes channels takes in flash."""
    assert layer.matmul is not None
    return layer.matmul.variant.storage
