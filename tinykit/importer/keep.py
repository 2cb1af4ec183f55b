# SPDX-License-Identifier: Apache-2.0
"""Which layers are better left at 8 bits: by what each alone does to the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinykit.importer.compare import scores
from tinykit.importer.graph import Graph
from tinykit.importer.lower import lower
from tinykit.importer.narrow import NarrowLayer, with_layer
from tinykit.importer.representative import Inputs

MOST_INPUTS = 256
"""Representative inputs that sensitivities are measured on."""


def sensitivities(
    graph: Graph,
    layers: Mapping[str, NarrowLayer],
    inputs: Inputs,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """The mean squared change of the outputs when one layer alone is narrow.

    Args:
        graph: quantized, all of 8 bits.
        layers: the narrow form of layers, by node.
        inputs: representative inputs; the first few hundred are used.
        tick: called after each layer.

    Returns:
        by node, in reals of the output squared.
    """
    few = inputs.first(MOST_INPUTS)
    before = scores(lower(graph).network, few)
    found = {}
    for node in graph.nodes:
        if node.name in layers:
            changed = lower(with_layer(graph, node, layers[node.name])).network
            found[node.name] = float(np.square(scores(changed, few) - before).mean())
            tick()
    return found
