# SPDX-License-Identifier: Apache-2.0
"""1-D CNNs for activity recognition: blocks of convolution and pooling, then a dense layer.

The family that Daghero et al. (arXiv:2209.00839) search in; a signal is (steps, 1, channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

from tinykit.models.blueprint import (
    Blueprint,
    Columns,
    Conv,
    Depthwise,
    Drop,
    Flatten,
    GlobalPool,
    Join,
    Layer,
    Linear,
    Pool,
)


def har_cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    widths: Sequence[int] = (24, 32, 48),
    kernels: Sequence[int] = (7,),
    pools: Sequence[int] = (2,),
    strides: Sequence[int] = (1,),
    pooling: Literal["max", "avg"] = "max",
    separable: bool = False,
    head: Literal["global", "flatten"] = "global",
    hidden: int = 0,
    dropout: float = 0.3,
) -> Blueprint:
    """One block per entry of `widths`: convolution along time, BN, ReLU, pooling.

    Args:
        input_shape: (steps, 1, channels).
        classes: number of logits.
        widths: channels of each block.
        kernels: steps each convolution sees; the last entry repeats for further blocks.
        pools: steps pooled after each block, 1 for none; the last entry repeats.
        strides: of each convolution; the last entry repeats.
        pooling: maximum or mean.
        separable: from the second block on, depthwise then pointwise.
        head: mean over time, or all steps flattened, before the dense layer.
        hidden: units of a dense layer with ReLU before the last; 0 for none.
        dropout: rate before the dense layers.
    """
    layers: list[Layer] = []
    rows = zip_longest(widths, *(_repeat(one, len(widths)) for one in (kernels, pools, strides)))
    for index, (width, kernel, pool, stride) in enumerate(rows, start=1):
        if separable and index > 1:
            # TensorFlow's depthwise convolution wants equal strides; across one column none counts.
            layers.append(Depthwise(f"dw{index}", (kernel, 1), (stride, stride)))
            layers.append(Conv(f"pw{index}", width, (1, 1)))
        else:
            layers.append(Conv(f"conv{index}", width, (kernel, 1), (stride, 1)))
        if pool > 1:
            layers.append(Pool(f"pool{index}", pooling, (pool, 1)))
    layers.append(GlobalPool("mean") if head == "global" else Flatten("flatten"))
    if hidden:
        layers.append(Linear("hidden", hidden, relu=True))
    layers += [Drop("drop", dropout), Linear("dense", classes)]
    return Blueprint("har_cnn", input_shape, tuple(layers))


def har_big_little(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    little: Sequence[int] = (8, 12, 16),
    extra: Sequence[int] = (16, 20, 32),
    kernels: Sequence[int] = (7,),
    pools: Sequence[int] = (2,),
    dropout: float = 0.3,
) -> Blueprint:
    """A small network whose channels are the first of a larger one's, and an exit between them.

    The little network runs first and ends in the exit. The big one goes on with what the little
    one computed: each of its further layers reads the little one's channels and the `extra` ones
    before it, and adds `extra` channels beside the little one's, as if the weights from extra to
    little channels were 0. So nothing is computed twice, and every little channel serves both.

    Args:
        input_shape: (steps, 1, channels).
        classes: number of logits.
        little: channels of each block of the little network.
        extra: channels that each block of the big one has besides.
        kernels, pools, dropout: as `har_cnn`, of both.
    """
    layers: list[Layer] = []
    reads: dict[str, tuple[str, ...]] = {}
    steps = list(zip(_repeat(kernels, len(little)), _repeat(pools, len(little)), strict=True))

    def block(name: str, width: int, index: int) -> str:
        kernel, pool = steps[index]
        layers.append(Conv(f"{name}{index + 1}", width, (kernel, 1)))
        if pool > 1:
            layers.append(Pool(f"{name}{index + 1}_pool", "max", (pool, 1)))
        return layers[-1].name

    small = [block("little", width, index) for index, width in enumerate(little)]
    layers += [GlobalPool("little_mean"), Linear("little", classes)]
    joined = ""
    for index, (width, beside) in enumerate(zip(extra, small, strict=True)):
        reads[f"extra{index + 1}"] = (joined,)
        made = block("extra", width, index)
        joined = f"join{index + 1}"
        layers.append(Join(joined))
        reads[joined] = (beside, made)
    layers += [GlobalPool("mean"), Drop("drop", dropout), Linear("dense", classes)]
    return Blueprint("har_big_little", input_shape, tuple(layers), reads, ("little",))


def gmp(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 16,
    kernel: int = 5,
) -> Blueprint:
    """Two convolutions along the time of each axis by itself, and the maximum over all: a baseline.

    The shape of GMP in STMicroelectronics' model zoo, at 24 steps of 3 axes and 4 classes: its
    1,528 parameters count normalisations of the input and of 16 channels, which are folded here.
    Axes share their weights and meet in the maximum only.

    Args:
        input_shape: (steps, 1, channels).
        classes: number of logits.
        width: channels of both convolutions.
        kernel: steps that each of them sees.
    """
    steps, _, axes = input_shape
    layers = (
        Columns("axes", "columns"),
        Conv("conv1", width, (kernel, 1), padding="valid"),
        Conv("conv2", width, (kernel, 1), padding="valid"),
        Pool("max", "max", (max(steps - 2 * (kernel - 1), 1), axes)),
        Flatten("flatten"),
        Linear("dense", classes),
    )
    return Blueprint("gmp", input_shape, layers)


def _repeat(values: Sequence[int], count: int) -> list[int]:
    given = list(values)[:count]
    return given + [given[-1]] * (count - len(given))
