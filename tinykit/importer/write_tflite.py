# SPDX-License-Identifier: Apache-2.0
"""A Graph as a .tflite file: what was quantized here, for every other runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tinykit.importer.graph import Graph, GraphTensor, Node
from tinykit.importer.tflite_schema import OPTIONS_OF, SCHEMA
from tinykit.network.tflite_writer import FileGraph, FileTensor, serialise

_TABLES = {**OPTIONS_OF, "RESHAPE": "ReshapeOptions", "SQUEEZE": "SqueezeOptions"}
_NAMES = {
    "fused_activation": "FusedActivationFunction",
    "filter_h": "FilterHeight",
    "filter_w": "FilterWidth",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
}


def to_tflite(graph: Graph) -> bytes:
    """The content of the file.

    A FULLY_CONNECTED with a scale an output, which older runtimes do not know, is written as the
    CONV_2D of one pixel that computes the same.
    """
    graph = _without_dense_channels(graph)
    file = FileGraph()
    at = {name: file.add(_file_tensor(tensor)) for name, tensor in graph.tensors.items()}
    for node in graph.nodes:
        inputs = [at[name] if name else -1 for name in node.inputs]
        table, values = _options(node)
        file.node(node.kind, inputs, at[node.outputs[0]], table, **values)
    ends = [[at[name] for name in names] for names in (graph.inputs, graph.outputs)]
    return serialise(file, inputs=ends[0], outputs=ends[1], name="main")


def _file_tensor(tensor: GraphTensor) -> FileTensor:
    quantization, data = tensor.quantization, tensor.data
    return FileTensor(
        tensor.name,
        tensor.shape,
        tensor.dtype.upper(),
        None if quantization is None else quantization.scale,
        0 if quantization is None else quantization.zero_point.tolist(),
        0 if quantization is None else quantization.axis,
        b"" if data is None else np.ascontiguousarray(data).tobytes(),
        is_variable=tensor.is_variable,
    )


def _options(node: Node) -> tuple[str, dict[str, Any]]:
    """The table of a node's options, "" for none, and its fields by the schema's names."""
    table = _TABLES.get(node.kind, "")
    values: dict[str, Any] = {}
    for field in SCHEMA.get(table, ()):
        name = field.partition(":")[0]
        if name in node.attributes:
            value = node.attributes[name]
            key = _NAMES.get(name) or "".join(p.capitalize() for p in name.split("_"))
            values[key] = list(value) if isinstance(value, tuple) else value
    return table, values


def _without_dense_channels(graph: Graph) -> Graph:
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.kind == "FULLY_CONNECTED" and _has_channels(tensors[node.inputs[1]]):
            nodes.extend(_as_convolution(tensors, node))
        else:
            nodes.append(node)
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


def _has_channels(weight: GraphTensor) -> bool:
    return weight.quantization is not None and weight.quantization.scale.size > 1


def _as_convolution(tensors: dict[str, GraphTensor], node: Node) -> list[Node]:
    """RESHAPE to pixels, CONV_2D, RESHAPE back; adds their tensors."""
    source, weight = tensors[node.inputs[0]], tensors[node.inputs[1]]
    result = tensors[node.outputs[0]]
    units, features = weight.shape
    rows = math.prod(source.shape) // features
    assert weight.data is not None
    filters = _added(
        tensors,
        replace(
            weight,
            name=f"{node.name}/filters",
            shape=(units, 1, 1, features),
            data=weight.data.reshape(units, 1, 1, features),
        ),
    )
    pixels = _added(tensors, _like(source, f"{node.name}/pixels", (1, rows, 1, features)))
    scores = _added(tensors, _like(result, f"{node.name}/scores", (1, rows, 1, units)))
    options: Mapping[str, Any] = {
        "padding": "VALID",
        "stride_h": 1,
        "stride_w": 1,
        "dilation_h": 1,
        "dilation_w": 1,
        "fused_activation": node.attributes.get("fused_activation", "NONE"),
    }
    inputs = (pixels, filters, *node.inputs[2:])
    return [
        _reshape(tensors, f"{node.name}/in", source.name, pixels),
        Node("CONV_2D", node.name, inputs, (scores,), options),
        _reshape(tensors, f"{node.name}/out", scores, result.name),
    ]


def _like(tensor: GraphTensor, name: str, shape: tuple[int, ...]) -> GraphTensor:
    return replace(tensor, name=name, shape=shape, data=None)


def _added(tensors: dict[str, GraphTensor], tensor: GraphTensor) -> str:
    tensors[tensor.name] = tensor
    return tensor.name


def _reshape(tensors: dict[str, GraphTensor], name: str, source: str, result: str) -> Node:
    shape = np.array(tensors[result].shape, np.int32)
    sides = _added(tensors, GraphTensor(f"{name}/shape", shape.shape, "int32", shape))
    return Node("RESHAPE", name, (source, sides), (result,), {"new_shape": tuple(shape.tolist())})
