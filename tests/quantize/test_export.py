# SPDX-License-Identifier: Apache-2.0
"""The exported integers are those that training imitated, for every policy and layer kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tinykit.models import Blueprint, blueprint
from tinykit.models.blueprint import Conv, Depthwise, Drop, Flatten, GlobalPool, Linear, Pool
from tinykit.models.keras_model import build, stock
from tinykit.network import Network, interpret, interpret_all
from tinykit.quantize import parse_policy
from tinykit.quantize.export import export_network
from tinykit.quantize.loop import logits
from tinykit.quantize.metrics import agreement
from tinykit.quantize.qat import QatModel, Schemes

SCALE = 1 / 32
POLICIES = ("w8a8", "w4a8", "w4a4", "w2a8", "w2a2", "w8a4,b=w2a8,c=w4a2")

# Every kind of layer, SAME and VALID padding, strides, no ReLU, both pools, hidden dense layer.
EVERYTHING = Blueprint(
    "everything",
    (13, 6, 2),
    (
        Conv("a", 6, (5, 4), (2, 2)),
        Drop("drop", 0.5),
        Depthwise("b", (3, 3)),
        Conv("c", 5, (1, 1), relu=False),
        Pool("max", "max", (2, 1)),
        Depthwise("d", (2, 2), padding="valid"),
        Pool("avg", "avg", (2, 2)),
        Flatten("row"),
        Linear("hidden", 7, relu=True),
        Linear("dense", 3),
    ),
)
GLOBAL = Blueprint(
    "global", (12, 1, 3), (Conv("a", 4, (5, 1), (2, 1)), GlobalPool("mean"), Linear("dense", 3))
)


def features(shape: tuple[int, ...], count: int = 64) -> np.ndarray:
    """int8 (count, *shape)."""
    noise = np.random.default_rng(1).normal(0, 40, (count, *shape))
    return np.clip(np.rint(noise), -128, 127).astype(np.int8)


def shaken(plan: Blueprint) -> Any:
    """A float model whose batch normalisation is not the identity, some gains negative."""
    model = build(plan, seed=3)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            size = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size))
            layer.beta.assign(rng.normal(0, 0.5, size))
            layer.moving_mean.assign(rng.normal(0, 0.3, size))
            layer.moving_variance.assign(rng.uniform(0.5, 2.0, size))
    return model


def exported(plan: Blueprint, policy: str, how: Schemes, source: Any) -> tuple[QatModel, Network]:
    """A calibrated QatModel and its Network."""
    model = QatModel(plan, parse_policy(policy), how, SCALE)
    model.load(source)
    model.calibrate(features(plan.input_shape).astype(np.float32) * np.float32(SCALE))
    labels = tuple("xyz")
    network = export_network(model, name="t", labels=labels, frontend=None, metadata={})
    return model, network


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
@pytest.mark.parametrize("policy", POLICIES)
def test_integers_are_what_training_saw(policy: str, granularity: str) -> None:
    """Layer by layer, each fed the same integers; only double rounding may tell them apart."""
    how = Schemes(granularity=granularity)
    model, network = exported(EVERYTHING, policy, how, shaken(EVERYTHING))
    x = features(EVERYTHING.input_shape)
    stored = interpret_all(network, x)
    real, grid = tf.cast(x, tf.float32) * SCALE, model.input_grid()
    for layer in EVERYTHING.layers:
        if isinstance(layer, Drop):
            continue
        real, grid = model.forward_layer(layer, real, grid)
        ours = np.rint(np.asarray(real / grid.scale)) + grid.zero_point
        theirs = stored[layer.name].astype(np.float64).reshape(ours.shape)
        # TFLite rounds twice; the first rounding may make a half out of slightly less.
        assert np.abs(ours - theirs).max() <= 1, layer.name
        assert np.mean(ours != theirs) < 0.02, layer.name
        real = tf.constant((theirs - grid.zero_point) * np.asarray(grid.scale), tf.float32)


@pytest.mark.parametrize("policy", POLICIES)
def test_bits_are_those_of_the_policy(policy: str) -> None:
    _, network = exported(EVERYTHING, policy, Schemes(), shaken(EVERYTHING))
    assigned = parse_policy(policy).assign([one.name for one in EVERYTHING.weighted()])
    for op in network.ops:
        if op.name in assigned:
            bits = assigned[op.name]
            assert op.weight_bits == bits.weights  # type: ignore[attr-defined]
            assert network.tensor(op.output).bits == bits.activations
            limit = (1 << (bits.weights - 1)) - 1
            assert np.abs(op.weight.astype(int)).max() <= limit  # type: ignore[attr-defined]
    assert network.tensor(network.output).bits == 8


@pytest.mark.parametrize(
    ("weights", "activations"), [("minmax", "minmax"), ("lsq", "pact"), ("minmax", "lsq")]
)
def test_every_scheme_exports_what_it_trains(weights: str, activations: str) -> None:
    how = Schemes(weights, activations)
    model, network = exported(GLOBAL, "w4a4", how, shaken(GLOBAL))
    x = features(GLOBAL.input_shape)
    fake = np.rint(logits(model, x, SCALE) / network.tensor("dense").scale).astype(np.int8)
    assert agreement(interpret(network, x), fake)["identical"] > 0.95


def test_all_levels_are_used_after_relu() -> None:
    _, network = exported(GLOBAL, "w8a2", Schemes(), shaken(GLOBAL))
    values = interpret_all(network, features(GLOBAL.input_shape, 256))["a"]
    assert sorted(np.unique(values)) == [-2, -1, 0, 1]


def test_8_bits_follow_the_float_model() -> None:
    source = shaken(EVERYTHING)
    _, network = exported(EVERYTHING, "w8a8", Schemes(), source)
    x = features(EVERYTHING.input_shape)
    real = logits(source, x, SCALE)
    ours = interpret(network, x) * network.tensor(network.output).scale
    assert np.abs(ours - real).max() < 0.12 * np.abs(real).max()
    assert np.mean(ours.argmax(1) == real.argmax(1)) > 0.9


@pytest.mark.parametrize("gain", [0.0, 1e-12])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_a_channel_that_bn_switches_off_gives_its_bias(gain: float, shift: float) -> None:
    source = shaken(GLOBAL)
    norm = source.get_layer("a_bn")
    gamma, beta = np.array(norm.gamma), np.array(norm.beta)
    gamma[1], beta[1] = gain, shift
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    model, network = exported(GLOBAL, "w8a8", Schemes(), source)
    x = features(GLOBAL.input_shape)
    channel = interpret_all(network, x)["a"][..., 1].astype(int)
    scale = network.tensor("a").scale
    assert np.ptp(channel) == 0
    assert abs((channel.flat[0] + 128) * scale - shift) <= 0.51 * scale
    fake = np.rint(logits(model, x, SCALE) / network.tensor("dense").scale).astype(np.int8)
    assert agreement(interpret(network, x), fake)["identical"] > 0.9


def test_per_tensor_has_one_weight_scale_and_per_channel_many() -> None:
    source = shaken(GLOBAL)
    for granularity, count in (("tensor", 1), ("channel", 4)):
        _, network = exported(GLOBAL, "w8a8", Schemes(granularity=granularity), source)
        sizes = {op.name: len(getattr(op, "weight_scale", ())) for op in network.ops}
        assert sizes["a"] == count
        assert sizes["dense"] == 1


def test_the_fused_model_is_the_stock_model() -> None:
    plan = blueprint("har_cnn", (16, 1, 3), 3, {"widths": [4], "kernels": [3], "dropout": 0.0})
    fused = build(plan, seed=0, fused=True)
    x = tf.random.stateless_normal([32, 16, 1, 3], [1, 2])
    plain = build(plan, seed=0)
    np.testing.assert_allclose(fused(x, training=True), plain(x, training=True), atol=1e-4)
    copy = stock(fused, plan)
    np.testing.assert_allclose(copy(x), fused(x), atol=1e-5)
    assert all(type(layer).__module__.startswith("keras.") for layer in copy.layers)
