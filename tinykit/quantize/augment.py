# SPDX-License-Identifier: Apache-2.0
"""Augmentation inside the training step: vectorised, in the graph, and repeatable.

Every function takes features x (batch, rows, columns, channels) float32 in reals, where 0 is the
mean of a coefficient or channel, and a stateless seed (2,) int32; same seed, same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.frontends import Imu
from tinykit.recipe import MotionAugment, SpeechAugment

Augment = Callable[[Any, Any], Any]


def speech(settings: SpeechAugment, masked: float = 0.0) -> Augment:
    """Shift by whole frames, and SpecAugment's masks along time and coefficients.

    Coefficients lie along the columns, or along the channels where there is one column. What is
    masked becomes `masked`.
    """

    def apply(x: Any, seed: Any) -> Any:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        if settings.frame_shift:
            x = shift_rows(x, settings.frame_shift, seeds[0])
        rows = _masks(x, 1, settings.time_masks, settings.time_width, seeds[1])
        axis = 2 if x.shape[2] > 1 else 3
        columns = _masks(x, axis, settings.frequency_masks, settings.frequency_width, seeds[2])
        kept = rows * columns
        return x * kept + masked * (1.0 - kept) if masked else x * kept

    return apply


def shift_rows(x: Any, most: int, seed: Any) -> Any:
    """Each clip moved by -most..most rows; what comes in repeats the edge."""
    batch, rows = tf.shape(x)[0], x.shape[1]
    by = tf.random.stateless_uniform([batch, 1], seed, -most, most + 1, tf.int32)
    source = tf.clip_by_value(tf.range(rows)[None, :] + by, 0, rows - 1)
    return tf.gather(x, source, axis=1, batch_dims=1)


def _masks(x: Any, axis: int, count: int, width: int, seed: Any) -> Any:
    """Factors, 0 inside `count` random stretches of up to `width` along `axis`, 1 elsewhere."""
    shape = [1, 1, 1, 1]
    shape[axis] = x.shape[axis]
    keep = tf.ones([1, 1, 1, 1])
    place = tf.reshape(tf.range(x.shape[axis]), shape)
    for one in tf.unstack(tf.random.experimental.stateless_split(seed, max(2 * count, 2)))[:count]:
        two = tf.random.experimental.stateless_split(one, 2)
        each = [tf.shape(x)[0], 1, 1, 1]
        wide = tf.random.stateless_uniform(each, two[0], 0, width + 1, tf.int32)
        start = tf.random.stateless_uniform(each, two[1], 0, x.shape[axis], tf.int32)
        keep *= 1.0 - tf.cast((place >= start) & (place < start + wide), tf.float32)
    return keep


@dataclass(frozen=True)
class _Sensors:
    """Per channel, how a feature becomes physical: feature * spread + centre."""

    spread: NDArray[np.float32]
    centre: NDArray[np.float32]


def motion(settings: MotionAugment, frontend: Imu) -> Augment:
    """Turn, scale, warp, jitter and drop; channels are triples (x, y, z), one per sensor."""
    sensors = _Sensors(
        np.asarray(frontend.spread, np.float32), np.asarray(frontend.centre, np.float32)
    )

    def apply(x: Any, seed: Any) -> Any:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 6))
        if settings.warp:
            x = warp(x, settings.warp, seeds[0])
        physical = x * sensors.spread + sensors.centre
        if settings.half_turns and x.shape[3] % 3 == 0:
            physical = half_turn(physical, settings.half_turns, seeds[5])
        if settings.rotation_deg and x.shape[3] % 3 == 0:
            physical = rotate(physical, np.deg2rad(settings.rotation_deg), seeds[1])
        if settings.scale:
            physical = _per_sensor(physical, seeds[2], settings.scale)
        x = (physical - sensors.centre) / sensors.spread
        if settings.jitter:
            x += tf.random.stateless_normal(tf.shape(x), seeds[3], stddev=settings.jitter)
        if settings.drop:
            x = _drop_sensor(x, settings.drop, seeds[4])
        return tf.clip_by_value(x, -frontend.clip, frontend.clip)

    return apply


def rotate(x: Any, deviation: float, seed: Any) -> Any:
    """Each window turned about a random axis by a normal angle, in radians (Rodrigues)."""
    two = tf.random.experimental.stateless_split(seed, 2)
    batch = tf.shape(x)[0]
    axis = tf.random.stateless_normal([batch, 3], two[0])
    axis /= tf.norm(axis, axis=1, keepdims=True) + 1e-6
    angle = tf.random.stateless_normal([batch, 1, 1], two[1], stddev=deviation)
    zero = tf.zeros([batch])
    a, b, c = tf.unstack(axis, axis=1)
    cross = tf.reshape(tf.stack([zero, -c, b, c, zero, -a, -b, a, zero], axis=1), [-1, 3, 3])
    turn = tf.eye(3) + tf.sin(angle) * cross + (1 - tf.cos(angle)) * (cross @ cross)
    triples = tf.reshape(x, [batch, -1, 3])
    return tf.reshape(tf.matmul(triples, turn, transpose_b=True), tf.shape(x))


def half_turn(x: Any, share: float, seed: Any) -> Any:
    """A `share` of the windows turned by 180 degrees about x, y or z: two axes change sign."""
    two = tf.random.experimental.stateless_split(seed, 2)
    batch = tf.shape(x)[0]
    axis = tf.random.stateless_uniform([batch], two[0], 0, 3, tf.int32)
    turned = tf.random.stateless_uniform([batch, 1], two[1]) < share
    signs = tf.where(turned, 2.0 * tf.one_hot(axis, 3) - 1.0, 1.0)
    return x * tf.tile(signs, [1, x.shape[3] // 3])[:, None, None, :]


def _per_sensor(x: Any, seed: Any, deviation: float) -> Any:
    count = x.shape[3]
    sensors = count // 3 if count % 3 == 0 else 1
    factor = tf.random.stateless_normal([tf.shape(x)[0], 1, 1, sensors], seed, 1.0, deviation)
    return x * tf.repeat(factor, count // sensors, axis=3)


def _drop_sensor(x: Any, share: float, seed: Any) -> Any:
    two = tf.random.experimental.stateless_split(seed, 2)
    count = x.shape[3]
    sensors = count // 3 if count % 3 == 0 else 1
    batch = tf.shape(x)[0]
    hit = tf.random.stateless_uniform([batch], two[0]) < share
    which = tf.random.stateless_uniform([batch], two[1], 0, sensors, tf.int32)
    gone = tf.cast(hit, tf.float32)[:, None] * tf.one_hot(which, sensors)
    return x * (1.0 - tf.repeat(gone, count // sensors, axis=1))[:, None, None, :]


def warp(x: Any, most: float, seed: Any) -> Any:
    """Each window played faster or slower about its middle, linearly interpolated."""
    batch, rows = tf.shape(x)[0], x.shape[1]
    rate = tf.random.stateless_uniform([batch, 1], seed, 1.0 - most, 1.0 + most)
    middle = (rows - 1) / 2
    place = middle + (tf.range(rows, dtype=tf.float32)[None, :] - middle) * rate
    place = tf.clip_by_value(place, 0.0, float(rows - 1))
    left = tf.cast(tf.floor(place), tf.int32)
    share = (place - tf.floor(place))[:, :, None, None]
    before = tf.gather(x, left, axis=1, batch_dims=1)
    after = tf.gather(x, tf.minimum(left + 1, rows - 1), axis=1, batch_dims=1)
    return before + share * (after - before)
