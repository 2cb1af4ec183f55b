# SPDX-License-Identifier: Apache-2.0
"""Values of one bit: what they are, how they lie in memory, what a layer makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.network import (
    AvgPool2D,
    Conv2D,
    MaxPool2D,
    Network,
    Requantize,
    Tensor,
    Threshold,
    fold_batch_norm,
    interpret,
    interpret_all,
    to_tflite,
)
from tinykit.network.interpreter import accumulate
from tinykit.network.ops import Dense, Weighted, integer_range
from tinykit.network.packing import (
    activation_bytes,
    fingerprint,
    pack_activations,
    pack_bits,
    unpack_activations,
)
from tinykit.network.sample import Builder, random_binary_network, random_input
from tinykit.network.store import from_bytes, to_bytes
from tinykit.network.validate import accumulator_bound
from tinykit.verify import tflite_can_run


def small() -> Network:
    """conv0, maxpool1, reshape2, dense3."""
    builder = Builder(np.random.default_rng(0), (6, 4, 3), bits=1)
    builder.conv(8, (3, 3), weight_bits=1, bits=1).pool(MaxPool2D, (2, 2))
    return builder.dense(3, weight_bits=1, bits=8, relu=False).build()


def test_a_bit_is_plus_or_minus_one() -> None:
    assert integer_range(1) == (-1, 1)
    x = random_input(np.random.default_rng(0), Tensor("x", (40, 40), 1, 1.0, 0), 3)
    assert set(np.unique(x)) == {-1, 1}
    assert abs(float(x.mean())) < 0.1


def test_bits_lie_little_end_first_and_each_pixel_starts_a_byte() -> None:
    assert pack_bits(np.array([1, -1, -1, 1, 1, -1, -1, -1, -1, 1]), 1).tobytes() == b"\x19\x02"
    pixels = np.array([[[1, 1, -1]], [[-1, 1, 1]]])
    assert pack_activations(pixels, 1).tobytes() == b"\x03\x06"
    assert activation_bytes((2, 1, 9), 1) == 4
    assert fingerprint(pixels, 1) == fingerprint(np.array([[3], [6]]), 8)


@pytest.mark.parametrize("shape", [(1,), (31,), (2, 3, 8), (3, 1, 9), (2, 2, 64)])
def test_there_and_back(shape: tuple[int, ...]) -> None:
    values = random_input(np.random.default_rng(1), Tensor("x", shape, 1, 1.0, 0), 1)[0]
    assert np.array_equal(
        unpack_activations(pack_activations(values, 1).tobytes(), shape, 1), values
    )


@pytest.mark.parametrize("values", [[1, 0, -1], [2, 1, 1], [-2, 1, 1]])
def test_one_bit_holds_nothing_else(values: list[int]) -> None:
    with pytest.raises(ValueError, match=r"one bit holds -1 and 1|do not fit in 1 bits"):
        pack_bits(np.array(values), 1)


def _naive(op: Weighted, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One example through a convolution or a dense layer, from the definitions."""
    sums = np.zeros(shape, np.int64)
    for place in itertools.product(*(range(side) for side in shape)):
        channel = place[-1]
        acc = int(op.bias[channel])
        if isinstance(op, Dense):
            acc += sum(int(a) * int(b) for a, b in zip(x, op.weight[channel], strict=True))
        else:
            assert isinstance(op, Conv2D)
            for i, j, c in itertools.product(*(range(side) for side in op.weight.shape[1:])):
                row = place[0] * op.stride[0] - op.padding[0] + i * op.dilation[0]
                col = place[1] * op.stride[1] - op.padding[2] + j * op.dilation[1]
                inside = 0 <= row < x.shape[0] and 0 <= col < x.shape[1]
                # Beyond the border everything is -1.
                acc += (int(x[row, col, c]) if inside else -1) * int(op.weight[channel, i, j, c])
        sums[place] = acc
    return sums


@pytest.mark.parametrize("seed", range(12))
def test_layers_equal_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_binary_network(rng)
    x = random_input(rng, network.tensor("input"), 2)
    values = interpret_all(network, x)
    for op in network.ops:
        source, result = network.tensor(op.inputs[0]), network.tensor(op.output)
        for given, got in zip(values[source.name], values[result.name], strict=True):
            if isinstance(op, Weighted):
                sums = _naive(op, given, result.shape)
                assert np.array_equal(accumulate(op, given[None], source)[0], sums)
                assert np.abs(sums).max() <= accumulator_bound(op, source)
                if isinstance(op.requantize, Threshold):
                    reached = sums >= op.requantize.threshold
                    assert np.array_equal(got == 1, reached ^ op.requantize.flip)
                    assert np.array_equal(np.abs(got), np.ones_like(got))
    assert np.array_equal(interpret(network, x), values[network.output])


