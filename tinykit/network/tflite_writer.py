# SPDX-License-Identifier: Apache-2.0
"""Plain descriptions of tensors and nodes as a .tflite file; knows the format, not Networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The version of each operator that takes int8; that of the others is 1.
_VERSIONS = {
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "LEAKY_RELU": 2,
    "LOGISTIC": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "PADV2": 2,
    "RELU": 2,
    "RELU6": 2,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "SLICE": 2,
    "SOFTMAX": 2,
    "STRIDED_SLICE": 2,
    "SUB": 2,
    "TANH": 2,
    "TRANSPOSE": 2,
}
_ALIGNMENT = 16


@dataclass
class FileTensor:
    """A tensor of the file.

    Attributes:
        name: of the tensor.
        shape: with the batch axis.
        type: as in the schema, such as "INT8".
        scale: (n,), or None for no quantization.
        zero_point: one for all scales, or one for each.
        axis: of the tensor that the scales belong to.
        data: its bytes, for constants.
        any_batch: whether the first side may be resized.
        is_variable: whether it is what a layer keeps from one step to the next.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: NDArray[np.float32] | None = None
    zero_point: int | Sequence[int] = 0
    axis: int = 0
    data: bytes = b""
    any_batch: bool = False
    is_variable: bool = False


@dataclass
class FileNode:
    """An operator of the file.

    Attributes:
        code: as in the schema, such as "CONV_2D".
        inputs, outputs: indices of tensors; -1 for an input that is missing.
        options: the table of its options, or "" for none.
        values: the options by the names of the schema; enumerations by their names.
        intermediates: indices of tensors that are there for their scales.
    """

    code: str
    inputs: list[int]
    outputs: list[int]
    options: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    intermediates: list[int] = field(default_factory=list)


@dataclass
class FileGraph:
    """All tensors and operators of the one subgraph."""

    tensors: list[FileTensor] = field(default_factory=list)
    nodes: list[FileNode] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def add(self, tensor: FileTensor) -> int:
        """The index that `tensor` gets."""
        self.index[tensor.name] = len(self.tensors)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name: str, values: Any) -> int:
        """The index of an int32 constant."""
        data = np.array(values, "<i4")
        return self.add(FileTensor(name, data.shape, "INT32", data=data.tobytes()))

    def node(
        self, code: str, inputs: list[int], output: int, options: str = "", **values: Any
    ) -> None:
        """Append an operator of one output."""
        self.nodes.append(FileNode(code, inputs, [output], options, values))


def serialise(
    graph: FileGraph,
    *,
    inputs: Sequence[int],
    outputs: Sequence[int],
    name: str,
    description: str = "",
) -> bytes:
    """The content of the .tflite file.

    Args:
        graph: what it holds.
        inputs, outputs: indices of the tensors that enter and leave.
        name: of the subgraph.
        description: of the model.
    """
    import flatbuffers
    import tflite

    builder = flatbuffers.Builder(1 << 16)
    codes = sorted({node.code for node in graph.nodes})
    buffers = [_buffer(builder, b""), *(_buffer(builder, t.data) for t in graph.tensors if t.data)]
    opcodes = [_opcode(builder, code) for code in codes]
    tensors, filled = [], 0
    for tensor in graph.tensors:
        filled += bool(tensor.data)
        tensors.append(_tensor_table(builder, tensor, filled if tensor.data else 0))
    nodes = [_node_table(builder, node, codes.index(node.code)) for node in graph.nodes]
    ends = [builder.CreateNumpyVector(np.array(end, np.int32)) for end in (inputs, outputs)]
    parts = {
        "Tensors": _offsets(builder, tensors),
        "Inputs": ends[0],
        "Outputs": ends[1],
        "Operators": _offsets(builder, nodes),
        "Name": builder.CreateString(name),
    }
    subgraph = _table(builder, "SubGraph", parts)
    model = {
        "Version": 3,
        "OperatorCodes": _offsets(builder, opcodes),
        "Subgraphs": _offsets(builder, [subgraph]),
        "Description": builder.CreateString(description),
        "Buffers": _offsets(builder, buffers),
    }
    builder.Finish(_table(builder, "Model", model), file_identifier=b"TFL3")
    assert tflite.Model.ModelBufferHasIdentifier(builder.Output(), 0)
    return bytes(builder.Output())


def _table(builder: Any, kind: str, fields: dict[str, Any]) -> int:
    """A table of the schema, its fields set by the generated `<Kind>Add<Field>` functions."""
    import tflite

    getattr(tflite, f"{kind}Start")(builder)
    for name, value in fields.items():
        getattr(tflite, f"{kind}Add{name}")(builder, value)
    table: int = getattr(tflite, f"{kind}End")(builder)
    return table


def _offsets(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector


def _buffer(builder: Any, data: bytes) -> int:
    if not data:
        return _table(builder, "Buffer", {})
    # The runtime reads weights in place, so they must be aligned as the schema demands.
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return _table(builder, "Buffer", {"Data": builder.EndVector()})


def _opcode(builder: Any, code: str) -> int:
    import tflite

    number = getattr(tflite.BuiltinOperator, code)
    fields = {
        "DeprecatedBuiltinCode": min(number, 127),
        "Version": _VERSIONS.get(code, 1),
        "BuiltinCode": number,
    }
    return _table(builder, "OperatorCode", fields)


def _tensor_table(builder: Any, tensor: FileTensor, buffer: int) -> int:
    import tflite

    shape = builder.CreateNumpyVector(np.array(tensor.shape, np.int32))
    fields = {
        "Shape": shape,
        "Type": getattr(tflite.TensorType, tensor.type),
        "Buffer": buffer,
        "Name": builder.CreateString(tensor.name),
        "IsVariable": tensor.is_variable,
    }
    if tensor.scale is not None:
        zero_points = np.broadcast_to(np.array(tensor.zero_point, np.int64), tensor.scale.shape)
        quantization = {
            "Scale": builder.CreateNumpyVector(tensor.scale),
            "ZeroPoint": builder.CreateNumpyVector(np.ascontiguousarray(zero_points)),
            "QuantizedDimension": tensor.axis,
        }
        fields["Quantization"] = _table(builder, "QuantizationParameters", quantization)
    if tensor.any_batch:
        # The runtime reads -1 as "may be resized".
        signature = np.array((-1, *tensor.shape[1:]), np.int32)
        fields["ShapeSignature"] = builder.CreateNumpyVector(signature)
    return _table(builder, "Tensor", fields)


def _node_table(builder: Any, node: FileNode, opcode: int) -> int:
    import tflite

    values = dict(node.values)
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = builder.CreateNumpyVector(np.array(value, np.int32))
    for name, kind in (
        ("Padding", tflite.Padding),
        ("FusedActivationFunction", tflite.ActivationFunctionType),
    ):
        if name in values:
            values[name] = getattr(kind, values[name])
    fields: dict[str, Any] = {}
    if node.options:
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, node.options)
        fields["BuiltinOptions"] = _table(builder, node.options, values)
    if node.intermediates:
        indices = np.array(node.intermediates, np.int32)
        fields["Intermediates"] = builder.CreateNumpyVector(indices)
    return _table(
        builder,
        "Operator",
        {
            "OpcodeIndex": opcode,
            "Inputs": builder.CreateNumpyVector(np.array(node.inputs, np.int32)),
            "Outputs": builder.CreateNumpyVector(np.array(node.outputs, np.int32)),
            **fields,
        },
    )
