# SPDX-License-Identifier: Apache-2.0
"""Networks of binary convolutions with residuals of 8 bits, after PokeBNN (arXiv:2112.00133).

A block is: thresholds, a convolution whose inputs and weights have one bit, batch normalisation,
the block's input added, slopes of 1 above 0 and 1/4 below (DPReLU). The first convolution and the
dense layer are wide. In the float model the thresholds let values pass, which makes an ordinary
residual network: the teacher. Of PokeConv these lack what 8-bit integers cannot hold at no cost:
squeeze and excitation, a second residual over several blocks, and normalisation after DPReLU, whose
shift the next thresholds learn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tinykit.models.blueprint import (
    Blueprint,
    Columns,
    Conv,
    Drop,
    GlobalPool,
    Layer,
    Linear,
    Pair,
    Pool,
    Residual,
    Sign,
)

# In spreads of a feature; an 8-bit feature has steps of 1/32.
_WINDOW = 0.25


def bnn_1d(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 64,
    blocks: int = 6,
    kernel: int = 3,
    stem: int = 5,
    stride: int = 2,
    pools: Collection[int] = (3,),
    binary: bool = True,
    one_bit_input: bool = False,
    dropout: float = 0.1,
) -> Blueprint:
    """Convolutions over time, all columns of a feature image (or channels of a signal) at once.

    Args:
        input_shape: (steps, columns, channels).
        classes: number of logits.
        width: channels of every convolution.
        blocks: binary blocks.
        kernel: steps that a block's convolution sees.
        stem, stride: steps that the first convolution sees, and moves by.
        pools: numbers of the blocks (1 is the first) after which two steps become their mean.
        binary: blocks read bits; else the values themselves, which makes the network for policies
            of other widths, with the same float model.
        one_bit_input: features become bits, by a threshold a column that starts at its mean; the
            first convolution has weights of one bit then.
        dropout: rate before the dense layer.
    """
    layers: list[Layer] = [Columns("columns")]
    if one_bit_input:
        layers.append(Sign("bits", "mean", _WINDOW))
    layers.append(Conv("stem", width, (stem, 1), (stride, 1), relu=False))
    reads = _blocks(layers, blocks, width, (kernel, 1), pools, (2, 1), binary)
    layers += [GlobalPool("mean"), Drop("drop", dropout), Linear("dense", classes)]
    return Blueprint("bnn_1d", input_shape, tuple(layers), reads)


def bnn_2d(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 24,
    blocks: int = 6,
    stem: Sequence[int] = (10, 8),
    stride: Sequence[int] = (3, 4),
    pools: Collection[int] = (3,),
    binary: bool = True,
    dropout: float = 0.1,
) -> Blueprint:
    """Binary 3x3 convolutions over a feature image.

    Args:
        input_shape: (frames, coefficients, 1).
        classes: number of logits.
        width: channels of every convolution.
        blocks: binary blocks.
        stem, stride: (frames, coefficients) that the first convolution sees, and moves by.
        pools: numbers of the blocks (1 is the first) after which 2x2 pixels become their mean.
        binary: as `bnn_1d`.
        dropout: rate before the dense layer.
    """
    size, step = _pair(stem), _pair(stride)
    layers: list[Layer] = [Conv("stem", width, size, step, relu=False)]
    reads = _blocks(layers, blocks, width, (3, 3), pools, (2, 2), binary)
    layers += [GlobalPool("mean"), Drop("drop", dropout), Linear("dense", classes)]
    return Blueprint("bnn_2d", input_shape, tuple(layers), reads)


def _blocks(
    layers: list[Layer],
    count: int,
    width: int,
    kernel: Pair,
    pools: Collection[int],
    pool: Pair,
    binary: bool,
) -> Mapping[str, tuple[str, ...]]:
    """Append blocks, and say what their sums read."""
    reads = {}
    for index in range(1, count + 1):
        before, conv, total = layers[-1].name, f"conv{index}", f"sum{index}"
        layers += [Sign(f"sign{index}")] if binary else []
        layers += [Conv(conv, width, kernel, relu=False), Residual(total)]
        reads[total] = (conv, before)
        if index in pools:
            layers.append(Pool(f"pool{index}", "avg", pool))
    return reads


def _pair(values: Sequence[int]) -> Pair:
    """(height, width); one number stands for both."""
    return values[0], values[-1]
