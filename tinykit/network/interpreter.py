# SPDX-License-Identifier: Apache-2.0
"""The reference interpreter: what every other executor must reproduce bit for bit.

Sums run in float32 or float64 matrix products where the layer's proven bound says that every
partial sum is an integer which that type holds exactly, so the result is the integer one whatever
the order of summation; a Network's validation bounds all of them below 2^31.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.network import lstm, shapes
from tinykit.network.exits import Mode, taken
from tinykit.network.moves import MOVES, move
from tinykit.network.network import Network
from tinykit.network.ops import (
    AvgPool2D,
    Constant,
    Conv2D,
    DepthwiseConv2D,
    Int8Array,
    Lookup,
    Lstm,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    PRelu,
    Softmax,
    Sub,
    Sum,
    Tensor,
    Threshold,
    Weighted,
    Windowed,
    integer_range,
)
from tinykit.network.requantize import apply_threshold, requantize, rescaled_sum
from tinykit.network.softmax import softmax
from tinykit.network.validate import accumulator_bound

Floats = NDArray[Any]

# Elements a chunk of the batch may take in one step: small enough for the cache.
_CHUNK_ELEMENTS = 1 << 16


def interpret(network: Network, x: Int8Array) -> Int8Array:
    """Run a batch.

    Args:
        x: int8 (n, *input shape), each in the range of the input's bits.

    Returns:
        int8 (n, classes): the integer logits.

    Raises:
        TinykitError: `x` does not fit the network's input.
    """
    _check_input(network, x)
    outputs = [_run(network, part)[network.output] for part in _chunks(network, x)]
    return np.concatenate(outputs) if outputs else _empty(network, network.output)


def interpret_all(network: Network, x: Int8Array) -> dict[str, Int8Array]:
    """Run a batch and keep every tensor: name to int8 (n, *shape).

    Raises:
        TinykitError: `x` does not fit the network's input.
    """
    _check_input(network, x)
    names = [network.input, *(op.output for op in network.ops)]
    runs = [_run(network, part) for part in _chunks(network, x)]
    if not runs:
        return {name: _empty(network, name) for name in names}
    return {name: np.concatenate([run[name] for run in runs]) for name in names}


def exit_logits(network: Network, x: Int8Array) -> Int8Array:
    """Run a batch through all exits to the end.

    Args:
        x: as for `interpret`.

    Returns:
        int8 (exits + 1, n, classes): the logits of each exit and, last, of the output.

    Raises:
        TinykitError: `x` does not fit the network's input.
    """
    _check_input(network, x)
    names = [*(one.tensor for one in network.exits), network.output]
    runs = [_run(network, part) for part in _chunks(network, x)]
    if not runs:
        return np.stack([_empty(network, name) for name in names])
    return np.concatenate([np.stack([run[name] for name in names]) for run in runs], axis=1)


def run_adaptive(network: Network, x: Int8Array, mode: Mode) -> tuple[Int8Array, NDArray[np.int64]]:
    """Run a batch in a mode.

    Args:
        x: as for `interpret`.
        mode: with thresholds for the network's exits.

    Returns:
        int8 (n, classes): the logits of the exit that each took; int64 (n,): that exit, the number
        of exits where it ran to the end.

    Raises:
        TinykitError: `x` does not fit the network's input.
    """
    logits = exit_logits(network, x)
    left = taken(logits, mode)
    return logits[left, np.arange(len(x))], left


def run_op(op: Op, inputs: Sequence[tuple[Int8Array, Tensor]], result: Tensor) -> Int8Array:
    """One operator on a batch.

    Args:
        op: the operator; any but a Constant, which reads nothing.
        inputs: values, int8 (n, *shape), and tensor of each input.
        result: its output tensor.

    Returns:
        int8 (n, *result.shape).
    """
    (x, source), *others = inputs
    if isinstance(op, Weighted):
        return _weighted(op, x, source, result)
    if isinstance(op, AvgPool2D):
        return _avg_pool(op, x)
    if isinstance(op, MaxPool2D):
        return _max_pool(op, x)
    if isinstance(op, MOVES):
        return move(op, [values for values, _ in inputs], result.shape)
    if isinstance(op, Lookup):
        return op.table[x.astype(np.int64) + 128]
    if isinstance(op, Mean):
        return _mean(op, x)
    if isinstance(op, Softmax):
        return softmax(op.exponentials, x)
    if isinstance(op, Lstm):
        return lstm.run(op, x, source, result)
    ((y, other),) = others
    # A row of one value goes with any shape.
    y = y.reshape(len(y), *[1] * (x.ndim - 1)) if y.ndim < x.ndim else y
    if isinstance(op, Sum):
        zero_points = (source.zero_point, other.zero_point)
        total = rescaled_sum(
            op.rescale, x, y, zero_points, result.zero_point, subtract=isinstance(op, Sub)
        )
        return total.astype(np.int8)
    first = x.astype(np.int64) - source.zero_point
    second = y.astype(np.int64) - other.zero_point
    if isinstance(op, Mul):
        return _scaled(op, first * second, result)
    if isinstance(op, PRelu):
        return np.where(
            first >= 0, _scaled(op, first, result, 0), _scaled(op, first * second, result, 1)
        )
    raise TypeError(f"{type(op).__name__} cannot be interpreted")


def _weighted(op: Weighted, x: Int8Array, source: Tensor, result: Tensor) -> Int8Array:
    step = op.requantize
    acc = accumulate(op, x, source)
    if isinstance(step, Threshold):
        return apply_threshold(acc, step).astype(np.int8)
    scaled = requantize(
        acc.astype(np.int64), step.multiplier, step.shift, result.zero_point, step.low, step.high
    )
    return scaled.astype(np.int8)


def _scaled(op: Mul | PRelu, acc: NDArray[np.int64], result: Tensor, factor: int = 0) -> Int8Array:
    """`acc` requantized by one of the op's factors."""
    step = op.requantize
    multiplier, shift = step.multiplier[factor], step.shift[factor]
    scaled = requantize(acc, multiplier, shift, result.zero_point, step.low, step.high)
    return scaled.astype(np.int8)


