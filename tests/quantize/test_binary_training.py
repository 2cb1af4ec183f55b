# SPDX-License-Identifier: Apache-2.0
"""Training of one-bit values and weights, and that the exported integers are those it saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tinykit.boards import load_board
from tinykit.codegen.project import generate
from tinykit.codegen.vectors import make_vectors
from tinykit.errors import TinykitError
from tinykit.models import Blueprint, blueprint
from tinykit.models.blueprint import Conv, Depthwise, Flatten, GlobalPool, Linear, Pool
from tinykit.models.keras_model import build
from tinykit.network import Conv2D, Network, interpret, interpret_all
from tinykit.network.interpreter import accumulate
from tinykit.network.ops import DepthwiseConv2D, Threshold, Weighted
from tinykit.quantize import parse_policy
from tinykit.quantize.binary import BinaryWeights, approx_sign, narrow_sign
from tinykit.quantize.bits_input import bits_only
from tinykit.quantize.export import export_network, threshold
from tinykit.quantize.one_bit import fitted
from tinykit.quantize.qat import QatModel, Schemes
from tinykit.quantize.quantizer import Spec
from tinykit.recipe import Recipe
from tinykit.workflow import Firmware, build_firmware, run_firmware

SCALE = 1 / 32
CHAIN = Blueprint(
    "chain",
    (13, 6, 2),
    (
        Conv("a", 8, (5, 4), (2, 2)),
        Conv("b", 11, (3, 3)),
        Pool("max", "max", (2, 1)),
        Conv("c", 8, (3, 2), (1, 2)),
        Conv("d", 8, (2, 2), padding="valid"),
        Flatten("row"),
        Linear("hidden", 9, relu=True),
        Linear("dense", 3),
    ),
)
POKE_2D = blueprint(
    "bnn_2d", (20, 16, 1), 3, {"width": 8, "blocks": 2, "pools": [1], "stem": [4, 4]}
)
POKE_1D = blueprint(
    "bnn_1d", (24, 16, 1), 3, {"width": 9, "blocks": 2, "pools": [1], "one_bit_input": True}
)
SEPARABLE = Blueprint(
    "separable",
    (12, 5, 1),
    (
        Conv("conv", 6, (3, 3), (2, 1)),
        Depthwise("dw", (3, 3)),
        Conv("pw", 8, (1, 1)),
        GlobalPool("pool"),
        Linear("dense", 3),
    ),
)
PLANS = [CHAIN, POKE_2D, POKE_1D, SEPARABLE]


def features(shape: tuple[int, ...], count: int = 64) -> np.ndarray:
    """int8 (count, *shape)."""
    noise = np.random.default_rng(1).normal(0, 40, (count, *shape))
    return np.clip(np.rint(noise), -128, 127).astype(np.int8)


def exported(plan: Blueprint, policy: str, how: Schemes | None = None) -> tuple[QatModel, Network]:
    """A calibrated QatModel whose normalisation is not the identity, and its Network."""
    model = QatModel(plan, parse_policy(policy), how or Schemes(), SCALE)
    model.load(build(plan, seed=3))
    model.calibrate(features(plan.input_shape).astype(np.float32) * np.float32(SCALE))
    rng = np.random.default_rng(2)
    for part in model.parts:
        if part.normalised:
            size = part.gamma.shape
            part.gamma.assign(rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size))
            part.beta.assign(rng.normal(0, 0.5, size))
    network = export_network(model, name="t", labels=tuple("xyz"), frontend=None, metadata={})
    return model, network


def test_a_sign_has_the_gradient_of_the_polynomial() -> None:
    x = tf.constant([-2.0, -0.75, 0.0, 0.25, 1.5])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, near = approx_sign(x), narrow_sign(x, 0.5)
    assert y.numpy().tolist() == near.numpy().tolist() == [-1, -1, 1, 1, 1]
    assert tape.gradient(y, x).numpy().tolist() == [0, 0.5, 2, 1.5, 0]
    assert tape.gradient(near, x).numpy().tolist() == [0, 0, 1, 1, 0]


def test_weights_are_signs_times_their_mean_magnitude() -> None:
    quantizer = BinaryWeights(Spec("weight", 1, 2))
    w = tf.constant([[0.5, -2.0], [-0.25, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(w)
        y = quantizer(w)
    assert y.numpy().tolist() == [[0.375, -1.0], [-0.375, 1.0]]
    assert tape.gradient(y, w).numpy().tolist() == [[1, 0], [1, 1]]
    assert quantizer.levels(w).tolist() == [[1, -1], [-1, 1]]
    quantizer.passes = True
    assert np.array_equal(quantizer(w), w)


def test_bits_go_where_they_can() -> None:
    def bits(plan: Blueprint, policy: str) -> str:
        return " ".join(str(one) for one in fitted(plan, parse_policy(policy)).values())

    assert bits(CHAIN, "w1a1") == "w8a1 w1a1 w1a1 w1a1 w1a8 w8a8"
    assert bits(CHAIN, "w1a8") == "w8a8 w1a8 w1a8 w1a8 w1a8 w8a8"
    assert bits(SEPARABLE, "w1a1") == "w8a8 w8a1 w1a8 w8a8"
    assert bits(SEPARABLE, "w1a8,dw=w1a8") == "w8a8 w1a8 w1a8 w8a8"
    assert bits(POKE_2D, "w1a1") == bits(POKE_2D, "w1a8") == "w8a8 w1a8 w1a8 w8a8"
    assert bits(POKE_1D, "w1a1") == "w1a8 w1a8 w1a8 w8a8"
    assert bits(CHAIN, "w4a8") == "w8a8 w4a8 w4a8 w4a8 w4a8 w8a8"
    with pytest.raises(TinykitError, match="reads values of one bit"):
        fitted(POKE_2D, parse_policy("w8a8"))
    with pytest.raises(TinykitError, match="reads values of one bit"):
        fitted(POKE_2D, parse_policy("w1a8,conv2=w4a8"))


@pytest.mark.parametrize("policy", ["w1a1", "w1a8"])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_integers_are_what_training_saw(plan: Blueprint, policy: str) -> None:
    """Layer by layer, each fed the same integers; only double rounding may tell them apart."""
    model, network = exported(plan, policy)
    x = features(plan.input_shape)
    stored = interpret_all(network, x)
    values, sources = {"": (tf.cast(x, tf.float32) * SCALE, model.input_grid())}, plan.sources()
    for layer in plan.layers:
        name = layer.name
        if name not in stored:  # dropout
            values[name] = values[sources[name][0]]
            continue
        given = [values[one] for one in sources[name]]
        if len(given) == 2:
            addition = model.addition(name)
            real, grid = addition.forward(given[0][0], given[1][0], False), addition.grid()
        else:
            real, grid = model.forward_layer(layer, *given[0])
        scale = np.asarray(grid.scale)
        ours = np.rint(np.asarray(real / scale)) + grid.zero_point
        theirs = stored[name].astype(np.float64).reshape(ours.shape)
        if grid.bits == 1:
            assert set(np.unique(theirs)) == {-1, 1}, name
            assert np.mean(ours != theirs) < 2e-4, name
        else:
            assert np.abs(ours - theirs).max() <= 1, name
            assert np.mean(ours != theirs) < 0.02, name
        values[name] = (tf.constant((theirs - grid.zero_point) * scale, tf.float32), grid)


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_thresholds_hold_over_the_whole_accumulator(granularity: str) -> None:
    """Every value that a sum of the layer can have, against batch normalisation and sign."""
    model, network = exported(CHAIN, "w1a1", Schemes(granularity=granularity))
    for name in ("a", "b", "c", "d"):
        part = model.part(name)
        op = network.op(name if name != "a" else "a_sum")
        assert isinstance(op, Weighted)
        if part.bits.activations != 1:
            continue
        source = network.tensor(op.inputs[0])
        reach = int(np.abs(op.weight.astype(int)).reshape(len(op.weight), -1).sum(axis=1).max())
        reach *= 128 if source.bits == 8 else 1
        sums = np.arange(-reach, reach + 1, dtype=np.float64)[:, None]
        folded = part.folded(tf.constant([source.scale]))
        scale = part.weight_quantizer.scale_value(folded.kernel) * source.scale
        gain, bias = (np.asarray(one, np.float64) for one in (folded.gain, folded.bias))
        want = np.abs(gain) * (scale * sums) + bias >= 0
        step = threshold(part, source.scale)
        assert np.array_equal((sums >= step.threshold) != step.flip, want)
        if source.bits == 8:
            # The same through the clamped sum and the comparison behind it.
            behind = network.op(name)
            assert isinstance(behind, DepthwiseConv2D)
            assert isinstance(behind.requantize, Threshold)
            clamped = np.clip(sums + op.bias, -128, 127)
            got = (clamped >= behind.requantize.threshold) != behind.requantize.flip
            assert np.array_equal(got, want)
            x = features(CHAIN.input_shape, 4)
            sums = accumulate(op, x, source)
            assert np.array_equal(interpret_all(network, x)[op.output], np.clip(sums, -128, 127))


def test_no_bit_is_set_by_silence() -> None:
    model = QatModel(POKE_1D, parse_policy("w1a1"), Schemes(), SCALE)
    x = np.random.default_rng(0).normal(0, 1, (50, 24, 16, 1)).astype(np.float32)
    model.calibrate(x)
    bits = model.threshold("bits")
    assert np.allclose(bits.effective(), x.mean(axis=(0, 1, 3)), atol=1e-6)
    model.calibrate(x + 1.0)
    assert np.allclose(bits.effective(), x.mean(axis=(0, 1, 3)), atol=1e-6)
    quiet = np.full((1, 24, 16, 1), -0.5, np.float32)
    quiet[..., :4, :] = 0.5
    model.keep_silent(quiet)
    network = export_network(model, name="t", labels=tuple("xyz"), frontend=None, metadata={})
    stored = np.rint(quiet / SCALE).astype(np.int8)
    assert (interpret_all(network, stored)["bits"] == -1).all()
    assert (interpret_all(network, (stored + 1).astype(np.int8))["bits"][..., :4] == 1).all()


def test_a_network_can_begin_with_bits() -> None:
    _, network = exported(POKE_1D, "w1a1")
    x = features(POKE_1D.input_shape, 8)
    least, rest = bits_only(network)
    bits = np.where(x[..., 0] * network.tensor("input").scale >= least, 1, -1).astype(np.int8)
    assert rest.tensor(rest.input).bits == 1
    assert np.array_equal(interpret(rest, bits[:, :, None, :]), interpret(network, x))
    with pytest.raises(TinykitError, match="does not start with a comparison"):
        bits_only(exported(CHAIN, "w1a1")[1])


def test_effort_counts_bits_of_weights_and_inputs() -> None:
    _, network = exported(POKE_2D, "w1a1")
    effort = network.ace_by_op()
    assert effort["stem"] == 64 * network.macs_by_op()["stem"]
    assert effort["conv1"] == network.macs_by_op()["conv1"] > 0
    assert effort["sign1"] == 0
    assert isinstance(network.op("conv1"), Conv2D)


@pytest.fixture(scope="module")
def trained(
    recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Network]:
    """Two stages of training in seconds."""
    from tinykit.quantize.pipeline import train
    from tinykit.runs import open_run

    how = replace(recipe.quantization, policy="w1a1", binary_epochs=2, epochs=1, freeze=0)
    options = {"width": 16, "blocks": 1, "pools": [1], "dropout": 0.0}
    model = replace(recipe.model, name="bnn_1d", options=options)
    run = tmp_path_factory.mktemp("binary")
    metrics = train(replace(recipe, model=model, quantization=how), run)
    return metrics, open_run(run).network


@pytest.mark.parametrize("board_id", ["host", "mps2_an386", "virt_rv32imc"])
def test_a_trained_network_is_the_same_on_every_executor(
    trained: tuple[dict[str, Any], Network], board_id: str, tmp_path: Path
) -> None:
    metrics, network = trained
    assert metrics["quantized"]["validation"]["accuracy"] > 0.6
    assert metrics["quantized"]["fake_quantized_against_integers"]["identical"] > 0.9
    assert metrics["network"]["ace"] == network.ace()
    x = features(network.tensor(network.input).shape, 3)
    vectors = make_vectors(network, x)
    board = load_board(board_id)
    project = generate(network, board, tmp_path / "project", vectors=vectors)
    firmware = Firmware(project.directory, board, project.metadata, None)
    build_ = build_firmware(firmware)
    result = run_firmware(firmware, build_, emulator="host" if board_id == "host" else "qemu")
    assert result.differences == []
    assert result.compared == 3
    if board_id != "host":
        assert (build_.flash, build_.ram) == (project.sizes.flash, project.sizes.ram)
    assert interpret(network, x).shape == (3, 3)
