# SPDX-License-Identifier: Apache-2.0
"""Augmentation changes what it should, keeps what it must, and is repeatable."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tinykit.frontends import Imu
from tinykit.quantize import augment
from tinykit.quantize.bank import new_silence, resample, vary
from tinykit.recipe import MotionAugment, SpeechAugment

SEED = tf.constant([1, 2])


def clips(*shape: int) -> tf.Tensor:
    """Normal features."""
    return tf.random.stateless_normal(shape, [5, 6])


def test_same_seed_same_features() -> None:
    imu = Imu(input_length=16, channels=6, centre=(10.0,) * 6, spread=(100.0,) * 6)
    everything = MotionAugment(warp=0.1, drop=0.3)
    for apply, x in (
        (augment.speech(SpeechAugment()), clips(8, 49, 10, 1)),
        (augment.motion(everything, imu), clips(8, 16, 1, 6)),
    ):
        one, two = np.asarray(apply(x, SEED)), np.asarray(apply(x, SEED))
        other = np.asarray(apply(x, SEED + 1))
        assert one.shape == x.shape
        assert np.array_equal(one, two)
        assert not np.array_equal(one, other)


def test_masks_are_no_wider_than_asked() -> None:
    settings = SpeechAugment(frame_shift=0, time_width=5, frequency_masks=0)
    out = np.asarray(augment.speech(settings)(tf.ones([64, 49, 10, 1]), SEED))
    gone = (out == 0).all(axis=(2, 3)).sum(axis=1)
    assert gone.max() <= 5
    assert gone.max() > 0
    assert set(np.unique(out)) == {0.0, 1.0}


def test_rows_shift_as_a_whole() -> None:
    x = tf.reshape(tf.range(49, dtype=tf.float32), [1, 49, 1, 1]) * tf.ones([32, 1, 10, 1])
    out = np.asarray(augment.shift_rows(x, 3, SEED))
    by = out[:, 20, 0, 0] - 20
    assert set(by) <= {-3, -2, -1, 0, 1, 2, 3}
    assert len(set(by)) > 3
    assert np.all(out[:, 20, :, :] == out[:, 20, :1, :])


def test_rotation_keeps_lengths_and_turns_both_sensors_alike() -> None:
    x = clips(8, 16, 1, 3)
    out = np.asarray(augment.rotate(tf.concat([x, x], axis=3), 0.5, SEED))
    np.testing.assert_allclose(out[..., :3], out[..., 3:], atol=1e-5)
    before, after = np.linalg.norm(x, axis=3), np.linalg.norm(out[..., :3], axis=3)
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-5)
    assert np.abs(out[..., :3] - np.asarray(x)).max() > 0.1


def test_half_turns_change_the_sign_of_two_axes() -> None:
    out = np.asarray(augment.half_turn(tf.ones([64, 4, 1, 6]), 0.5, SEED))
    found = {tuple(row) for row in out[:, 0, 0, :3]}
    assert found == {(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)}
    assert np.array_equal(out[..., :3], out[..., 3:])


def test_rotation_of_nothing_is_nothing() -> None:
    x = clips(4, 16, 1, 6)
    np.testing.assert_allclose(augment.rotate(x, 0.0, SEED), x, atol=1e-5)


def test_resampling_moves_and_stretches() -> None:
    x = np.zeros((3, 100), np.int16)
    x[:, 50] = 1000
    speed = np.array([[1.0], [1.0], [2.0]])
    shift = np.array([[0.0], [7.0], [10.0]])
    out = resample(x, speed, shift)
    assert np.array_equal(out[0], x[0])
    assert out[1].argmax() == 57
    assert abs(int(out[2].argmax()) - 60) <= 1
    assert np.all(resample(x, speed, shift + 200) == 0)


def test_variants_are_repeatable_and_saturate() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-32768, 32768, (4, 1600)).astype(np.int16)
    noise = (rng.integers(-9000, 9000, 5000).astype(np.int16),)
    settings = SpeechAugment(noise=1.0, snr_db=(0.0, 0.0), gain_db=20.0)
    one = vary(x, noise, settings, 16000, np.random.default_rng(3))
    two = vary(x, noise, settings, 16000, np.random.default_rng(3))
    assert one.dtype == np.int16
    assert np.array_equal(one, two)


def test_silence_is_never_louder_than_its_recording() -> None:
    noise = (np.full(5000, 1500, np.int16),)
    out = new_silence(50, 1600, noise, np.random.default_rng(0))
    assert np.abs(out).max() < 3020
    assert np.abs(out).mean(axis=1).min() < 300
