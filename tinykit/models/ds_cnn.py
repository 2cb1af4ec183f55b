# SPDX-License-Identifier: Apache-2.0
"""Depthwise-separable CNNs for keyword spotting (Zhang et al., arXiv:1711.07128)."""

from __future__ import annotations

from tinykit.models.blueprint import Blueprint, Conv, Depthwise, Drop, GlobalPool, Layer, Linear


def ds_cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 64,
    blocks: int = 4,
    input_dropout: float = 0.0,
    dropout: float = 0.4,
) -> Blueprint:
    """The network of MLPerf Tiny's keyword spotting task (arXiv:2106.07597), with BN and ReLU.

    A 10x4 convolution with stride 2, `blocks` pairs of depthwise 3x3 and pointwise convolution,
    mean over all pixels, one dense layer. At width 64 and 49x10 features: 2.66 M MACs.

    Args:
        input_shape: (frames, coefficients, 1).
        classes: number of logits.
        width: channels of every convolution.
        blocks: depthwise-separable blocks.
        input_dropout: rate after the first convolution.
        dropout: rate after the mean; the reference has it before, where it costs a tenth of the
            training time and does the same.
    """
    layers: list[Layer] = [Conv("conv", width, (10, 4), (2, 2))]
    if input_dropout:
        layers.append(Drop("conv_drop", input_dropout))
    for index in range(1, blocks + 1):
        layers += [Depthwise(f"dw{index}", (3, 3)), Conv(f"pw{index}", width, (1, 1))]
    layers += [GlobalPool("pool"), Drop("drop", dropout), Linear("dense", classes)]
    return Blueprint("ds_cnn", input_shape, tuple(layers))


def ds_cnn_small(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 24,
    blocks: int = 4,
    input_dropout: float = 0.0,
    dropout: float = 0.1,
) -> Blueprint:
    """The same shape for parts with 16 KiB of RAM: two activations of 25x5x24 take 6,000 bytes.

    Args: as `ds_cnn`.
    """
    large = ds_cnn(
        input_shape,
        classes,
        width=width,
        blocks=blocks,
        input_dropout=input_dropout,
        dropout=dropout,
    )
    return Blueprint("ds_cnn_small", large.input_shape, large.layers)
