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
    Conv,
    Depthwise,
    Drop,
    Flatten,
    GlobalPool,
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


def _repeat(values: Sequence[int], count: int) -> list[int]:
    given = list(values)[:count]
    return given + [given[-1]] * (count - len(given))