def test_a_pool_is_a_disjunction() -> None:
    network = small()
    x = random_input(np.random.default_rng(5), network.tensor("input"), 4)
    values = interpret_all(network, x)
    before = values["conv0_out"] == 1
    parts = before.reshape(4, 3, 2, 2, 2, 8)
    assert np.array_equal(values["maxpool1_out"] == 1, parts.any(axis=(2, 4)))


def test_both_values_occur_in_every_channel_or_nearly() -> None:
    builder = Builder(np.random.default_rng(2), (8, 8, 32), bits=1)
    network = builder.conv(64, (3, 3), weight_bits=1, bits=1).dense(2, weight_bits=1).build()
    x = random_input(np.random.default_rng(3), network.tensor("input"), 20)
    share = (interpret_all(network, x)["conv0_out"] == 1).mean(axis=(0, 1, 2))
    assert ((share > 0.05) & (share < 0.95)).all()
    assert 0.3 < share.mean() < 0.7


@pytest.mark.parametrize("seed", range(8))
def test_files_hold_thresholds(seed: int) -> None:
    network = random_binary_network(np.random.default_rng(seed))
    again = from_bytes(to_bytes(network))
    assert again.digest == network.digest
    x = random_input(np.random.default_rng(seed), network.tensor("input"), 3)
    assert np.array_equal(interpret(again, x), interpret(network, x))


def test_a_direction_counts_in_the_digest() -> None:
    network = small()
    step = network.op("conv0").requantize  # type: ignore[attr-defined]
    turned = replace(step, flip=~step.flip)
    other = replace(network, **_with(network, "conv0", requantize=turned))
    assert other.digest != network.digest
    x = random_input(np.random.default_rng(1), network.tensor("input"), 3)
    ours, theirs = (interpret_all(n, x)["conv0_out"] for n in (network, other))
    assert np.array_equal(ours, -theirs)


def test_bytes_that_are_no_truth_values_are_refused() -> None:
    network = small()
    step = network.op("conv0").requantize  # type: ignore[attr-defined]
    odd = np.full(step.flip.shape, 2, np.uint8).view(np.bool_)
    forged = replace(network, **_with(network, "conv0", requantize=replace(step, flip=odd)))
    with pytest.raises(TinykitError, match="neither true nor false"):
        from_bytes(to_bytes(forged))


def test_tflite_knows_no_bits() -> None:
    assert not tflite_can_run(small())
    with pytest.raises(TinykitError, match="1-bit"):
        to_tflite(small())


def _with(network: Network, name: str, **changes: Any) -> dict[str, Any]:
    """Arguments of a Network that differs in one operator."""
    return {"ops": tuple(replace(op, **changes) if op.name == name else op for op in network.ops)}


def _tensor(network: Network, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "tensors": tuple(replace(t, **changes) if t.name == name else t for t in network.tensors)
    }


def _zeroed(weight: np.ndarray) -> np.ndarray:
    copy = weight.copy()
    copy.flat[0] = 0
    return copy


def _step(network: Network, **changes: Any) -> dict[str, Any]:
    step = network.op("conv0").requantize  # type: ignore[attr-defined]
    return _with(network, "conv0", requantize=replace(step, **changes))


