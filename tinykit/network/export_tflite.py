# SPDX-License-Identifier: Apache-2.0
"""Networks with 8-bit activations as .tflite files that TFLite's reference kernels run bit for bit.

TFLite derives its multipliers anew from float32 scales, so a Network is exported only if that gives
its own multipliers; `requantize_from_scales` makes such ones. Weights of 4 or 2 bits become int8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network import shapes
from tinykit.network.network import Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Int8Array,
    MaxPool2D,
    Op,
    Requantize,
    Rescale,
    Reshape,
    Tensor,
    Weighted,
    Windowed,
)
from tinykit.network.requantize import add_rescale, requantize_from_scales

_FULL_RANGE = (-128, 127)


def export_tflite(network: Network, path: Path) -> None:
    """Write the network as a .tflite file; its batch axis may be resized.

    Raises:
        TinykitError: an activation is not 8 bits wide, a clamp, padding or multiplier cannot be
            expressed in a .tflite file, or the file cannot be written.
    """
    write_atomic(path, to_tflite(network))


def to_tflite(network: Network) -> bytes:
    """The content of the .tflite file.

    Raises:
        TinykitError: as `export_tflite`.
    """
    graph = _Graph()
    for tensor in network.tensors:
        if tensor.bits != 8:
            raise _refuse(
                network,
                f"tensor {tensor.name}",
                f"holds {tensor.bits}-bit activations, which .tflite kernels do not have.",
                "Export a network whose policy keeps activations at 8 bits (w8a8, w4a8, w2a8).",
            )
        graph.activation(tensor)
    for op in network.ops:
        _add(network, graph, op)
    return _serialise(network, graph)


def _refuse(network: Network, place: str, what: str, remedy: str) -> TinykitError:
    return TinykitError(what, where=f"network {network.name}, {place}", remedy=remedy)


# From a Network to a plain description of the .tflite graph


@dataclass
class _Tensor:
    name: str
    shape: tuple[int, ...]
    type: str
    scale: NDArray[np.float32] | None = None
    zero_point: int = 0
    axis: int = 0
    data: bytes = b""


@dataclass
class _Node:
    code: str
    inputs: list[int]
    output: int
    options: str
    values: dict[str, Any]


@dataclass
class _Graph:
    tensors: list[_Tensor] = field(default_factory=list)
    nodes: list[_Node] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def add(self, tensor: _Tensor) -> int:
        self.index[tensor.name] = len(self.tensors)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def activation(self, like: Tensor, name: str = "", shape: tuple[int, ...] | None = None) -> int:
        """An int8 tensor with the scale and zero point of `like`."""
        sides = like.shape if shape is None else shape
        scale = np.array([like.scale], np.float32)
        return self.add(_Tensor(name or like.name, (1, *sides), "INT8", scale, like.zero_point))

    def constant(self, name: str, values: list[Any]) -> int:
        data = np.array(values, "<i4")
        return self.add(_Tensor(name, data.shape, "INT32", data=data.tobytes()))

    def node(self, code: str, inputs: list[int], output: int, options: str, **values: Any) -> None:
        self.nodes.append(_Node(code, inputs, output, options, values))


def _add(network: Network, graph: _Graph, op: Op) -> None:
    if isinstance(op, Conv2D | DepthwiseConv2D):
        _add_convolution(network, graph, op)
    elif isinstance(op, Dense):
        _add_dense(network, graph, op)
    elif isinstance(op, AvgPool2D | MaxPool2D):
        _add_pool(network, graph, op)
    elif isinstance(op, Add):
        _add_sum(network, graph, op)
    elif isinstance(op, Reshape):
        source, result = graph.index[op.inputs[0]], graph.index[op.output]
        _add_reshape(graph, op.name, source, result)
    else:
        raise _refuse(
            network,
            f"layer {op.name}",
            f"is a {type(op).__name__}, which only imported models have.",
            "Use the .tflite file that it was imported from.",
        )


def _add_reshape(graph: _Graph, name: str, source: int, result: int) -> None:
    shape = [-1, *graph.tensors[result].shape[1:]]
    inputs = [source, graph.constant(f"{name}/shape", shape)]
    graph.node("RESHAPE", inputs, result, "ReshapeOptions", NewShape=shape)


def _add_pool(network: Network, graph: _Graph, op: AvgPool2D | MaxPool2D) -> None:
    padding = _padding(op, network.tensor(op.inputs[0]).shape)
    if padding is None:
        raise _refuse(
            network,
            f"layer {op.name}",
            f"pools with padding {op.padding}, which is neither SAME nor VALID.",
            "Pool with one of these paddings.",
        )
    code = "AVERAGE_POOL_2D" if isinstance(op, AvgPool2D) else "MAX_POOL_2D"
    graph.node(
        code,
        [graph.index[op.inputs[0]]],
        graph.index[op.output],
        "Pool2DOptions",
        Padding=padding,
        StrideH=op.stride[0],
        StrideW=op.stride[1],
        FilterHeight=op.kernel[0],
        FilterWidth=op.kernel[1],
    )


def _add_sum(network: Network, graph: _Graph, op: Add) -> None:
    step, result = op.rescale, network.tensor(op.output)
    first, second = (network.tensor(name).scale for name in op.inputs)
    derived = add_rescale((first, second), result.scale, low=step.low, high=step.high)
    if derived != step:
        raise _refuse_multipliers(network, op)
    graph.node(
        "ADD",
        [graph.index[name] for name in op.inputs],
        graph.index[op.output],
        "AddOptions",
        FusedActivationFunction=_activation(network, op, step),
    )


def _add_convolution(network: Network, graph: _Graph, op: Conv2D | DepthwiseConv2D) -> None:
    _require_double_product(network, op)
    source = network.tensor(op.inputs[0])
    first, padding = graph.index[source.name], _padding(op, source.shape)
    if padding is None:
        first, padding = _add_pad(graph, op, source), "VALID"
    values = {
        "Padding": padding,
        "StrideH": op.stride[0],
        "StrideW": op.stride[1],
        "DilationHFactor": op.dilation[0],
        "DilationWFactor": op.dilation[1],
        "FusedActivationFunction": _activation(network, op, _requantize(op)),
    }
    result = graph.index[op.output]
    if isinstance(op, Conv2D):
        inputs = [first, *_add_parameters(graph, op, source, op.weight, 0)]
        graph.node("CONV_2D", inputs, result, "Conv2DOptions", **values)
    else:
        inputs = [first, *_add_parameters(graph, op, source, op.weight[None], 3)]
        values["DepthMultiplier"] = op.depth_multiplier
        graph.node("DEPTHWISE_CONV_2D", inputs, result, "DepthwiseConv2DOptions", **values)


def _add_pad(graph: _Graph, op: Windowed, source: Tensor) -> int:
    top, bottom, left, right = op.padding
    height, width, channels = source.shape
    shape = (height + top + bottom, width + left + right, channels)
    padded = graph.activation(source, f"{op.name}/padded", shape)
    edges = graph.constant(f"{op.name}/edges", [[0, 0], [top, bottom], [left, right], [0, 0]])
    graph.node("PAD", [graph.index[source.name], edges], padded, "PadOptions")
    return padded


def _add_dense(network: Network, graph: _Graph, op: Dense) -> None:
    """FULLY_CONNECTED, whose kernel knows one weight scale only; else CONV_2D on one pixel."""
    source, result = network.tensor(op.inputs[0]), network.tensor(op.output)
    activation = _activation(network, op, _requantize(op))
    if op.weight_scale.size == 1 and _derives(network, op, float32_product=True):
        inputs = [graph.index[source.name], *_add_parameters(graph, op, source, op.weight, 0)]
        graph.node(
            "FULLY_CONNECTED",
            inputs,
            graph.index[result.name],
            "FullyConnectedOptions",
            FusedActivationFunction=activation,
        )
        return
    _require_double_product(network, op)
    pixel = graph.activation(source, f"{op.name}/pixel", (1, 1, *source.shape))
    _add_reshape(graph, f"{op.name}/pixel", graph.index[source.name], pixel)
    scores = graph.activation(result, f"{op.name}/scores", (1, 1, *result.shape))
    kernel = op.weight[:, None, None, :]
    graph.node(
        "CONV_2D",
        [pixel, *_add_parameters(graph, op, source, kernel, 0)],
        scores,
        "Conv2DOptions",
        Padding="VALID",
        StrideH=1,
        StrideW=1,
        DilationHFactor=1,
        DilationWFactor=1,
        FusedActivationFunction=activation,
    )
    _add_reshape(graph, f"{op.name}/row", scores, graph.index[result.name])


def _add_parameters(
    graph: _Graph, op: Weighted, source: Tensor, weight: Int8Array, axis: int
) -> list[int]:
    scale = op.weight_scale.astype(np.float32)
    kernel = _Tensor(
        f"{op.name}/weight", weight.shape, "INT8", scale, axis=axis, data=weight.tobytes()
    )
    bias = _Tensor(
        f"{op.name}/bias",
        op.bias.shape,
        "INT32",
        scale * np.float32(source.scale),
        data=op.bias.astype("<i4").tobytes(),
    )
    return [graph.add(kernel), graph.add(bias)]


def _padding(op: Windowed, shape: tuple[int, ...]) -> str | None:
    """The name of the op's padding in TFLite, None if it has none."""
    if not any(op.padding):
        return "VALID"
    same = [
        side
        for axis in (0, 1)
        for side in shapes.same_padding(shape[axis], shapes.extent(op)[axis], op.stride[axis])
    ]
    return "SAME" if tuple(same) == tuple(op.padding) else None