def _mean(op: Mean, x: Int8Array) -> Int8Array:
    axes = tuple(axis + 1 for axis in op.axes)
    total = x.sum(axis=axes, keepdims=True, dtype=np.int64)
    reached = np.searchsorted(op.steps, total, side="right")
    return np.asarray(op.first + reached).astype(np.int8)


def accumulate(op: Weighted, x: Int8Array, source: Tensor) -> Floats:
    """The exact accumulators of a layer, before requantisation.

    Returns:
        (n, *output shape) integers, held in float32 where all are below 2^24, else in float64.
    """
    kind = np.float32 if accumulator_bound(op, source) < 1 << 24 else np.float64
    centred: Floats = x.astype(kind)
    centred -= source.zero_point
    weight, bias = op.weight.astype(kind), op.bias.astype(kind)
    if isinstance(op, Conv2D):
        sums = _conv(op, centred, weight, -1 if source.bits == 1 else 0)
    elif isinstance(op, DepthwiseConv2D):
        sums = _depthwise(op, centred, weight)
    else:
        sums = centred @ weight.T
    sums += bias
    return sums


def _check_input(network: Network, x: Int8Array) -> None:
    source = network.tensor(network.input)
    if x.dtype != np.int8 or x.shape[1:] != source.shape:
        raise TinykitError(
            f"the features are {x.dtype} {x.shape}.",
            where=f"network {network.name}",
            remedy=f"Give int8 (n, {', '.join(map(str, source.shape))}).",
        )
    low, high = integer_range(source.bits)
    if x.size and (x.min() < low or x.max() > high):
        raise TinykitError(
            f"the features reach from {x.min()} to {x.max()}.",
            where=f"network {network.name}",
            remedy=f"Its input has {source.bits} bits: keep them in {low}..{high}.",
        )
    if source.bits == 1 and not x.all():
        raise TinykitError(
            "a feature is 0.",
            where=f"network {network.name}",
            remedy="Its input has one bit: give -1 or 1.",
        )


