# SPDX-License-Identifier: Apache-2.0
"""What is measured: networks of random weights and a fixed seed, by name.

A case is a whole network, or one layer of a small network around it. The shapes are those of MLPerf
Tiny (arXiv:2106.07597) and those that other kernel libraries were measured with, so that figures
can stand side by side.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from tinykit.errors import TinykitError
from tinykit.network import Network, sample
from tinykit.network.sample import Builder
from tinykit.suggest import one_of

Kind = Literal["network", "layer"]

WIDTHS = ("w8a8", "w4a8", "w4a4", "w2a8", "w2a4", "w2a2", "w4a2")
"""Of weights and activations; those that a layer is measured at."""
BINARY = "w1a1"
KWS_CLASSES = 12
_SEED = 0
# The firmware keeps its scores on the stack, so that a layer's case ends in few of them.
_HEAD = 4


@dataclass(frozen=True)
class Case:
    """One thing to measure, on any core.

    Attributes:
        name: such as "kws-w8a8"; what --case matches.
        kind: whether a whole inference counts, or the network's first layer alone.
        policy: bits of weights and activations, such as "w4a8".
        what: the shape, for people.
        maker: makes the network at a policy.
    """

    name: str
    kind: Kind
    policy: str
    what: str
    maker: Callable[[str], Network]

    @property
    def layer(self) -> int | None:
        """Index of the layer that counts, among those that execute code; None for all."""
        return 0 if self.kind == "layer" else None

    def network(self) -> Network:
        """The network, the same integers at every call."""
        with _ONE_AT_A_TIME:
            return _network(self)


_ONE_AT_A_TIME = threading.Lock()


# Every core measures the same network, and some take seconds to make; cases come in turn.
@lru_cache(maxsize=4)
def _network(case: Case) -> Network:
    return case.maker(case.policy)


def _kws(policy: str) -> Network:
    return sample.ds_cnn(64, policy, classes=KWS_CLASSES)


def _bits(policy: str) -> tuple[int, int]:
    """Bits of weights and of activations."""
    weight, activation = policy.removeprefix("w").split("a")
    return int(weight), int(activation)


def _start(policy: str, shape: tuple[int, ...], layer: str) -> Builder:
    """An input of the policy's width."""
    rng, name = np.random.default_rng(_SEED), f"{layer}_{policy}"
    return Builder(rng, shape, bits=_bits(policy)[1], name=name)


def _closed(builder: Builder, policy: str) -> Network:
    """The network around the layer that was added: few scores follow it."""
    if policy == BINARY:
        # A mean of bits is no bit.
        return builder.dense(_HEAD, relu=False, weight_bits=1).build()
    if len(builder.shape) > 1:
        builder.mean()
    return builder.dense(_HEAD, relu=False).build()


def _conv(
    layer: str, shape: tuple[int, int, int], filters: int, size: tuple[int, int]
) -> Callable[[str], Network]:
    def make(policy: str) -> Network:
        weight, activation = _bits(policy)
        builder = _start(policy, shape, layer)
        builder.conv(filters, size, weight_bits=weight, bits=activation)
        return _closed(builder, policy)

    return make


def _depthwise(shape: tuple[int, int, int]) -> Callable[[str], Network]:
    def make(policy: str) -> Network:
        weight, activation = _bits(policy)
        builder = _start(policy, shape, "depthwise")
        builder.depthwise((3, 3), weight_bits=weight, bits=activation)
        return _closed(builder, policy)

    return make


def _dense(inputs: int, units: int) -> Callable[[str], Network]:
    def make(policy: str) -> Network:
        weight, activation = _bits(policy)
        builder = _start(policy, (inputs,), "dense")
        builder.dense(units, weight_bits=weight, bits=activation)
        return _closed(builder, policy)

    return make


def _networks() -> Iterable[Case]:
    what = "DS-CNN of MLPerf Tiny, 49x10x1, 12 classes"
    for policy in ("w8a8", "w4a8", "w4a4", "w2a8", "w2a2"):
        yield Case(f"kws-{policy}", "network", policy, what, _kws)
    others = (
        ("ic", sample.resnet8, "ResNet-8 of MLPerf Tiny, 32x32x3, 10 classes"),
        ("vww", sample.mobilenet, "MobileNet 0.25 of MLPerf Tiny, 96x96x3, 2 classes"),
        ("ad", sample.autoencoder, "autoencoder of MLPerf Tiny, 640 values"),
        ("har", sample.har_cnn, "1-D CNN, 128 steps of 6 channels, 6 classes"),
    )
    for name, maker, what in others:
        for policy in ("w8a8", "w4a4"):
            yield Case(f"{name}-{policy}", "network", policy, what, maker)


def _layers() -> Iterable[Case]:
    makers = (
        ("pointwise", "25x5x64 to 64", _conv("pointwise", (25, 5, 64), 64, (1, 1))),
        ("conv", "3x3, 16x16x16 to 32", _conv("conv", (16, 16, 16), 32, (3, 3))),
        ("depthwise", "3x3, 25x5x64", _depthwise((25, 5, 64))),
        ("dense", "256 to 64", _dense(256, 64)),
    )
    for name, what, maker in makers:
        for policy in WIDTHS:
            yield Case(f"{name}-{policy}", "layer", policy, what, maker)
    # Of the shape behind others' binary convolution only the channels and the kernel are known.
    binary = (
        ("pointwise", "25x5x64 to 64", _conv("pointwise", (25, 5, 64), 64, (1, 1))),
        ("conv", "3x3, 16x16x64 to 64", _conv("conv", (16, 16, 64), 64, (3, 3))),
        ("dense", "1024 to 128", _dense(1024, 128)),
    )
    for name, what, maker in binary:
        yield Case(f"{name}-{BINARY}", "layer", BINARY, what, maker)


ALL: tuple[Case, ...] = (*_networks(), *_layers())
"""Every case, in the order of the table."""


def cases(patterns: Iterable[str] = ()) -> tuple[Case, ...]:
    """The cases that match one of `patterns`; all of them if there is none.

    Args:
        patterns: names with `*`, `?` and `[]` as in a shell.

    Raises:
        TinykitError: a pattern matches no case.
    """
    wanted: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter([case.name for case in ALL], pattern)
        if not found and not set(pattern) & set("*?["):
            one_of(pattern, [case.name for case in ALL], what="case", where="--case")
        if not found:
            raise TinykitError(
                f"no case matches {pattern!r}.",
                where="--case",
                remedy="`tinykit bench --list` shows all of them.",
            )
        wanted |= set(found)
    return tuple(case for case in ALL if not wanted or case.name in wanted)
