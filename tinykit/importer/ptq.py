# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: a float Graph and its ranges become a Graph of int8 operators.

It follows the rules of TFLite's 8-bit quantization specification. Activations are asymmetric of
one scale; weights are symmetric, without -128, of one scale an output channel; biases are int32 on
the scale input x weight. SOFTMAX and LOGISTIC give 1/256 from -128, TANH 1/128 from 0, and what
only moves or pools values keeps its input's scale. Other than TFLite's converter of old,
FULLY_CONNECTED has a scale an output channel too, if not asked otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer.calibrate import parameters
from tinykit.importer.frame import beyond_float_is_infinite, refuse
from tinykit.importer.graph import Graph, GraphTensor, Node, Quantization
from tinykit.importer.real_graph import CHANNEL_AXIS

Range = tuple[float, float]

_FIXED: Mapping[str, tuple[float, int]] = {
    "SOFTMAX": (1 / 256, -128),
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
}
_UNCHANGED = {
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
    "TRANSPOSE",
    "PAD",
    "PADV2",
    "SLICE",
    "STRIDED_SLICE",
    "RESIZE_NEAREST_NEIGHBOR",
}
_VALUES = {"ADD", "SUB", "MUL", "PRELU", "CONCATENATION"}
"""What may read a constant as if it were an activation."""

MOST_BIAS = 1 << 29
"""What scales of weights keep biases below."""
# Of a channel whose weights are all zero: its bias keeps this share of an output step.
_DEAD_STEP = 1 / 256
LEAST_SCALE, _LARGEST_SCALE = 1e-30, 1e30


@beyond_float_is_infinite()
def quantize(graph: Graph, ranges: Mapping[str, Range], *, dense_per_channel: bool = True) -> Graph:
    """The graph in int8.

    Args:
        graph: of reals only, see `real_graph`.
        ranges: (low, high) of the input and of every activation, low <= 0 <= high.
        dense_per_channel: whether FULLY_CONNECTED has one weight scale an output, or one in all,
            as older TFLite runtimes need.

    Returns:
        a Graph with int8 input and output, for `tinykit.importer.lower`.

    Raises:
        TinykitError: weights are not constant or not finite; names the layer.
    """
    shared, graph = _shared_scales(graph, ranges)
    ends = shared.parameters()
    builder = _Builder(graph, ends, dense_per_channel)
    for name in (*graph.inputs, *(name for node in graph.nodes for name in node.outputs)):
        builder.activation(name)
    nodes = tuple(builder.node(node) for node in graph.nodes)
    return replace(graph, nodes=nodes, tensors=builder.tensors)