FAULTS: dict[str, tuple[Callable[[Network], dict[str, Any]], str]] = {
    "zero point": (lambda n: _tensor(n, "input", zero_point=1), "input: zero point 1 is outside"),
    "zero weight": (
        lambda n: _with(n, "conv0", weight=_zeroed(n.op("conv0").weight)),  # type: ignore[attr-defined]
        "conv0: has a weight of 0",
    ),
    "wide weights": (
        lambda n: _with(n, "conv0", weight_bits=8),
        "conv0: multiplies 8-bit weights with the 1-bit input",
    ),
    "wide input": (
        lambda n: _tensor(n, "input", bits=8),
        "conv0: multiplies 1-bit weights with the 8-bit input",
    ),
    "requantised": (
        lambda n: _with(
            n,
            "conv0",
            requantize=Requantize(np.zeros(8, np.int32), np.zeros(8, np.int32), -1, 1),
        ),
        "conv0: gives the 1-bit conv0_out by a Requantize",
    ),
    "threshold": (
        lambda n: _with(
            n, "dense3", requantize=Threshold(np.zeros(3, np.int32), np.zeros(3, np.bool_))
        ),
        "dense3: gives the 8-bit dense3_out by a Threshold",
    ),
    "thresholds": (lambda n: _step(n, threshold=np.zeros(7, np.int32)), "conv0: has 8 channels"),
    "directions": (lambda n: _step(n, flip=np.zeros(7, np.bool_)), "conv0: has 8 channels"),
    "flip type": (lambda n: _step(n, flip=np.zeros(8, np.int8)), "conv0: flip is int8"),
    "overflow": (
        lambda n: _with(n, "conv0", bias=np.full(8, (1 << 31) - 1, np.int32)),
        "conv0: the accumulator of channel",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    network = small()
    change, message = FAULTS[fault]
    with pytest.raises(TinykitError, match=message) as caught:
        replace(network, **change(network))
    assert caught.value.remedy


def test_layers_without_a_binary_form_are_refused() -> None:
    def start() -> Builder:
        return Builder(np.random.default_rng(0), (4, 4, 8), bits=1)

    with pytest.raises(TinykitError, match="avgpool0: takes a mean of one-bit values"):
        start().pool(AvgPool2D, (2, 2)).dense(2, weight_bits=1).build()
    with pytest.raises(TinykitError, match="depthwiseconv0: is a depthwise convolution"):
        start().depthwise((3, 3), weight_bits=1).dense(2).build()
    builder = start()
    kept = builder.keep()
    builder.conv(8, (1, 1), weight_bits=1, bits=1).add(kept)
    builder.tensors[-1] = builder.last = replace(builder.last, zero_point=0)
    with pytest.raises(TinykitError, match="add1: adds one-bit values"):
        builder.dense(2, weight_bits=1).build()


def test_a_feature_of_zero_is_refused() -> None:
    x = random_input(np.random.default_rng(0), small().tensor("input"), 1)
    x[0, 0, 0, 0] = 0
    with pytest.raises(TinykitError, match="a feature is 0"):
        interpret(small(), x)
    x[0, 0, 0, 0] = 2
    with pytest.raises(TinykitError, match="features reach from -1 to 2"):
        interpret(small(), x)


# Batch normalisation as thresholds


@pytest.mark.parametrize("seed", range(30))
def test_a_folded_normalisation_has_the_same_sign_everywhere(seed: int) -> None:
    """Over every value that the accumulator of a 3x3x64 layer can have."""
    rng = np.random.default_rng(seed)
    channels, reach = 40, 9 * 64
    gamma, beta = rng.normal(0, 1, (2, channels))
    gamma[:4], gamma[4:6] = (0.0, -0.0, 1e-30, -1e-30), 1e6
    beta[6:9] = 0.0
    mean = np.where(rng.random(channels) < 0.3, np.rint(rng.normal(0, 20, channels)), 3.25)
    variance = np.abs(rng.normal(0, 400, channels))
    unit = rng.choice([1.0, 0.1, 0.037, 2.0**-7], channels)
    step = fold_batch_norm(gamma, beta, mean, variance, eps=1e-3, acc_scale=unit)
    acc = np.arange(-reach, reach + 1)[:, None]
    normal = gamma * (unit * acc - mean) / np.sqrt(variance + 1e-3) + beta
    assert np.array_equal((acc >= step.threshold) ^ step.flip, normal >= 0)
    assert step.threshold.dtype == np.int32
    assert step.flip.dtype == np.bool_


def test_a_tie_gives_plus_one_in_both_directions() -> None:
    rising, falling = (fold_batch_norm([g], [0.0], [5.0], [1.0], eps=0.0) for g in (2.0, -2.0))
    assert (rising.threshold[0], rising.flip[0]) == (5, False)
    assert (falling.threshold[0], falling.flip[0]) == (6, True)


def test_a_constant_normalisation_gives_a_constant() -> None:
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    for beta, sign in ((0.5, True), (-0.5, False), (0.0, True)):
        step = fold_batch_norm([0.0], [beta], [0.0], [1.0], eps=1e-3)
        assert [(acc >= step.threshold[0]) != step.flip[0] for acc in (low, 0, high)] == [sign] * 3


@pytest.mark.parametrize(
    "change", [{"gamma": [np.nan]}, {"variance": [-1.0]}, {"acc_scale": 0.0}, {"mean": [np.inf]}]
)
def test_what_is_no_normalisation_is_refused(change: dict[str, Any]) -> None:
    plain: dict[str, Any] = {
        "gamma": [1.0],
        "beta": [0.0],
        "mean": [0.0],
        "variance": [1.0],
        "eps": 1e-3,
    }
    with pytest.raises(ValueError, match="must be finite"):
        fold_batch_norm(**{**plain, **change})
