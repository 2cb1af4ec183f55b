# SPDX-License-Identifier: Apache-2.0
"""Networks whose sums are small and are scaled by one half or more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinykit.network import Network
from tinykit.network.ops import Conv2D, Dense, DepthwiseConv2D, Op
from tinykit.network.sample import Builder


def _grow(op: Op, rng: np.random.Generator) -> Op:
    """`op` with weights of -1, 0 and 1, few of them not 0, and shifts of 0 to 2 to the left."""
    if not isinstance(op, Conv2D | DepthwiseConv2D | Dense):
        return op
    weight = np.sign(op.weight) * (rng.random(op.weight.shape) < 0.2)
    channels = len(op.bias)
    scale = replace(
        op.requantize,
        multiplier=rng.integers(1 << 30, 1 << 31, channels).astype(np.int32),
        shift=rng.integers(-1, 3, channels).astype(np.int32),
    )
    bias = rng.integers(-3, 4, channels).astype(np.int32)
    return replace(op, weight=weight.astype(np.int8), bias=bias, requantize=scale)


def growing_network(rng: np.random.Generator, bits: int) -> Network:
    """Every kind of layer with weights, activations of `bits` bits, and a clamp or none."""
    layer = {"weight_bits": bits, "bits": bits}
    builder = Builder(rng, (7, 5, 4), bits=bits)
    builder.depthwise((3, 3), **layer, relu=False)
    builder.conv(9, (2, 3), **layer, relu=False).conv(8, (1, 1), **layer)
    builder.depthwise((3, 3), **layer).depthwise((2, 3), **layer, multiplier=3, relu=False)
    network = builder.mean().dense(6, weight_bits=bits, relu=False).build()
    return replace(network, ops=tuple(_grow(op, rng) for op in network.ops))
