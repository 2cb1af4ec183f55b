# SPDX-License-Identifier: Apache-2.0
"""A Network that does not fit together is refused, naming the layer and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.network import AvgPool2D, Dense, MaxPool2D, Network, Reshape, Tensor, summary
from tinykit.network.ops import integer_range
from tinykit.network.sample import (
    Builder,
    autoencoder,
    ds_cnn,
    har_cnn,
    mobilenet,
    resnet8,
)
from tinykit.network.validate import accumulator_bound


def small(bits: int = 8) -> Network:
    """conv0, depthwiseconv1, maxpool2, reshape3, dense4."""
    builder = Builder(np.random.default_rng(0), (6, 4, 2))
    builder.conv(4, (3, 3), bits=bits).depthwise((3, 3), bits=bits)
    return builder.pool(MaxPool2D, (2, 2)).dense(3, relu=False).build()


def with_op(network: Network, name: str, **changes: Any) -> dict[str, Any]:
    """Arguments of a Network that differs in one operator."""
    return {"ops": tuple(replace(op, **changes) if op.name == name else op for op in network.ops)}


def with_tensor(network: Network, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "tensors": tuple(replace(t, **changes) if t.name == name else t for t in network.tensors)
    }


def with_step(network: Network, name: str, **changes: Any) -> dict[str, Any]:
    step = network.op(name).requantize  # type: ignore[attr-defined]
    return with_op(network, name, requantize=replace(step, **changes))


def changed(array: np.ndarray, value: int) -> np.ndarray:
    copy = array.copy()
    copy.flat[0] = value
    return copy


Change = Callable[[Network], dict[str, Any]]

FAULTS: dict[str, tuple[Change, str]] = {
    "no name": (lambda n: {"name": ""}, "no name"),
    "rounding": (lambda n: {"rounding": "single"}, "rounding 'single'"),
    "no layers": (lambda n: {"ops": ()}, "no layers"),
    "twin tensor": (lambda n: {"tensors": n.tensors + n.tensors[:1]}, "two tensors.*'input'"),
    "twin label": (lambda n: {"labels": ("a", "b", "a")}, "two labels.*'a'"),
    "labels": (lambda n: {"labels": ("a", "b")}, "2 labels"),
    "three bits": (lambda n: with_tensor(n, "conv0_out", bits=3), "conv0_out: 3 bits"),
    "no scale": (lambda n: with_tensor(n, "conv0_out", scale=0.0), "scale 0.0"),
    "zero point": (lambda n: with_tensor(n, "conv0_out", zero_point=128), "zero point 128"),
    "two sides": (lambda n: with_tensor(n, "conv0_out", shape=(6, 4)), r"shape \(6, 4\)"),
    "wrong shape": (lambda n: with_tensor(n, "conv0_out", shape=(6, 5, 4)), r"conv0: gives"),
    "no input": (lambda n: {"input": "x"}, "no tensor 'x'"),
    "dangling": (lambda n: with_op(n, "dense4", inputs=("y",)), "dense4: refers to no tensor"),
    "two inputs": (lambda n: with_op(n, "dense4", inputs=("input", "input")), "2 inputs"),
    "order": (lambda n: {"ops": n.ops[::-1]}, "before it is computed"),
    "written twice": (
        lambda n: {"ops": (*n.ops, replace(n.ops[-1], name="again"))},
        "again: writes",
    ),
    "no maker": (
        lambda n: {"tensors": (*n.tensors, Tensor("lost", (1,), 8, 1.0, 0))},
        "lost: is computed by no layer",
    ),
    "no reader": (
        lambda n: {"output": "conv0_out", "ops": n.ops[:2], "tensors": n.tensors[:3]},
        "depthwiseconv1_out: is read by no layer",
    ),
    "weight range": (
        lambda n: with_op(n, "conv0", weight_bits=4),
        "conv0: has weights .* 4 bits hold -7 to 7",
    ),
    "least weight": (
        lambda n: with_op(n, "conv0", weight=changed(n.op("conv0").weight, -128)),
        "conv0: has weights -128",
    ),
    "weight bits": (lambda n: with_op(n, "conv0", weight_bits=3), "conv0: 3-bit weights"),
    "weight type": (
        lambda n: with_op(n, "conv0", weight=n.op("conv0").weight.astype(np.int16)),
        "conv0: weight is int16",
    ),
    "bias count": (
        lambda n: with_op(n, "conv0", bias=np.zeros(3, np.int32)),
        "conv0: has 4 channels, 3 biases",
    ),
    "weight scale": (
        lambda n: with_op(n, "conv0", weight_scale=np.array([-1.0])),
        "conv0: a weight scale is not positive",
    ),
    "channels": (
        lambda n: with_op(n, "conv0", weight=n.op("conv0").weight[..., :1]),
        "conv0: reads 1 channels",
    ),
    "depth": (
        lambda n: with_op(n, "depthwiseconv1", depth_multiplier=2),
        "depth multiplier is 2",
    ),
    "features": (
        lambda n: with_op(n, "dense4", weight=n.op("dense4").weight[:, :5]),
        "dense4: takes 5 features",
    ),
    "multiplier": (
        lambda n: with_step(n, "conv0", multiplier=np.full(4, 5, np.int32)),
        "conv0: a multiplier",
    ),
    "shift": (
        lambda n: with_step(n, "conv0", shift=np.full(4, 31, np.int32)),
        "conv0: a multiplier",
    ),
    "shift count": (
        lambda n: with_step(n, "conv0", shift=np.zeros(3, np.int32)),
        "conv0: has 4 channels, but 3",
    ),
    "clamp": (lambda n: with_step(n, "conv0", high=128), "conv0: clamps to"),
    "empty clamp": (lambda n: with_step(n, "conv0", low=5, high=4), "conv0: clamps to 5..4"),
    "overflow": (
        lambda n: with_op(n, "conv0", bias=np.full(4, (1 << 31) - 1, np.int32)),
        "conv0: the accumulator of channel",
    ),
    "left shift": (
        lambda n: with_step(n, "conv0", shift=np.full(4, 20, np.int32)),
        "conv0: the accumulator of channel",
    ),
    "stride": (lambda n: with_op(n, "conv0", stride=(0, 1)), "conv0: stride"),
    "padding": (
        lambda n: with_op(n, "maxpool2", padding=(0, 0, 2, 0)),
        "maxpool2: padding .* less than the window",
    ),
    "wide stride": (lambda n: with_op(n, "conv0", stride=(256, 1)), "conv0: stride.*above 255"),
    "large window": (lambda n: with_op(n, "maxpool2", kernel=(9, 2)), "maxpool2: its window"),
    "pool scale": (
        lambda n: with_tensor(n, "maxpool2_out", scale=9.0),
        "maxpool2: changes",
    ),
    "reshape": (
        lambda n: with_tensor(n, "reshape3_out", shape=(25,)),
        r"reshape3: cannot turn \(3, 2, 4\) into \(25,\)",
    ),
    "metadata": (lambda n: {"metadata": {"a": np.float32(1)}}, "does not fit in a file"),
    "infinite": (lambda n: {"metadata": {"a": float("inf")}}, "does not fit in a file"),
    "NumPy stride": (
        lambda n: with_op(n, "conv0", stride=(np.int64(1), 1)),
        "does not fit in a file",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    network = small()
    change, message = FAULTS[fault]
    with pytest.raises(TinykitError, match=message) as caught:
        replace(network, **change(network))
    assert caught.value.remedy
    assert caught.value.where is not None
    assert caught.value.where.startswith("network ")


def residual() -> Network:
    """conv0, add1, reshape2, dense3."""
    builder = Builder(np.random.default_rng(0), (4, 4, 2))
    start = builder.keep()
    return builder.conv(2, (3, 3), relu=False).add(start).dense(3, relu=False).build()


def with_rescale(network: Network, **changes: Any) -> dict[str, Any]:
    step = network.op("add1").rescale  # type: ignore[attr-defined]
    return with_op(network, "add1", rescale=replace(step, **changes))


SUM_FAULTS: dict[str, tuple[Change, str]] = {
    "one input": (lambda n: with_op(n, "add1", inputs=("input",)), "add1: has 1 inputs"),
    "second input": (lambda n: with_op(n, "add1", inputs=("input", "y")), "no tensor 'y'"),
    "order": (
        lambda n: with_op(n, "add1", inputs=("input", "dense3_out")),
        "reads 'dense3_out' before",
    ),
    "shape": (
        lambda n: {
            "ops": (
                replace(n.op("conv0"), padding=(0, 0, 0, 0)),
                replace(n.op("add1"), inputs=("input", "conv0_out")),
                *n.ops[2:],
            ),
            **with_tensor(n, "conv0_out", shape=(2, 2, 2)),
        },
        r"add1: cannot broadcast conv0_out, \(2, 2, 2\)",
    ),
    "bits": (
        lambda n: with_tensor(n, "input", bits=4, zero_point=0),
        r"add1: adds input, \(4, 4, 2\) of 4 bits",
    ),
    "no half": (lambda n: with_rescale(n, input_shift=(-2, -2)), "add1: has the input factors"),
    "three inputs": (
        lambda n: with_rescale(n, input_multiplier=(1 << 30,) * 3, input_shift=(0, 0, 0)),
        "add1: has the input factors",
    ),
    "left shift of an input": (
        lambda n: with_rescale(n, input_multiplier=(1 << 30,) * 2, input_shift=(0, 1)),
        "add1: has the input factors",
    ),
    "multiplier": (lambda n: with_rescale(n, output_multiplier=5), "add1: has the output factor"),
    "shift": (lambda n: with_rescale(n, output_shift=1), "add1: has the output factor"),
    "fineness": (lambda n: with_rescale(n, left_shift=15), "add1: has the output factor"),
    "clamp": (lambda n: with_rescale(n, high=128), "add1: clamps to"),
    "NumPy clamp": (lambda n: with_rescale(n, high=np.int64(9)), "does not fit in a file"),
}


@pytest.mark.parametrize("fault", SUM_FAULTS)
def test_faults_of_sums_are_named(fault: str) -> None:
    network = residual()
    change, message = SUM_FAULTS[fault]
    with pytest.raises(TinykitError, match=message) as caught:
        replace(network, **change(network))
    assert caught.value.remedy


def test_pixels_that_do_not_fill_bytes_cannot_be_flattened() -> None:
    builder = Builder(np.random.default_rng(0), (4, 4, 1)).conv(3, (1, 1), bits=4)
    with pytest.raises(TinykitError, match="do not fill whole bytes"):
        builder.dense(2).build()


def test_the_front_end_must_make_the_input() -> None:
    from tinykit.frontends import Imu

    frontend = Imu(channels=6)
    network = har_cnn(steps=frontend.output_shape[0])
    first = network.tensor("input")
    fitting = with_tensor(network, "input", scale=frontend.scale, zero_point=frontend.zero_point)
    config = frontend.to_config()
    assert replace(network, frontend=config, **fitting).frontend == config
    other = with_tensor(network, "input", scale=first.scale * 2)
    with pytest.raises(TinykitError, match="imu front end gives"):
        replace(network, frontend=config, **other)


def test_the_bound_holds_for_the_worst_input() -> None:
    network = small()
    op, source = network.op("dense4"), network.tensor("reshape3_out")
    assert isinstance(op, Dense)
    low, high = integer_range(source.bits)
    weight = op.weight.astype(np.int64)
    folded = op.bias - source.zero_point * weight.sum(axis=1)
    for sign in (1, -1):
        x = np.where(sign * weight > 0, high, low)
        plain = op.bias + ((x - source.zero_point) * weight).sum(axis=1)
        running = np.abs(folded[:, None] + np.cumsum(x * weight, axis=1))
        assert np.abs(plain).max() <= accumulator_bound(op, source)
        assert running.max() <= accumulator_bound(op, source)


def test_figures_of_the_mlperf_tiny_keyword_spotter() -> None:
    network = ds_cnn(64)
    assert network.macs() == 2_656_640
    rows = {row.name: row for row in summary(network)}
    assert rows["conv0"].macs == 320_000
    assert rows["conv0"].input_shape == (49, 10, 1)
    assert rows["conv0"].output_shape == (25, 5, 64)
    assert rows["conv0"].weight_bytes == 2560
    assert rows["conv0"].parameter_bytes == 2560 + 256
    assert rows["conv0"].activation_bytes == 8000
    assert rows["conv2"].as_dict()["weight_bits"] == 8
    assert rows["avgpool9"].weight_bits is None
    assert sum(row.macs for row in rows.values()) == network.macs()
    narrow = ds_cnn(64, "w2a4")
    assert narrow.parameter_bytes() == network.parameter_bytes() - sum(
        row.weight_bytes - row.weight_bytes // 4 for row in rows.values()
    )
    assert summary(narrow)[0].activation_bytes == 4000


def test_figures_of_the_other_mlperf_tiny_models() -> None:
    assert [model().macs() for model in (resnet8, mobilenet, autoencoder)] == [
        12_501_632,
        7_489_664,
        264_192,
    ]
    rows = {row.name: row for row in summary(resnet8())}
    assert [row.output_shape for row in rows.values() if row.op == "Add"] == [
        (32, 32, 16),
        (16, 16, 32),
        (8, 8, 64),
    ]
    assert rows["add3"].macs == 0
    assert summary(mobilenet())[-3].input_shape == (3, 3, 256)
    assert resnet8("mixed").macs() == resnet8().macs()


def test_operators_are_found_by_name() -> None:
    network = small()
    assert isinstance(network.op("maxpool2"), MaxPool2D)
    assert isinstance(network.op("reshape3"), Reshape)
    assert not isinstance(network.op("maxpool2"), AvgPool2D)
    with pytest.raises(KeyError):
        network.op("none")
    with pytest.raises(KeyError):
        network.tensor("none")
