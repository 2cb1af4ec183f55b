# SPDX-License-Identifier: Apache-2.0
"""tflite-runtime's reference kernels, an independent implementation, give the same integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.errors import TinykitError
from tinykit.network import (
    AvgPool2D,
    MaxPool2D,
    Network,
    export_tflite,
    interpret,
    run_tflite,
    tflite_oracle,
    to_tflite,
)
from tinykit.network.ops import Add, Requantize, Weighted
from tinykit.network.requantize import add_rescale, requantize_from_scales
from tinykit.network.sample import (
    Builder,
    autoencoder,
    ds_cnn,
    har_cnn,
    mobilenet,
    random_input,
    random_network,
    resnet8,
)

Pair = tuple[int, int]
Padding = Any

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
# The largest window, 3 taps at dilation 3, spans 7 pixels.
SIDES = st.tuples(st.integers(7, 12), st.integers(7, 10), st.integers(1, 5))
PADDINGS = st.one_of(st.sampled_from(["same", "valid"]), st.tuples(*[st.integers(0, 1)] * 4))
LAYER = {
    "relu": st.booleans(),
    "per_channel": st.booleans(),
    "weight_bits": st.sampled_from([8, 4]),
}


def agree(network: Network, seed: int, count: int = 6) -> None:
    x = random_input(np.random.default_rng(seed), network.tensor(network.input), count)
    assert np.array_equal(run_tflite(to_tflite(network), x), interpret(network, x))


def codes(content: bytes) -> list[str]:
    """Names of the operators in a .tflite file, in order."""
    model = tflite.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    names = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
    return [
        names[model.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()]
        for i in range(graph.OperatorsLength())
    ]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    SIDES,
    st.integers(1, 9),
    PAIRS,
    PAIRS,
    PAIRS,
    PADDINGS,
    st.fixed_dictionaries(LAYER),
)
def test_convolutions(
    seed: int,
    shape: tuple[int, ...],
    filters: int,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    layer: dict[str, Any],
) -> None:
    padding, dilation = _possible(kernel, stride, padding, dilation)
    builder = Builder(np.random.default_rng(seed), shape)
    builder.conv(filters, kernel, stride=stride, padding=padding, dilation=dilation, **layer)
    agree(builder.build(), seed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    SIDES,
    st.integers(1, 3),
    PAIRS,
    PAIRS,
    PAIRS,
    PADDINGS,
    st.fixed_dictionaries(LAYER),
)
def test_depthwise(
    seed: int,
    shape: tuple[int, ...],
    multiplier: int,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    layer: dict[str, Any],
) -> None:
    padding, dilation = _possible(kernel, stride, padding, dilation)
    builder = Builder(np.random.default_rng(seed), shape)
    builder.depthwise(
        kernel, multiplier=multiplier, stride=stride, padding=padding, dilation=dilation, **layer
    )
    agree(builder.build(), seed)


def _possible(kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Padding, Pair]:
    """Padding below the kernel's size; TFLite strides or dilates, not both."""
    if not isinstance(padding, str):
        padding = tuple(min(pad, kernel[i // 2] - 1) for i, pad in enumerate(padding))
    return padding, dilation if stride == (1, 1) else (1, 1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    SIDES,
    PAIRS,
    PAIRS,
    st.sampled_from([AvgPool2D, MaxPool2D]),
    st.sampled_from(["same", "valid"]),
)
def test_pools(
    seed: int,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    kind: type[AvgPool2D] | type[MaxPool2D],
    padding: str,
) -> None:
    builder = Builder(np.random.default_rng(seed), shape)
    agree(builder.pool(kind, kernel, stride=stride, padding=padding).build(), seed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    st.integers(1, 60),
    st.integers(1, 12),
    st.fixed_dictionaries(LAYER),
)
def test_dense(seed: int, features: int, units: int, layer: dict[str, Any]) -> None:
    network = Builder(np.random.default_rng(seed), (features,)).dense(units, **layer).build()
    whole = not layer["per_channel"] or units == 1
    expected = ["FULLY_CONNECTED"] if whole else ["RESHAPE", "CONV_2D", "RESHAPE"]
    assert codes(to_tflite(network)) == expected
    agree(network, seed, 20)


def _sum(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], relu: bool
) -> Network:
    """The sum of a picture and its convolution; scales and zero points of both and the output."""
    builder = Builder(np.random.default_rng(0), (64, 64, 2))
    start = builder.keep()
    network = builder.conv(2, (1, 1), relu=False).add(start).build()
    place = {"conv0_out": 0, "input": 1, "add1_out": 2, "reshape2_out": 2}
    tensors = tuple(
        replace(
            t, scale=float(np.float32(scales[place[t.name]])), zero_point=zero_points[place[t.name]]
        )
        for t in network.tensors
    )
    conv, add = network.ops[:2]
    assert isinstance(conv, Weighted)
    assert isinstance(add, Add)
    step = requantize_from_scales(
        scales[1], conv.weight_scale, scales[0], channels=2, low=-128, high=127
    )
    low = zero_points[2] if relu else -128
    rescale = add_rescale((scales[0], scales[1]), scales[2], low=low, high=127)
    ops = (replace(conv, requantize=step), replace(add, rescale=rescale), network.ops[2])
    return replace(network, tensors=tensors, ops=ops)


SCALE = st.floats(0.001, 0.1)
ZERO_POINT = st.integers(-128, 127)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.tuples(SCALE, SCALE, SCALE),
    st.tuples(ZERO_POINT, ZERO_POINT, ZERO_POINT),
    st.booleans(),
)
def test_sums(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], relu: bool
) -> None:
    network = _sum(scales, zero_points, relu)
    assert codes(to_tflite(network))[:2] == ["CONV_2D", "ADD"]
    agree(network, 0, 1)


