# SPDX-License-Identifier: Apache-2.0
"""Layers of operators that move integers and change none, and what needs no code at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinykit.codegen import overlap
from tinykit.codegen.layer import Layer, tensor_bytes
from tinykit.network import Network
from tinykit.network.ops import (
    Concat,
    Constant,
    Op,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    Tensor,
    Transpose,
)
from tinykit.network.shapes import Shape

Axis = tuple[int, int, int]
"""How many there are, and bytes from one to the next in the input and in the output."""


def is_alias(network: Network, op: Op) -> bool:
    """Whether `op` is a reshape that moves no byte."""
    return isinstance(op, Reshape) and not moves_bytes(
        network.tensor(op.inputs[0]), network.tensor(op.output)
    )


def moves_bytes(x: Tensor, y: Tensor) -> bool:
    """Whether a reshape from `x` to `y` moves the byte boundaries of pixels."""
    one_pixel = tensor_bytes(x) * 8 == math.prod(x.shape) * x.bits
    return tensor_bytes(x) != tensor_bytes(y) or not (one_pixel or x.shape[-1] == y.shape[-1])


def needs_no_code(network: Network, op: Op) -> bool:
    """Whether nothing runs for `op`."""
    return isinstance(op, Constant) or is_alias(network, op)


def reshape_layer(index: int, op: Reshape, x: Tensor, y: Tensor) -> Layer:
    """The Layer of a reshape that is no alias."""
    return Layer(
        index=index,
        op=op,
        kind="repack",
        function="tk_repack",
        params_type="tk_repack_params",
        sources=("kernels/repack.c",),
        fields={
            "values": math.prod(x.shape),
            "in_channels": x.shape[-1],
            "out_channels": y.shape[-1],
            "bits": x.bits,
        },
    )


def move_layer(
    index: int,
    op: Pad | Slice | Transpose | Concat | ResizeNearest,
    inputs: Sequence[Tensor],
    y: Tensor,
) -> Layer:
    """The Layer of an operator that moves values of 8 bits.

    Args:
        index: as in Layer.
        op: the operator.
        inputs, y: its inputs and its output.
    """
    x = inputs[0]
    if isinstance(op, Concat):
        return _concat(index, op, inputs, y)
    if isinstance(op, ResizeNearest):
        return _resize(index, op, x, y)
    if isinstance(op, Pad):
        return _pad(index, op, x, y)
    ins, outs = _strides(x.shape), _strides(y.shape)
    if isinstance(op, Slice):
        steps = [step * stride for step, stride in zip(op.step, ins, strict=True)]
        start = sum(begin * stride for begin, stride in zip(op.begin, ins, strict=True))
        # Each value lies at least as far from the start in the input as in the output.
        ahead = min(op.step) > 0
    else:
        steps, start, ahead = [ins[axis] for axis in op.permutation], 0, False
    axes = list(zip(y.shape, steps, outs, strict=True))
    over = overlap.ELEMENTWISE if ahead else overlap.NONE
    return _move(index, op, move_fields(axes, start, 0), over)


def _strides(shape: Shape) -> list[int]:
    """Bytes from one to the next along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def move_fields(axes: Sequence[Axis], start: int, to: int) -> dict[str, int]:
    """The members of a `tk_move_params`, with as few and as long loops as can be.

    Args:
        axes: from the outermost to the innermost, of single bytes.
        start, to: where the first byte lies in the input and in the output.
    """
    run, levels = 1, [axis for axis in axes if axis[0] > 1]
    while levels and levels[-1][1:] == (run, run):
        run *= levels.pop()[0]
    joined: list[Axis] = []
    for count, step, step_to in reversed(levels):
        if joined and (joined[-1][0] * joined[-1][1], joined[-1][0] * joined[-1][2]) == (
            step,
            step_to,
        ):
            joined[-1] = (joined[-1][0] * count, *joined[-1][1:])
        else:
            joined.append((count, step, step_to))
    joined += [(1, 0, 0)] * (3 - len(joined))
    names = ("run", "line", "block")
    counts = {f"{name}s": axis[0] for name, axis in zip(names, joined, strict=True)}
    sources = {f"{name}_from": axis[1] for name, axis in zip(names, joined, strict=True)}
    targets = {f"{name}_to": axis[2] for name, axis in zip(names, joined, strict=True)}
    return {"run": run, **counts, **sources, **targets, "from": start, "to": to}


def _move(index: int, op: Op, fields: dict[str, int], over: overlap.Overlap) -> Layer:
    return Layer(
        index=index,
        op=op,
        kind=type(op).__name__.lower(),
        function="tk_move",
        params_type="tk_move_params",
        sources=("kernels/move.c", "kernels/copy.h"),
        fields=fields,
        overlap=over,
    )


def _inserted(x: Tensor, y: Tensor, place: Sequence[int]) -> dict[str, int]:
    """Moves all of `x` into `y`, its first value to `place`."""
    outs = _strides(y.shape)
    axes = list(zip(x.shape, _strides(x.shape), outs, strict=True))
    start = sum(at * stride for at, stride in zip(place, outs, strict=True))
    return move_fields(axes, 0, start)


def _pad(index: int, op: Pad, x: Tensor, y: Tensor) -> Layer:
    move = _inserted(x, y, op.padding[::2])
    return Layer(
        index=index,
        op=op,
        kind="pad",
        function="tk_pad",
        params_type="tk_pad_params",
        sources=("kernels/pad.c", "kernels/move.c", "kernels/copy.h"),
        fields={
            **{f"move.{name}": value for name, value in move.items()},
            "bytes": tensor_bytes(y),
            "value": op.value,
        },
    )


def _concat(index: int, op: Concat, inputs: Sequence[Tensor], y: Tensor) -> Layer:
    calls, place = [], [0] * len(y.shape)
    for x in inputs:
        calls.append(_move(index, op, _inserted(x, y, place), overlap.NONE))
        place[op.axis] += x.shape[op.axis]
    return Layer(
        index=index,
        op=op,
        kind="concat",
        function="tk_move",
        params_type="",
        sources=calls[0].sources,
        fields={},
        calls=tuple(calls),
    )


def _resize(index: int, op: ResizeNearest, x: Tensor, y: Tensor) -> Layer:
    return Layer(
        index=index,
        op=op,
        kind="resize_nearest",
        function="tk_resize_nearest",
        params_type="tk_resize_nearest_params",
        sources=("kernels/resize_nearest.c", "kernels/copy.h"),
        fields={
            "out_height": y.shape[0],
            "out_width": y.shape[1],
            "in_width": x.shape[1],
            "pixel_bytes": x.shape[2],
        },
        arrays={"rows": op.rows.astype(np.uint16), "columns": op.columns.astype(np.uint16)},
    )
