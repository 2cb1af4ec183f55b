# SPDX-License-Identifier: Apache-2.0
"""A foreign model in float32: the reference for calibration, and for what quantization costs.

It computes what TFLite's float reference kernels compute, to the rounding of float32: sums are
taken in another order, and the functions of the C library are NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer import lower_moves
from tinykit.importer.frame import Frame, beyond_float_is_infinite, refuse
from tinykit.importer.graph import Graph, Node
from tinykit.importer.lower import pruned
from tinykit.importer.real_graph import real_graph
from tinykit.network.shapes import same_padding
from tinykit.network.validate import MAX_PADDING

Floats = NDArray[Any]
Observer = Callable[[str, NDArray[np.float32]], None]

# Elements of the largest tensor that one step of the batch may hold.
_CHUNK_ELEMENTS = 1 << 20
# What NumPy says of shapes, axes and types that do not go together, as only a bad file has them.
_CONTRADICTIONS = (
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
    MemoryError,
)


class FloatModel:
    """A model that runs batches in float32.

    Args:
        graph: of one input and one output; quantized tensors are taken for the reals they stand
            for.

    Attributes:
        graph: the model with reals only, see `real_graph`.

    Raises:
        TinykitError: an operator is not known here, or see `pruned`.
    """

    def __init__(self, graph: Graph) -> None:
        try:
            self.graph = real_graph(pruned(graph))
            self._batches = carries_batch(self.graph)
        except _CONTRADICTIONS as error:
            raise TinykitError(
                f"contradicts itself: {str(error)[:120]}.",
                where=graph.source,
                remedy="Convert the model again; the file is damaged.",
            ) from error
        unknown = [node for node in self.graph.nodes if node.kind not in KERNELS]
        if unknown:
            raise TinykitError(
                f"{len(unknown)} layers cannot be run: {', '.join(n.name for n in unknown[:12])}.",
                where=graph.source,
                remedy="Replace them, or let TensorFlow's converter quantize the model to int8 and "
                f"import that with weights of 8 bits. Known are {', '.join(sorted(KERNELS))}.",
            )
        self._last_read = {name: at for at, n in enumerate(self.graph.nodes) for name in n.inputs}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one sample, without the batch axis where there is one."""
        return _sample(self.graph.tensors[self.graph.inputs[0]].shape)

    def run(
        self, x: Floats, observe: Observer | None = None, tick: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Run a batch.

        Args:
            x: reals (n, *input_shape).
            observe: called with the name and the values, float32 (n', ...), of the input and of
                every activation, for one part of the batch after the other.
            tick: called with the size of each part that is done.

        Returns:
            float32 (n, *output shape without a batch axis).
        """
        shape = self.input_shape
        if x.shape[1:] != shape:
            raise ValueError(f"an input (n, {shape}) is wanted, not {x.shape}")
        results = []
        for part in self.parts(x):
            results.append(self._run(part, observe))
            if tick is not None:
                tick(len(part))
        result = _sample(self.graph.tensors[self.graph.outputs[0]].shape)
        return np.concatenate(results) if results else np.zeros((0, *result), np.float32)

    def run_all(self, x: Floats) -> dict[str, NDArray[np.float32]]:
        """Run a batch and keep every activation: name to float32 (n, ...)."""
        kept: dict[str, list[NDArray[np.float32]]] = {}
        self.run(x, lambda name, values: kept.setdefault(name, []).append(values))
        return {name: np.concatenate(parts) for name, parts in kept.items()}

    def parts(self, x: Floats) -> Iterator[NDArray[np.float32]]:
        """`x` in pieces that go at once: of one sample, where the model carries no batch."""
        step = 1
        if self._batches:
            outputs = [name for node in self.graph.nodes for name in node.outputs]
            largest = max((math.prod(self.graph.tensors[n].shape) for n in outputs), default=1)
            step = max(1, _CHUNK_ELEMENTS // largest)
        for start in range(0, len(x), step):
            yield x[start : start + step].astype(np.float32)

    def start(self, part: NDArray[np.float32]) -> dict[str, Floats]:
        """The values by tensor before the first node, for one of `parts`."""
        source = self.graph.inputs[0]
        shape = self.graph.tensors[source].shape
        return {source: part if self._batches else part.reshape(shape)}

    def call(self, node: Node, values: dict[str, Floats], count: int) -> Call:
        """A node on the values so far of a part of `count` samples."""
        return Call(self.graph, node, values, count if self._batches else None)

    def _run(self, x: Floats, observe: Observer | None) -> NDArray[np.float32]:
        graph, count = self.graph, len(x)
        values = self.start(x)

        def show(name: str) -> NDArray[np.float32]:
            whole: NDArray[np.float32] = values[name].reshape(
                count, *_sample(graph.tensors[name].shape)
            )
            if observe is not None:
                observe(name, whole)
            return whole

        show(graph.inputs[0])
        for at, node in enumerate(graph.nodes):
            values[node.outputs[0]] = self.call(node, values, count).run()
            show(node.outputs[0])
            for name in node.inputs:
                if self._last_read.get(name) == at and name not in graph.outputs:
                    values.pop(name, None)
        return values[graph.outputs[0]].reshape(
            count, *_sample(graph.tensors[graph.outputs[0]].shape)
        )


def _sample(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if shape and shape[0] == 1 else shape


def carries_batch(graph: Graph) -> bool:
    """Whether the first axis of every activation is the batch, so that many samples go at once."""
    activations = {*graph.inputs, *(name for node in graph.nodes for name in node.outputs)}
    shapes = {name: graph.tensors[name].shape for name in activations}
    if any(not shape or shape[0] != 1 for shape in shapes.values()):
        return False
    for node in graph.nodes:
        ranks = {len(shapes[name]) for name in node.inputs if name in activations}
        constant_ranks = [len(graph.tensors[n].shape) for n in node.inputs if n and n not in shapes]
        options = node.attributes
        if node.kind in _ELEMENTWISE and (
            len(ranks) > 1 or max(constant_ranks, default=0) > max(ranks, default=0)
        ):
            return False
        rank = max(ranks, default=1)
        if node.kind == "CONCATENATION" and (
            int(options["axis"]) % rank == 0 or set(node.inputs) - activations
        ):
            return False
        if node.kind == "SOFTMAX" and rank == 1:
            return False
        if node.kind == "TRANSPOSE" and int(_integers(graph, node, 1)[0]) != 0:
            return False
        if node.kind == "MEAN" and any(int(a) % rank == 0 for a in _integers(graph, node, 1)):
            return False
        if node.kind == "STRIDED_SLICE" and options["shrink_axis_mask"] & 1:
            return False
    return True


def _integers(graph: Graph, node: Node, index: int) -> NDArray[Any]:
    """A constant argument of a node, flat."""
    frame = Frame(graph)
    frame.begin(node)
    return frame.values(node.inputs[index], "an argument").reshape(-1)


@dataclass
class Call:
    """One node on one part of a batch.

    Attributes:
        graph: of reals.
        node: of the graph, or one like it.
        values: of the activations so far; what is here goes before a constant of the same name.
        count: samples in the part; None where a sample goes alone, in the graph's own shapes.
    """

    graph: Graph
    node: Node
    values: dict[str, Floats]
    count: int | None

    def run(self) -> Floats:
        """The output.

        Raises:
            TinykitError: the node's inputs and options contradict each other, or its output.
        """
        try:
            with beyond_float_is_infinite():
                result = KERNELS[self.node.kind](self)
            self.expect(result.shape)
        except _CONTRADICTIONS as error:
            raise refuse(
                self.node,
                f"cannot be computed: {str(error)[:120]}.",
                "Convert the model again.",
            ) from error
        return result

    def expect(self, shape: Sequence[int]) -> None:
        """Refuse what would not have as many values as the graph says, before it takes memory.

        Raises:
            ValueError: so it is.
        """
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"it gives {math.prod(shape)} values, not {math.prod(self.shape)}")

    def columns(self) -> Floats:
        """What the sums of a layer with weights are over: (positions, groups, inputs of a sum).

        There is one group, but for DEPTHWISE_CONV_2D one for each output channel. Positions and
        inputs are in the order of the outputs and of the weights of a channel.
        """
        x, weight = self.input(), self.input(1)
        if self.node.kind == "FULLY_CONNECTED":
            return x.reshape(-1, 1, weight.shape[1])
        kernel = (weight.shape[1], weight.shape[2])
        if self.node.kind == "CONV_2D":
            views = _taps(self, x, kernel, _dilation(self), 0.0)
            columns = views[0] if len(views) == 1 else np.concatenate(views, axis=-1)
            return columns.reshape(-1, 1, columns.shape[-1])
        multiplier = weight.shape[3] // x.shape[-1]
        x = np.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
        views = _taps(self, x, kernel, _dilation(self), 0.0)
        return np.stack(views, axis=-1).reshape(-1, weight.shape[3], len(views))

    def input(self, index: int = 0) -> Floats:
        """The values of an input, a constant's or an activation's."""
        name = self.node.inputs[index]
        if name in self.values:
            return self.values[name]
        data = self.graph.tensors[name].data
        if data is None:
            raise refuse(
                self.node, f"reads {name[:80]!r}, which nothing computes.", "Convert again."
            )
        return data

    def optional(self, index: int) -> Floats | None:
        """The values of an input that may be missing."""
        return (
            self.input(index) if len(self.node.inputs) > index and self.node.inputs[index] else None
        )

    def integers(self, index: int) -> list[int]:
        """A constant argument."""
        return [int(one) for one in _integers(self.graph, self.node, index)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output, for this part of the batch."""
        shape = self.graph.tensors[self.node.outputs[0]].shape
        return shape if self.count is None else (self.count, *shape[1:])

    @property
    def options(self) -> Any:
        """Of the node."""
        return self.node.attributes

    @property
    def frame(self) -> Frame:
        """What lowering reads arguments with."""
        frame = Frame(self.graph)
        frame.begin(self.node)
        return frame

    def activated(self, values: Floats) -> Floats:
        """`values` after the fused activation."""
        name = self.options.get("fused_activation", "NONE")
        if name not in _CLAMPS:
            raise refuse(self.node, f"fuses {name}.", "Use a layer of its own for it.")
        low, high = _CLAMPS[name]
        return values if low is None and high is None else np.clip(values, low, high)


_CLAMPS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def _taps(
    call: Call, x: Floats, kernel: tuple[int, int], dilation: tuple[int, int], border: float
) -> list[Floats]:
    """For each tap of the window, row by row, what it is applied to: (n, out_h, out_w, c)."""
    options = call.options
    stride = (int(options["stride_h"]), int(options["stride_w"]))
    if x.ndim != 4 or min(*stride, *kernel) < 1:
        raise refuse(call.node, f"slides over {x.shape} in steps of {stride}.", "Use an image.")
    extent = [(kernel[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    edges = [(0, 0), (0, 0)]
    if options["padding"] == "SAME":
        edges = [same_padding(x.shape[1 + i], extent[i], stride[i]) for i in (0, 1)]
    # Also keeps what is padded small: a file may ask for a window of any size.
    if max(map(max, edges)) > MAX_PADDING:
        raise ValueError(f"a window of {kernel} pads {x.shape} by more than {MAX_PADDING}")
    last = [x.shape[1 + i] + sum(edges[i]) - extent[i] for i in (0, 1)]
    if min(last) < 0 or [one // step + 1 for one, step in zip(last, stride, strict=True)] != [
        *call.shape[1:3]
    ]:
        raise ValueError(f"a window of {kernel} over {x.shape} does not give {call.shape}")
    if any(max(pair) >= size for pair, size in zip(edges, extent, strict=True) if any(pair)):
        raise ValueError(f"a window of {kernel} lies outside {x.shape}")
    x = np.pad(x, ((0, 0), *edges, (0, 0)), constant_values=border) if any(map(any, edges)) else x
    return [
        x[
            :,
            row * dilation[0] : row * dilation[0] + last[0] + 1 : stride[0],
            column * dilation[1] : column * dilation[1] + last[1] + 1 : stride[1],
        ]
        for row in range(kernel[0])
        for column in range(kernel[1])
    ]


def _dilation(call: Call) -> tuple[int, int]:
    return max(1, int(call.options["dilation_h"])), max(1, int(call.options["dilation_w"]))


def _with_bias(call: Call, sums: Floats) -> Floats:
    bias = call.optional(2)
    return call.activated(sums if bias is None else sums + bias.reshape(-1))


def _conv_2d(call: Call) -> Floats:
    x, weight = call.input(), call.input(1)
    if weight.shape[3] != x.shape[-1]:
        raise refuse(call.node, "has groups.", "Use a plain or a depthwise convolution.")
    views = _taps(call, x, (weight.shape[1], weight.shape[2]), _dilation(call), 0.0)
    columns = views[0] if len(views) == 1 else np.concatenate(views, axis=-1)
    flat = columns.reshape(-1, columns.shape[-1]) @ weight.reshape(len(weight), -1).T
    return _with_bias(call, flat.reshape(*columns.shape[:-1], len(weight)))


def _depthwise_conv_2d(call: Call) -> Floats:
    x, weight = call.input(), call.input(1)
    multiplier = weight.shape[3] // x.shape[-1]
    call.expect((*call.shape[:3], weight.shape[3]))
    x = np.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    kernel = (weight.shape[1], weight.shape[2])
    sums: Any = 0.0
    for view, tap in zip(
        _taps(call, x, kernel, _dilation(call), 0.0),
        weight.reshape(-1, weight.shape[3]),
        strict=True,
    ):
        sums = sums + view * tap
    return _with_bias(call, sums)


def _fully_connected(call: Call) -> Floats:
    x, weight = call.input(), call.input(1)
    rows = x.reshape(-1, weight.shape[1])
    call.expect((len(rows), len(weight)))
    return _with_bias(call, rows @ weight.T).reshape(call.shape)


def _pool(call: Call) -> Floats:
    x = call.input()
    kernel = (int(call.options["filter_h"]), int(call.options["filter_w"]))
    if call.node.kind == "MAX_POOL_2D":
        views = _taps(call, x, kernel, (1, 1), -np.inf)
        return call.activated(np.maximum.reduce(views))
    total = np.add.reduce(_taps(call, x, kernel, (1, 1), 0.0))
    ones = np.ones((1, *x.shape[1:3], 1), np.float32)
    inside = np.add.reduce(_taps(call, ones, kernel, (1, 1), 0.0))
    return call.activated(total / inside)


def _mean(call: Call) -> Floats:
    x = call.input()
    return x.mean(axis=tuple(call.integers(1)), keepdims=True).reshape(call.shape)


def _pad(call: Call) -> Floats:
    x, amounts = call.input(), np.reshape(call.integers(1), (-1, 2))
    call.expect([side + int(sum(pair)) for side, pair in zip(x.shape, amounts, strict=True)])
    value = float(call.input(2).reshape(-1)[0]) if call.node.kind == "PADV2" else 0.0
    return np.pad(x, amounts, constant_values=value)


def _slice(call: Call) -> Floats:
    x = call.input()
    foreign = call.graph.tensors[call.node.inputs[0]].shape
    begin, step, size = lower_moves.slice_ranges(call.frame, foreign)
    first = 0 if call.count is None else 1
    parts = [slice(None)] * first
    for at in range(first, len(foreign)):
        end = begin[at] + step[at] * size[at]
        parts.append(slice(begin[at], end if end >= 0 else None, step[at]))
    return x[tuple(parts)].reshape(call.shape)


def _concatenation(call: Call) -> Floats:
    parts = [call.input(index) for index in range(len(call.node.inputs))]
    return call.activated(np.concatenate(parts, axis=int(call.options["axis"])))


def _resize_nearest(call: Call) -> Floats:
    x, frame = call.input(), call.frame
    wanted = call.graph.tensors[call.node.outputs[0]].shape
    rows, columns = (
        lower_moves.nearest_places(frame, x.shape[axis], wanted[axis]) for axis in (1, 2)
    )
    return x[:, rows][:, :, columns]


def _softmax(call: Call) -> Floats:
    x = call.input() * np.float32(float(call.options["beta"]) or 1.0)
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _leaky_relu(call: Call) -> Floats:
    x = call.input()
    return np.where(x >= 0, x, x * np.float32(call.options["alpha"]))


def _prelu(call: Call) -> Floats:
    x, slope = call.input(), call.input(1)
    call.expect(np.broadcast_shapes(x.shape, slope.shape))
    return np.where(x >= 0, x, x * slope)


def _logistic(call: Call) -> Floats:
    # exp of a large number is infinite, and its reciprocal the right 0.
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-call.input())))


def _hard_swish(call: Call) -> Floats:
    x = call.input()
    return x * np.clip(x + np.float32(3), 0, 6) / np.float32(6)


def _clamped(call: Call) -> Floats:
    low, high = _CLAMPS[call.node.kind]
    return np.clip(call.input(), low, high)


def _elementwise(call: Call) -> Floats:
    functions: dict[str, np.ufunc] = {"ADD": np.add, "SUB": np.subtract, "MUL": np.multiply}
    first, second = call.input(), call.input(1)
    call.expect(np.broadcast_shapes(first.shape, second.shape))
    return call.activated(functions[call.node.kind](first, second))


def _reshape(call: Call) -> Floats:
    return call.input().reshape(call.shape)


_ELEMENTWISE: Sequence[str] = ("ADD", "SUB", "MUL", "PRELU")

KERNELS: dict[str, Callable[[Call], Floats]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "ADD": _elementwise,
    "SUB": _elementwise,
    "MUL": _elementwise,
    "PRELU": _prelu,
    "RELU": _clamped,
    "RELU6": _clamped,
    "RELU_N1_TO_1": _clamped,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _logistic,
    "TANH": lambda call: np.tanh(call.input()),
    "HARD_SWISH": _hard_swish,
    "SOFTMAX": _softmax,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "PAD": _pad,
    "PADV2": _pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "CONCATENATION": _concatenation,
    "TRANSPOSE": lambda call: np.transpose(call.input(), call.integers(1)),
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
}
