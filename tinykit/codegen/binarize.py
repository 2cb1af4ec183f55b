# SPDX-License-Identifier: Apache-2.0
"""Values of 8 bits to one bit: a depthwise convolution over single pixels that ends in a threshold.

Whatever weight, bias, threshold and direction a channel has, its output is a step over the 256
inputs. The kernel (firmware: tinykit/binarize.h) needs to know how many of them give +1, and at
which end they lie.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import overlap
from tinykit.codegen.layer import Layer
from tinykit.network.ops import DepthwiseConv2D, Op, Tensor, Threshold
from tinykit.network.requantize import apply_threshold

_GREATEST, _LEAST = 0x80, 0x7F


def is_binarization(op: Op, x: Tensor) -> bool:
    """Whether the operator makes each value of the 8-bit `x` a bit of its own."""
    return (
        isinstance(op, DepthwiseConv2D)
        and isinstance(op.requantize, Threshold)
        and x.bits == 8
        and op.weight.shape[:2] == op.stride == (1, 1)
        and op.depth_multiplier == 1
    )


def rules(op: DepthwiseConv2D, zero_point: int) -> NDArray[np.int32]:
    """(channels,): at which end the inputs that give +1 lie, and how many they are."""
    assert isinstance(op.requantize, Threshold)
    inputs = np.arange(-128, 128, dtype=np.int64)[:, None] - zero_point
    above = apply_threshold(op.bias + inputs * op.weight[0, 0].astype(np.int64), op.requantize) > 0
    side = np.where(above[-1] >= above[0], _GREATEST, _LEAST)
    return (side << 16 | above.sum(axis=0)).astype(np.int32)


def binarize_layer(index: int, op: DepthwiseConv2D, x: Tensor) -> Layer:
    """The Layer of a binarization of the tensor `x`."""
    return Layer(
        index=index,
        op=op,
        kind="binarize",
        function="tk_binarize",
        params_type="tk_binarize_params",
        sources=("kernels/binarize.c",),
        fields={"pixels": math.prod(x.shape[:2]), "channels": x.shape[2]},
        arrays={"rules": rules(op, x.zero_point)},
        overlap=overlap.ELEMENTWISE,
    )
