# SPDX-License-Identifier: Apache-2.0
"""The comparison that makes bits of features, cut off: for front ends that do it themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.network.ops import DepthwiseConv2D, FloatArray, Reshape, Threshold


def bits_only(network: Network) -> tuple[FloatArray, Network]:
    """The thresholds on the features, and the network that reads bits instead.

    Args:
        network: starts with a comparison of its 8-bit input, by a threshold a channel.

    Returns:
        float64 (channels,): the least real feature of each channel that gives +1, infinity where
        none does; and a Network with a one-bit input (hops, 1, channels) and no front end.

    Raises:
        TinykitError: it does not start so.
    """
    source, skipped = network.tensor(network.input), 0
    while isinstance(network.ops[skipped], Reshape):
        skipped += 1
    first = network.ops[skipped]
    starts = isinstance(first, DepthwiseConv2D) and isinstance(first.requantize, Threshold)
    if not starts or source.bits != 8:
        raise TinykitError(
            "it does not start with a comparison of its features.",
            where=f"network {network.name}",
            remedy="Train a model with one_bit_input = true.",
        )
    assert isinstance(first, DepthwiseConv2D)
    assert isinstance(first.requantize, Threshold)
    least = first.requantize.threshold.astype(np.float64)
    above = least + source.zero_point > 127
    gone = {source.name, *(op.output for op in network.ops[:skipped])}
    rest = replace(
        network,
        tensors=tuple(one for one in network.tensors if one.name not in gone),
        ops=network.ops[skipped + 1 :],
        input=first.output,
        frontend=None,
    )
    return np.where(above, np.inf, least * source.scale), rest