@pytest.mark.parametrize("output", [0.25, 0.5, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("second", [0.25, 0.5, 1.0])
def test_sums_that_fall_on_halves(second: float, output: float) -> None:
    agree(_sum((0.5, second, output), (3, -5, 1), False), 0, 1)


def test_a_sum_with_other_multipliers_is_refused() -> None:
    network = _sum((0.05, 0.03, 0.06), (0, 0, 0), False)
    add = network.ops[1]
    assert isinstance(add, Add)
    step = replace(add.rescale, output_multiplier=add.rescale.output_multiplier ^ 1)
    ops = (network.ops[0], replace(add, rescale=step), network.ops[2])
    with pytest.raises(TinykitError, match="would not derive"):
        to_tflite(replace(network, ops=ops))


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agree(random_network(rng, activation_bits=(8,), depth=5), seed)


@pytest.mark.parametrize("make", [resnet8, mobilenet, autoencoder])
def test_large_models(make: Callable[..., Network]) -> None:
    agree(make(), 0, 3)


@pytest.mark.parametrize("policy", ["w8a8", "w4a8", "w2a8"])
@pytest.mark.parametrize("make", [lambda policy: ds_cnn(64, policy), har_cnn], ids=["kws", "har"])
def test_whole_models(make: Callable[[str], Network], policy: str) -> None:
    agree(make(policy), 0, 50)


def test_the_file_is_reproducible_and_holds_the_names(tmp_path: Path) -> None:
    network = ds_cnn(8)
    export_tflite(network, tmp_path / "model.tflite")
    content = (tmp_path / "model.tflite").read_bytes()
    assert content == to_tflite(network)
    graph = tflite.Model.GetRootAs(content).Subgraphs(0)
    names = {graph.Tensors(i).Name().decode() for i in range(graph.TensorsLength())}
    assert {tensor.name for tensor in network.tensors} <= names
    assert graph.Name().decode() == network.name


def _one_layer(**changes: int) -> Network:
    """A 1x1 convolution whose output tensor and clamp are set."""
    network = Builder(np.random.default_rng(0), (3, 3, 2)).conv(2, (1, 1)).build()
    op = network.ops[0]
    assert isinstance(op, Weighted)
    low, high = changes.pop("low", -128), changes.pop("high", 127)
    tensors = tuple(
        t if t.name == "input" else replace(t, scale=0.05, zero_point=changes["zero_point"])
        for t in network.tensors
    )
    step = requantize_from_scales(
        network.tensor("input").scale, op.weight_scale, 0.05, channels=2, low=low, high=high
    )
    ops = (replace(op, requantize=step), *network.ops[1:])
    return replace(network, tensors=tensors, ops=ops)


@pytest.mark.parametrize(
    ("zero_point", "low", "high"),
    [(-20, -128, 127), (-20, -20, 127), (-20, -20, 100), (20, 20, 127), (-128, -128, -8)],
    ids=["none", "relu", "relu6", "relu with room", "relu6 at the bottom"],
)
def test_clamps_become_activations(zero_point: int, low: int, high: int) -> None:
    agree(_one_layer(zero_point=zero_point, low=low, high=high), 0, 40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.floats(-16, 6), st.booleans(), st.booleans())
def test_any_multiplier(seed: int, power: float, dense: bool, per_channel: bool) -> None:
    """Outputs from all rounded to zero to all clamped, left shifts included."""
    rng = np.random.default_rng(seed)
    builder = Builder(rng, (12,) if dense else (3, 2, 4))
    if dense:
        network = builder.dense(5, relu=False, per_channel=per_channel).build()
    else:
        network = builder.conv(5, (2, 2), relu=False, per_channel=per_channel).build()
    op, source = network.ops[0], network.tensors[0]
    assert isinstance(op, Weighted)
    scale = source.scale * float(op.weight_scale.mean()) * 2.0**-power
    step = requantize_from_scales(
        source.scale,
        op.weight_scale,
        scale,
        channels=5,
        low=-128,
        high=127,
        float32_product=dense,
    )
    bias = rng.integers(-(1 << 20), 1 << 20, 5).astype(np.int32)
    ops = (replace(op, requantize=step, bias=bias), *network.ops[1:])
    tensors = (source, *(replace(tensor, scale=scale) for tensor in network.tensors[1:]))
    agree(replace(network, ops=ops, tensors=tensors), seed)


def test_another_clamp_is_refused() -> None:
    with pytest.raises(TinykitError, match=r"conv0: clamps to -20\.\.99"):
        to_tflite(_one_layer(zero_point=-20, low=-20, high=99))


def test_other_multipliers_are_refused() -> None:
    for builder in (
        Builder(np.random.default_rng(0), (3, 3, 2)).conv(2, (1, 1)),
        Builder(np.random.default_rng(0), (9,)).dense(3),
    ):
        network = builder.build()
        op = network.ops[0]
        assert isinstance(op, Weighted)
        step = op.requantize
        nudged = Requantize(step.multiplier ^ 1, step.shift, step.low, step.high)
        ops = (replace(op, requantize=nudged), *network.ops[1:])
        with pytest.raises(TinykitError, match="would not derive"):
            to_tflite(replace(network, ops=ops))


def test_narrow_activations_are_refused() -> None:
    with pytest.raises(TinykitError, match="4-bit activations"):
        to_tflite(ds_cnn(8, "w4a4"))


def test_lopsided_pools_are_refused() -> None:
    builder = Builder(np.random.default_rng(0), (6, 6, 2))
    network = builder.pool(MaxPool2D, (3, 3), padding=(2, 0, 0, 0)).build()
    with pytest.raises(TinykitError, match="neither SAME nor VALID"):
        to_tflite(network)


def test_the_oracle_answers_after_a_refusal_and_after_a_crash() -> None:
    content = to_tflite(ds_cnn(4, "w8a8", blocks=1))
    x = np.zeros((1, 49, 10, 1), np.int8)
    want = run_tflite(content, x)
    with pytest.raises(TinykitError, match="tflite-runtime refuses the network"):
        run_tflite(b"TFL3" * 8, x)
    assert np.array_equal(run_tflite(content, x), want)
    next(iter(tflite_oracle._oracles.values()))._process.kill()
    with pytest.raises(TinykitError, match="tflite-runtime refuses the network"):
        run_tflite(content, x)
    assert np.array_equal(run_tflite(content, x), want)
