# SPDX-License-Identifier: Apache-2.0
"""Operators that move integers and change none: Reshape, Pad, Slice, Concat, Transpose, Resize."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinykit.network.ops import (
    Concat,
    Int8Array,
    Op,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    Transpose,
)

MOVES = (Reshape, Pad, Slice, Concat, Transpose, ResizeNearest)
"""Their classes."""


def move(op: Op, inputs: Sequence[Int8Array], shape: tuple[int, ...]) -> Int8Array:
    """One of MOVES on a batch.

    Args:
        op: the operator.
        inputs: int8 (n, *shape) each.
        shape: of the output.

    Returns:
        int8 (n, *shape).
    """
    x = inputs[0]
    if isinstance(op, Reshape):
        return x.reshape(len(x), *shape)
    if isinstance(op, Pad):
        pairs = zip(op.padding[::2], op.padding[1::2], strict=True)
        return np.pad(x, ((0, 0), *pairs), constant_values=op.value)
    if isinstance(op, Slice):
        places = (
            begin + step * np.arange(side)
            for begin, step, side in zip(op.begin, op.step, shape, strict=True)
        )
        return x[np.ix_(np.arange(len(x)), *places)]
    if isinstance(op, Concat):
        return np.concatenate(inputs, axis=op.axis + 1)
    if isinstance(op, Transpose):
        return np.transpose(x, (0, *(axis + 1 for axis in op.permutation)))
    assert isinstance(op, ResizeNearest)
    return x[:, op.rows][:, :, op.columns]