def _activation(network: Network, op: Op, step: Requantize | Rescale) -> str:
    """The fused activation whose clamp is that of `step`.

    Raises:
        TinykitError: there is none.
    """
    result, clamp = network.tensor(op.output), (step.low, step.high)
    floor = result.zero_point
    if clamp == _FULL_RANGE:
        return "NONE"
    if clamp == (floor, 127):
        return "RELU"
    six = math.floor(float(np.float32(6) / np.float32(result.scale)) + 0.5)
    if clamp == (floor, min(127, floor + six)):
        return "RELU6"
    raise _refuse(
        network,
        f"layer {op.name}",
        f"clamps to {clamp[0]}..{clamp[1]}, which .tflite cannot express.",
        "Only the whole range, ReLU and ReLU6 can be exported.",
    )


def _requantize(op: Weighted) -> Requantize:
    """What all layers of 8-bit networks have, and only those are exported."""
    assert isinstance(op.requantize, Requantize)
    return op.requantize


def _derives(network: Network, op: Weighted, *, float32_product: bool) -> bool:
    """Whether TFLite would compute the op's own multipliers from the scales."""
    step = _requantize(op)
    derived = requantize_from_scales(
        network.tensor(op.inputs[0]).scale,
        op.weight_scale,
        network.tensor(op.output).scale,
        channels=shapes.output_channels(op),
        low=step.low,
        high=step.high,
        float32_product=float32_product,
    )
    return np.array_equal(derived.multiplier, step.multiplier) and np.array_equal(
        derived.shift, step.shift
    )