class _Scales:
    """Tensors that share a scale, as disjoint sets, with the range or the fixed scale of each."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._range: dict[str, Range] = {}
        self._fixed: dict[str, tuple[float, int]] = {}

    def add(self, name: str, ends: Range, fixed: tuple[float, int] | None = None) -> None:
        """A tensor in a set of its own."""
        self._parent[name] = name
        self._range[name] = ends
        if fixed is not None:
            self._fixed[name] = fixed

    def root(self, name: str) -> str:
        """What stands for the set of `name`."""
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def fixed(self, name: str) -> tuple[float, int] | None:
        """The scale and zero point that the set of `name` must have."""
        return self._fixed.get(self.root(name))

    def unite(self, first: str, second: str) -> None:
        """Both sets become one; at most one of them has a fixed scale, or both the same."""
        a, b = self.root(first), self.root(second)
        if a == b:
            return
        self._parent[b] = a
        low, high = self._range[a], self._range[b]
        self._range[a] = (min(low[0], high[0]), max(low[1], high[1]))
        if b in self._fixed:
            self._fixed[a] = self._fixed[b]

    def range(self, name: str) -> Range:
        """Of the set of `name`."""
        return self._range[self.root(name)]

    def parameters(self) -> dict[str, tuple[np.float32, int]]:
        """Scale and zero point of every tensor."""
        found = {}
        for name in self._parent:
            fixed = self.fixed(name)
            found[name] = (
                parameters(*self.range(name)) if fixed is None else (np.float32(fixed[0]), fixed[1])
            )
        return found


def _shared_scales(graph: Graph, ranges: Mapping[str, Range]) -> tuple[_Scales, Graph]:
    """The sets of tensors, and the graph with a QUANTIZE where a CONCATENATION needs one."""
    scales, tensors, nodes = _Scales(), dict(graph.tensors), []
    scales.add(graph.inputs[0], ranges[graph.inputs[0]])
    for node in graph.nodes:
        names = list(node.inputs)
        for index, name in enumerate(names):
            if node.kind in _VALUES and tensors[name].data is not None:
                names[index] = _own_constant(tensors, node, index)
                scales.add(names[index], _range_of(node, tensors[name]))
        output = node.outputs[0]
        scales.add(output, ranges[output], _FIXED.get(node.kind))
        if node.kind in _UNCHANGED:
            scales.unite(names[0], output)
        if node.kind == "CONCATENATION":
            for index, name in enumerate(names):
                held, wanted = scales.fixed(name), scales.fixed(output)
                first = index == 0 and held is not None and _all_alike(scales, names)
                if held == wanted or first:
                    scales.unite(output, name)
                    continue
                fresh = f"{name}/for/{node.name}/{index}"
                tensors[fresh] = replace(tensors[name], name=fresh)
                scales.add(fresh, scales.range(name))
                scales.unite(output, fresh)
                nodes.append(Node("QUANTIZE", f"{node.name} input {index}", (name,), (fresh,)))
                names[index] = fresh
        nodes.append(replace(node, inputs=tuple(names)))
    return scales, replace(graph, tensors=tensors, nodes=tuple(nodes))


def _all_alike(scales: _Scales, names: list[str]) -> bool:
    return len({scales.fixed(name) for name in names}) == 1


def _own_constant(tensors: dict[str, GraphTensor], node: Node, index: int) -> str:
    """An input that is constant, under a name of this use only, which has its own scale."""
    name = node.inputs[index]
    own = f"{name}/of/{node.name}/{index}"
    tensors[own] = replace(tensors[name], name=own)
    return own


def _range_of(node: Node, tensor: GraphTensor) -> Range:
    assert tensor.data is not None
    if tensor.dtype != "float32" or not np.isfinite(tensor.data).all():
        raise refuse(node, "has a constant that is not finite.", "Train the model again.")
    return float(tensor.data.min(initial=0.0)), float(tensor.data.max(initial=0.0))


class _Builder:
    """The quantized tensors so far."""

    def __init__(
        self, graph: Graph, ends: Mapping[str, tuple[np.float32, int]], dense_per_channel: bool
    ) -> None:
        self.graph = graph
        self.ends = ends
        self.dense_per_channel = dense_per_channel
        self.tensors: dict[str, GraphTensor] = {}

    def activation(self, name: str) -> None:
        """Add an activation."""
        tensor, (scale, zero_point) = self.graph.tensors[name], self.ends[name]
        quantization = _one_scale(scale, zero_point)
        self.tensors[name] = replace(tensor, dtype="int8", quantization=quantization)

    def node(self, node: Node) -> Node:
        """The node on quantized tensors; adds its constants."""
        if node.kind in CHANNEL_AXIS:
            return self._layer(node)
        names = list(node.inputs)
        for index, name in enumerate(names):
            if not name or name in self.tensors:
                continue
            tensor = self.graph.tensors[name]
            if tensor.dtype == "float32":
                # A PADV2's border is on its input's scale, other constants have their own.
                ends = self.ends.get(names[0] if node.kind == "PADV2" else name)
                if ends is None:
                    raise refuse(node, "has reals for integers.", "Convert the model again.")
                names[index] = self._constant(node, tensor, ends)
            else:
                self.tensors[name] = tensor
        return replace(node, inputs=tuple(names))

    def _constant(self, node: Node, tensor: GraphTensor, ends: tuple[np.float32, int]) -> str:
        assert tensor.data is not None
        scale, zero_point = ends
        levels = np.rint(tensor.data.astype(np.float64) / scale) + zero_point
        levels = np.clip(levels, -128, 127)
        return self._add(node, tensor.name, levels.astype(np.int8), _one_scale(scale, zero_point))

    def _layer(self, node: Node) -> Node:
        source, axis = node.inputs[0], CHANNEL_AXIS[node.kind]
        weight = self._reals(node, 1)
        # What no scale of float32 could express is nothing.
        weight = np.where(np.abs(weight) < 127 * LEAST_SCALE, 0.0, weight)
        bias = self._reals(node, 2).reshape(-1) if len(node.inputs) > 2 and node.inputs[2] else None
        if source not in self.tensors:
            raise refuse(node, "has a constant input.", "Convert the model again.")
        input_scale, output_scale = (
            float(self.ends[name][0]) for name in (source, node.outputs[0])
        )
        per_channel = node.kind != "FULLY_CONNECTED" or self.dense_per_channel
        rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
        scale = weight_scales(rows if per_channel else rows.reshape(1, -1), input_scale, bias)
        dead = ~rows.any(axis=1)
        if per_channel and dead.any():
            step = output_scale / input_scale * _DEAD_STEP
            scale[dead] = np.float32(min(max(step, LEAST_SCALE), _LARGEST_SCALE))
        sides = [1] * weight.ndim
        sides[axis] = scale.size
        levels = np.clip(np.rint(weight / scale.reshape(sides)), -127, 127).astype(np.int8)
        inputs = [
            source,
            self._add(node, node.inputs[1], levels, channel_scales(scale, axis)),
        ]
        if bias is not None:
            steps = bias_steps(node, input_scale, scale)
            whole = np.rint(bias / steps.astype(np.float64))
            limit = (1 << 31) - 1
            integers = np.clip(whole, -limit, limit).astype(np.int32)
            inputs.append(self._add(node, node.inputs[2], integers, channel_scales(steps, 0)))
        return replace(node, inputs=tuple(inputs))

    def _reals(self, node: Node, index: int) -> NDArray[np.float64]:
        """Constant weights or biases, finite."""
        data = self.graph.tensors[node.inputs[index]].data
        if data is None:
            raise refuse(
                node, "has weights that are computed.", "Use layers with constant weights."
            )
        if not np.isfinite(data).all():
            raise refuse(node, "has weights that are not finite.", "Train the model again.")
        return data.astype(np.float64)

    def _add(self, node: Node, name: str, data: NDArray[Any], quantization: Quantization) -> str:
        """A constant, under a name that is free."""
        while name in self.tensors:
            name = f"{name}/of/{node.name}"
        self.tensors[name] = GraphTensor(name, data.shape, str(data.dtype), data, quantization)
        return name


def weight_scales(
    rows: NDArray[np.float64], input_scale: float, bias: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Symmetric int8 scales of weights: the largest magnitude is 127 steps.

    A scale is made coarser where the bias, on the scale input x weight, would leave int32.

    Args:
        rows: (channels, weights of each), or (1, all weights).
        input_scale: of the layer's input.
        bias: (channels,), or None.
    """
    largest = np.abs(rows).max(axis=1)
    if bias is not None:
        magnitude = np.abs(bias) if len(rows) == len(bias) else np.abs(bias).max(keepdims=True)
        largest = np.maximum(largest, 127 * magnitude / (input_scale * MOST_BIAS))
    # A scale beyond float32 is infinite, which `bias_steps` refuses.
    return np.where(largest >= 127 * LEAST_SCALE, largest / 127, 1.0).astype(np.float32)


def bias_steps(node: Node, input_scale: float, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scales (channels,) of a layer's bias: input x weight.

    Raises:
        TinykitError: one leaves what float32 can say.
    """
    steps = np.float32(input_scale) * scale
    if not (np.isfinite(steps) & (steps > 0) & np.isfinite(scale)).all():
        raise refuse(
            node,
            "has inputs or weights too small or large for the scale of their product.",
            "Train the model with inputs and weights of the order of 1.",
        )
    return steps


def _one_scale(scale: np.float32, zero_point: int) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


def channel_scales(scale: NDArray[np.float32], axis: int) -> Quantization:
    """Symmetric: a scale for each side of `axis`, or one in all."""
    return Quantization(scale, np.zeros(scale.size, np.int64), axis if scale.size > 1 else 0)


def needs_calibration(graph: Graph) -> bool:
    """Whether the graph computes in floats, and so has to be quantized with representative data."""
    return not graph.is_quantized


def refuse_without_data(graph: Graph) -> TinykitError:
    """What to say of a float model that comes without representative data."""
    return TinykitError(
        "computes in floats.",
        where=graph.source,
        remedy="Give a few hundred typical inputs with --data (.npy or .npz), so that its ranges "
        "can be measured; or convert it with full integer quantization.",
    )
