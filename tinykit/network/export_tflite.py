# SPDX-License-Identifier: Apache-2.0
"""Networks with 8-bit activations as .tflite files that TFLite's reference kernels run bit for bit.

TFLite derives its multipliers anew from float32 scales, so a Network is exported only if that gives
its own multipliers; `requantize_from_scales` makes such ones. Weights of 4 or 2 bits become int8.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network import shapes
from tinykit.network.exits import without_exits
from tinykit.network.network import Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Concat,
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
from tinykit.network.tflite_writer import FileGraph, FileTensor, serialise

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
    # TFLite runs whole graphs, in which nobody would read an exit.
    network = without_exits(network)
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
    return serialise(
        graph,
        inputs=[graph.index[network.input]],
        outputs=[graph.index[network.output]],
        name=network.name,
        description=f"tinykit {network.digest[:16]}",
    )


def _refuse(network: Network, place: str, what: str, remedy: str) -> TinykitError:
    return TinykitError(what, where=f"network {network.name}, {place}", remedy=remedy)


# From a Network to a plain description of the .tflite graph


class _Graph(FileGraph):
    def activation(self, like: Tensor, name: str = "", shape: tuple[int, ...] | None = None) -> int:
        """An int8 tensor with the scale and zero point of `like`."""
        sides = like.shape if shape is None else shape
        scale = np.array([like.scale], np.float32)
        return self.add(
            FileTensor(
                name or like.name, (1, *sides), "INT8", scale, like.zero_point, any_batch=True
            )
        )


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
    elif isinstance(op, Concat):
        inputs = [graph.index[name] for name in op.inputs]
        # Axis 0 is that of the batch.
        options = {"Axis": op.axis + 1, "FusedActivationFunction": "NONE"}
        graph.node(
            "CONCATENATION", inputs, graph.index[op.output], "ConcatenationOptions", **options
        )
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
    kernel = FileTensor(
        f"{op.name}/weight", weight.shape, "INT8", scale, axis=axis, data=weight.tobytes()
    )
    bias = FileTensor(
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