def _require_double_product(network: Network, op: Weighted) -> None:
    if not _derives(network, op, float32_product=False):
        raise _refuse_multipliers(network, op)


def _refuse_multipliers(network: Network, op: Op) -> TinykitError:
    return _refuse(
        network,
        f"layer {op.name}",
        "has multipliers that TFLite would not derive from its scales.",
        "Make them with tinykit.network.requantize_from_scales, those of an Add with add_rescale.",
    )


# From the description to a flatbuffer

_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2,
    "RESHAPE": 1,
    "PAD": 2,
    "ADD": 2,
}
_ALIGNMENT = 16


def _serialise(network: Network, graph: _Graph) -> bytes:
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
    ends = [graph.index[network.input]], [graph.index[network.output]]
    inputs, outputs = (builder.CreateNumpyVector(np.array(end, np.int32)) for end in ends)
    parts = {
        "Tensors": _offsets(builder, tensors),
        "Inputs": inputs,
        "Outputs": outputs,
        "Operators": _offsets(builder, nodes),
        "Name": builder.CreateString(network.name),
    }
    subgraph = _table(builder, "SubGraph", parts)
    model = {
        "Version": 3,
        "OperatorCodes": _offsets(builder, opcodes),
        "Subgraphs": _offsets(builder, [subgraph]),
        "Description": builder.CreateString(f"tinykit {network.digest[:16]}"),
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
        "Version": _VERSIONS[code],
        "BuiltinCode": number,
    }
    return _table(builder, "OperatorCode", fields)


def _tensor_table(builder: Any, tensor: _Tensor, buffer: int) -> int:
    import tflite

    shape = builder.CreateNumpyVector(np.array(tensor.shape, np.int32))
    fields = {
        "Shape": shape,
        "Type": getattr(tflite.TensorType, tensor.type),
        "Buffer": buffer,
        "Name": builder.CreateString(tensor.name),
    }
    if tensor.scale is not None:
        zero_points = np.full(tensor.scale.shape, tensor.zero_point, np.int64)
        quantization = {
            "Scale": builder.CreateNumpyVector(tensor.scale),
            "ZeroPoint": builder.CreateNumpyVector(zero_points),
            "QuantizedDimension": tensor.axis,
        }
        fields["Quantization"] = _table(builder, "QuantizationParameters", quantization)
    if not tensor.data and tensor.scale is not None:
        # Any batch size: the runtime reads -1 as "may be resized".
        signature = np.array((-1, *tensor.shape[1:]), np.int32)
        fields["ShapeSignature"] = builder.CreateNumpyVector(signature)
    return _table(builder, "Tensor", fields)


def _node_table(builder: Any, node: _Node, opcode: int) -> int:
    import tflite

    values = dict(node.values)
    if "NewShape" in values:
        values["NewShape"] = builder.CreateNumpyVector(np.array(values["NewShape"], np.int32))
    for name, kind in (
        ("Padding", tflite.Padding),
        ("FusedActivationFunction", tflite.ActivationFunctionType),
    ):
        if name in values:
            values[name] = getattr(kind, values[name])
    options = _table(builder, node.options, values)
    fields = {
        "OpcodeIndex": opcode,
        "Inputs": builder.CreateNumpyVector(np.array(node.inputs, np.int32)),
        "Outputs": builder.CreateNumpyVector(np.array([node.output], np.int32)),
        "BuiltinOptionsType": getattr(tflite.BuiltinOptions, node.options),
        "BuiltinOptions": options,
    }
    return _table(builder, "Operator", fields)
