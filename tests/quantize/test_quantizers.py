# SPDX-License-Identifier: Apache-2.0
"""Properties every quantizer must have, whatever the scheme."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.quantize.quantizer import Spec, best_scale, fake_quantize
from tinykit.quantize.schemes import ACTIVATION_SCHEMES, WEIGHT_SCHEMES, scheme

CASES = [(name, "weight") for name in WEIGHT_SCHEMES] + [
    (name, kind) for name in ACTIVATION_SCHEMES for kind in ("relu", "signed")
]


def sample(seed: int, spread: float, channels: int) -> np.ndarray:
    """float32 (40, channels), each channel at another size."""
    rng = np.random.default_rng(seed)
    sizes = spread * (1.0 + np.arange(channels))
    return (rng.normal(size=(40, channels)) * sizes).astype(np.float32)


@pytest.mark.parametrize(("name", "kind"), CASES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), bits=st.sampled_from([8, 4, 2]), spread=st.floats(1e-3, 1e3))
def test_levels_stand_for_the_output(
    name: str, kind: str, seed: int, bits: int, spread: float
) -> None:
    channels = 3 if kind == "weight" else 1
    x = sample(seed, spread, 3)
    spec = Spec(kind, bits, channels)  # type: ignore[arg-type]
    quantizer = scheme(name)(spec)
    quantizer.initialise(x.astype(np.float64))
    scale = quantizer.scale_value(x)
    assert scale.shape == (channels,)
    assert np.all(scale > 0)
    assert np.array_equal(scale, scale.astype(np.float32))
    levels = quantizer.levels(x)
    assert levels.min() >= spec.low
    assert levels.max() <= spec.high
    np.testing.assert_allclose(np.asarray(quantizer(x)), levels * scale, rtol=1e-5, atol=0)
    again = quantizer.levels((levels * scale).astype(np.float32)) if name != "minmax" else levels
    assert np.array_equal(again, levels)


def test_ranges() -> None:
    assert (Spec("weight", 2).low, Spec("weight", 2).high) == (-1, 1)
    assert (Spec("weight", 8).low, Spec("weight", 8).high) == (-127, 127)
    assert (Spec("relu", 4).low, Spec("relu", 4).high, Spec("relu", 4).zero_point) == (0, 15, -8)
    assert (Spec("signed", 8).low, Spec("signed", 8).high) == (-128, 127)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_those_of_lsq(channels: int) -> None:
    spec = Spec("weight", 4, channels)
    x = tf.constant([[0.24, -3.0, 0.9], [5.0, 0.1, -0.3]])
    scale = tf.constant([0.1, 0.2, 0.3][:channels])
    with tf.GradientTape() as tape:
        tape.watch([x, scale])
        total = tf.reduce_sum(fake_quantize(x, scale, spec))
    to_x, to_scale = tape.gradient(total, [x, scale])
    v = np.asarray(x) / np.asarray(scale)
    inside = np.abs(v) <= 7
    assert np.array_equal(np.asarray(to_x), inside.astype(np.float32))
    expected = np.where(inside, np.rint(v) - v, np.clip(v, -7, 7))
    wanted = expected.sum(axis=0) if channels > 1 else [expected.sum()]
    np.testing.assert_allclose(np.asarray(to_scale), wanted, rtol=1e-4, atol=1e-5)


def test_pact_moves_its_clip_by_clipped_inputs_only() -> None:
    quantizer = scheme("pact")(Spec("relu", 8))
    quantizer.initialise(np.array([1.0]))
    x = tf.constant([[0.5, 1.5, 2.0, -1.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(quantizer(x))
    to_x, to_alpha = tape.gradient(total, [x, quantizer.trainable_variables[0]])
    assert np.asarray(to_x).tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert np.asarray(to_alpha).tolist() == [2.0]


def test_minmax_averages_activation_ranges_in_training_only() -> None:
    quantizer = scheme("minmax")(Spec("relu", 8))
    quantizer.initialise(np.array([1.0]))
    before = quantizer.scale_value()
    quantizer(tf.constant([[9.0]]), training=False)
    assert quantizer.scale_value() == before
    quantizer(tf.constant([[9.0]]), training=True)
    assert quantizer.scale_value() > before


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_first_scale_beats_the_full_range(bits: int) -> None:
    x = np.random.default_rng(0).standard_t(4, size=4000)
    spec = Spec("weight", bits)

    def error(scale: float) -> float:
        level = np.clip(np.rint(x / scale), spec.low, spec.high)
        return float(np.square(level * scale - x).sum())

    assert error(float(best_scale(x, spec)[0])) < error(float(np.abs(x).max()) / spec.high)


def test_weights_of_zero_have_a_scale() -> None:
    assert np.all(best_scale(np.zeros((4, 2)), Spec("weight", 8, 2)) > 0)