def _chunks(network: Network, x: Int8Array) -> Iterator[Int8Array]:
    largest = max(_working_elements(network, op) for op in network.ops)
    step = max(1, _CHUNK_ELEMENTS // largest)
    for start in range(0, len(x), step):
        yield x[start : start + step]


def _working_elements(network: Network, op: Op) -> int:
    out = network.tensor(op.output).shape
    if isinstance(op, Conv2D):
        columns = math.prod(op.weight.shape[1:])
        return math.prod(out[:2]) * max(columns, out[-1])
    if isinstance(op, Lstm):
        return 4 * max(math.prod(out), math.prod(network.tensor(op.inputs[0]).shape))
    return max(math.prod(network.tensor(name).shape) for name in (op.output, *op.inputs))


def _run(network: Network, x: Int8Array) -> dict[str, Int8Array]:
    values = {network.input: x}
    for op in network.ops:
        if isinstance(op, Constant):
            values[op.output] = np.broadcast_to(op.value, (len(x), *op.value.shape))
            continue
        inputs = [(values[name], network.tensor(name)) for name in op.inputs]
        values[op.output] = run_op(op, inputs, network.tensor(op.output))
    return values


def _empty(network: Network, name: str) -> Int8Array:
    return np.zeros((0, *network.tensor(name).shape), np.int8)


def _padded(op: Windowed, x: Floats, value: int = 0) -> Floats:
    if not any(op.padding):
        return x
    top, bottom, left, right = op.padding
    edges = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(x, edges, constant_values=value)


def _taps(op: Windowed, padded: Floats) -> Iterator[tuple[int, int, Floats]]:
    """For each tap (row, column) of the kernel, the view (n, out_h, out_w, c) it is applied to."""
    (high, wide), (down, across) = shapes.kernel_size(op), shapes.dilation(op)
    extent = shapes.extent(op)
    last = [padded.shape[1 + axis] - extent[axis] for axis in (0, 1)]
    for row in range(high):
        for column in range(wide):
            top, left = row * down, column * across
            rows = slice(top, top + last[0] + 1, op.stride[0])
            columns = slice(left, left + last[1] + 1, op.stride[1])
            yield row, column, padded[:, rows, columns]


def _conv(op: Conv2D, centred: Floats, weight: Floats, border: int) -> Floats:
    views = [view for _, _, view in _taps(op, _padded(op, centred, border))]
    columns = views[0] if len(views) == 1 else np.concatenate(views, axis=-1)
    flat = columns.reshape(-1, columns.shape[-1]) @ weight.reshape(len(weight), -1).T
    return flat.reshape(*columns.shape[:-1], len(weight))


def _depthwise(op: DepthwiseConv2D, centred: Floats, weight: Floats) -> Floats:
    if op.depth_multiplier > 1:
        centred = np.repeat(centred, op.depth_multiplier, axis=-1)
    sums: Floats | None = None
    for row, column, view in _taps(op, _padded(op, centred)):
        product = view * weight[row, column]
        sums = product if sums is None else np.add(sums, product, out=sums)
    assert sums is not None
    return sums


def _avg_pool(op: AvgPool2D, x: Int8Array) -> Int8Array:
    total = np.add.reduce([v for *_, v in _taps(op, _padded(op, x.astype(np.int32)))])
    inside = _padded(op, np.ones((1, *x.shape[1:3], 1), np.int32))
    count = np.add.reduce([v for *_, v in _taps(op, inside)])
    rounded = (np.abs(total) + count // 2) // count
    return (np.sign(total) * rounded).astype(np.int8)


def _max_pool(op: MaxPool2D, x: Int8Array) -> Int8Array:
    views = _taps(op, _padded(op, x, value=-128))
    return np.maximum.reduce([view for *_, view in views])
