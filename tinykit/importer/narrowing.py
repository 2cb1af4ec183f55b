# SPDX-License-Identifier: Apache-2.0
"""Layer after layer of a model gets narrow weights, each fitted to what those before it give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.importer import adaround
from tinykit.importer.float_run import FloatModel
from tinykit.importer.frame import beyond_float_is_infinite
from tinykit.importer.graph import Graph, Node
from tinykit.importer.narrow import (
    NarrowLayer,
    bounded_scales,
    least_error_scales,
    measure,
    reals,
    rounded,
    with_layer,
)
from tinykit.importer.ptq import bias_steps
from tinykit.importer.walk import Walk, rows_of, weights_of

# Values of one activation that a walk may hold for all inputs together.
_WALK_VALUES = 1 << 24

Layers = Mapping[str, NarrowLayer]


@dataclass
class Narrowing:
    """A model whose weights are to be narrow.

    Attributes:
        given: the model before, in reals.
        given_integers: the graph whose integers its activations are rounded to; None for floats.
        whole: the quantized graph, all of 8 bits.
        inputs: representative reals (n, *input shape); None where there are none: then biases stay
            as they are.
        bits: of a weight.
        rounding: "nearest" or "adaround".
    """

    given: FloatModel
    given_integers: Graph | None
    whole: Graph
    inputs: NDArray[np.float32] | None
    bits: int
    rounding: str

    @beyond_float_is_infinite()
    def run(
        self, names: set[str], tick: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[Graph, dict[str, NarrowLayer]]:
        """The graph with narrow weights in the nodes of these names, and those weights.

        Args:
            names: of nodes with weights; all others keep 8 bits.
            tick: called with the number of layers done, and of all.
        """
        graph, layers = self.whole, dict[str, NarrowLayer]()
        model = FloatModel(self.whole)
        walks = self._walks(model)
        before = {node.name: node for node in self.given.graph.nodes}
        places = {node.name: node for node in self.whole.nodes}
        for node in model.graph.nodes:
            weight = bias = None
            if node.name in names:
                layer = self._layer(before[node.name], node, places[node.name], walks)
                graph = with_layer(graph, places[node.name], layer)
                shape = model.graph.tensors[node.inputs[1]].shape
                weight = weights_of(reals(layer.levels, layer.scale), shape, node.kind)
                layers[node.name], bias = layer, layer.bias
                tick(len(layers), len(names))
            if walks is not None:
                walks[0].step(before[node.name])
                walks[1].step(node, weight, bias)
        return graph, layers

    def _walks(self, model: FloatModel) -> tuple[Walk, Walk] | None:
        """The model before and the narrow one, on as many inputs as both can hold."""
        if self.inputs is None:
            return None
        tensors = model.graph.tensors
        sizes = [int(np.prod(tensors[n].shape)) for one in model.graph.nodes for n in one.outputs]
        x = self.inputs[: max(1, _WALK_VALUES // max(sizes, default=1))]
        return Walk(self.given, x, self.given_integers), Walk(model, x, self.whole)

    def _layer(
        self, before: Node, node: Node, place: Node, walks: tuple[Walk, Walk] | None
    ) -> NarrowLayer:
        """The narrow form of a layer: `before` narrowing, now, and where its integers are."""
        rows, bias = self.reals_of(before)
        source = self.whole.tensors[place.inputs[0]].quantization
        assert source is not None
        scale = least_error_scales(rows, self.bits)
        scale = bounded_scales(scale, float(source.scale[0]), bias)
        bias_steps(place, float(source.scale[0]), scale)
        if walks is None:
            return NarrowLayer(rounded(rows, scale, self.bits), scale, bias, self.bits, "nearest")
        learned = self.rounding == "adaround" and rows.shape[1] <= adaround.MOST_INPUTS
        moments = measure(*walks, before, node, second=learned)
        if learned:
            levels = adaround.adaround(rows, scale, self.bits, moments)
        else:
            levels = rounded(rows, scale, self.bits)
        corrected = moments.bias(reals(levels, scale))
        rounding = "adaround" if learned else "nearest"
        return NarrowLayer(levels, scale, corrected, self.bits, rounding)

    def reals_of(self, node: Node) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (channels, weights of each) and bias (channels,) of the model before."""
        tensors = self.given.graph.tensors
        weight = tensors[node.inputs[1]].data
        assert weight is not None
        rows = rows_of(weight, node.kind)
        if len(node.inputs) < 3 or not node.inputs[2]:
            return rows, np.zeros(len(rows))
        bias = tensors[node.inputs[2]].data
        assert bias is not None
        return rows, bias.reshape(-1).astype(np.float64)
