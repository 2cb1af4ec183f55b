# SPDX-License-Identifier: Apache-2.0
"""A foreign model with reals only: what the float executor runs, and what gets quantized anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.graph import Graph, GraphTensor, Node

FUSED = {"RELU": "RELU", "RELU6": "RELU6", "RELU_N1_TO_1": "RELU_N1_TO_1"}
"""Operators that can be an attribute of the operator before them."""
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Nodes with weights, and the axis of the weights' output channels."""
_FUSE_INTO = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL"}


def real_graph(graph: Graph) -> Graph:
    """The same model with float32 in place of all quantized values.

    Constants of integers with a scale (weights of dynamic-range models) and of float16 become
    float32; QUANTIZE and DEQUANTIZE, the identity on reals, vanish; a RELU, RELU6 or RELU_N1_TO_1
    that alone reads a layer's output becomes that layer's fused activation. Biases of int32 are on
    the scale input x weight, whatever scale the file gives them, as TFLite's kernels have it.

    Args:
        graph: float, partly or wholly quantized.
    """
    tensors = {name: _real_tensor(tensor) for name, tensor in graph.tensors.items()}
    alias: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        if node.kind in ("QUANTIZE", "DEQUANTIZE"):
            alias[node.outputs[0]] = alias.get(node.inputs[0], node.inputs[0])
        else:
            names = _with_real_bias(graph, node, tensors)
            nodes.append(replace(node, inputs=tuple(alias.get(name, name) for name in names)))
    outputs = tuple(alias.get(name, name) for name in graph.outputs)
    return _fused(replace(graph, tensors=tensors, nodes=tuple(nodes), outputs=outputs))


def dequantized(tensor: GraphTensor) -> NDArray[np.float32]:
    """The reals of a quantized constant, float32 of its shape."""
    quantization = tensor.quantization
    assert tensor.data is not None
    assert quantization is not None
    sides = [1] * max(len(tensor.shape), 1)
    if len(quantization.scale) > 1:
        sides[quantization.axis] = len(quantization.scale)
    centred = tensor.data.astype(np.float64) - quantization.zero_point.reshape(sides)
    reals: NDArray[Any] = centred * quantization.scale.astype(np.float64).reshape(sides)
    return reals.reshape(tensor.shape).astype(np.float32)


def _real_tensor(tensor: GraphTensor) -> GraphTensor:
    data = tensor.data
    if tensor.quantization is not None:
        data = None if data is None else dequantized(tensor)
        return replace(tensor, dtype="float32", data=data, quantization=None)
    if tensor.dtype in ("float16", "float64"):
        data = None if data is None else data.astype(np.float32)
        return replace(tensor, dtype="float32", data=data)
    return tensor


def _with_real_bias(graph: Graph, node: Node, tensors: dict[str, GraphTensor]) -> tuple[str, ...]:
    """The node's inputs; an int32 bias becomes one of reals, added to `tensors`."""
    if node.kind not in CHANNEL_AXIS or len(node.inputs) < 3 or "" in node.inputs[:3]:
        return node.inputs
    source, weight, bias = (graph.tensors[name] for name in node.inputs[:3])
    steps = [one.quantization for one in (source, weight)]
    if bias.data is None or bias.dtype != "int32" or steps[0] is None or steps[1] is None:
        return node.inputs
    scale = steps[0].scale.astype(np.float64) * steps[1].scale
    if scale.size not in (1, bias.data.size):
        return node.inputs
    data = (bias.data.reshape(-1) * scale).astype(np.float32)
    real = GraphTensor(f"{bias.name}/of/{node.name}", data.shape, "float32", data)
    tensors[real.name] = real
    return (*node.inputs[:2], real.name)


def _fused(graph: Graph) -> Graph:
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    readers.update(graph.outputs)
    made: dict[str, int] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        before = made.get(node.inputs[0]) if node.inputs else None
        if node.kind in FUSED and before is not None and readers[node.inputs[0]] == 1:
            layer = nodes[before]
            if layer.kind in _FUSE_INTO and layer.attributes.get("fused_activation") == "NONE":
                attributes = {**layer.attributes, "fused_activation": FUSED[node.kind]}
                nodes[before] = replace(layer, outputs=node.outputs, attributes=attributes)
                made[node.outputs[0]] = before
                continue
        made.update(dict.fromkeys(node.outputs, len(nodes)))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
