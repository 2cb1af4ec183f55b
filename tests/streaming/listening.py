# SPDX-License-Identifier: Apache-2.0
"""A binary network with random weights behind comparators, and sound for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.bit_stream import BitStream
from tinykit.data import Dataset, load_dataset
from tinykit.frontends import Analog
from tinykit.network import Network
from tinykit.network.sample import Builder
from tinykit.recipe import Recipe
from tinykit.replay_bits import bits_of, joined
from tinykit.runs import Run, save_samples

APP = BitStream(25, 3, 25, 25)


@cache
def speech() -> Dataset:
    """The synthetic words."""
    return load_dataset("synthetic_speech")


@cache
def network(filters: int = 16, bits: int = 1) -> Network:
    """It takes one bit, or the same -1 and 1 as 8 bits."""
    front = Analog(filters=filters).calibrate(speech().part("train").x[:100])
    builder = Builder(np.random.default_rng(3), front.output_shape, bits=bits, name="bits")
    builder.conv(8, (3, 3), stride=(2, 2), weight_bits=bits, bits=bits)
    builder.conv(8, (3, 3), stride=(2, 2), weight_bits=bits)
    plain = builder.mean().dense(len(speech().labels), relu=False).build(speech().labels)
    first = replace(plain.tensors[0], scale=1.0, zero_point=0)
    tensors = (first, *plain.tensors[1:])
    return replace(plain, tensors=tensors, frontend=front.to_config())


@cache
def bits(filters: int = 16, gap: float = 0.7) -> NDArray[np.bool_]:
    """What comparators make of three words with silence between: (hops, filters)."""
    front = APP.analog(network(filters))
    clips = list(speech().part("test").x[:3])
    return bits_of(front, joined(clips, round(gap * front.rate)))


def write_run(directory: Path) -> Run:
    """A run folder as a training would have left it, but for metrics.json and model.keras."""
    directory.mkdir(parents=True, exist_ok=True)
    network().save(directory / "network.tkn")
    save_samples(directory, speech())
    (directory / "recipe.toml").write_text(Recipe.load("kws_demo").to_toml())
    return Run(directory, network())
