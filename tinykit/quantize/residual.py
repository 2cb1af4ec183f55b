# SPDX-License-Identifier: Apache-2.0
"""What stands between the binary convolutions of a network with residuals: thresholds and sums."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.models.blueprint import Sign
from tinykit.quantize.binary import approx_sign, narrow_sign
from tinykit.quantize.grid import Grid
from tinykit.quantize.quantizer import FloatArray, Quantizer, Spec
from tinykit.quantize.schemes import scheme

# Below 0 a sum keeps a quarter (arXiv:2112.00133, DPReLU).
SLOPE = 0.25


class Thresholds(keras.layers.Layer):
    """A Sign of the Blueprint: +1 where a value reaches its channel's threshold, else -1.

    Attributes:
        floor: float32 (channels,), below which no threshold counts; for what hears silence.
    """

    def __init__(self, layer: Sign, channels: int) -> None:
        super().__init__(name=layer.name)
        self.blueprint = layer
        self.started = False
        self.raw = self.add_weight(name="threshold", shape=(channels,), initializer="zeros")
        self.floor = self.add_weight(
            name="floor",
            shape=(channels,),
            initializer=keras.initializers.Constant(-1e30),
            trainable=False,
        )

    def initialise(self, sample: FloatArray) -> None:
        """Start where the Blueprint says, from values (n, height, width, channels).

        The mean is that of what lies above the floor: silence, of which there may be much, would
        draw a threshold to where all that sounds is above it. A second stage of training goes on
        from the thresholds of the first.
        """
        if self.blueprint.start == "mean" and not self.started:
            self.started = True
            flat = sample.reshape(-1, sample.shape[-1])
            counts = flat >= np.asarray(self.floor)
            counts |= ~counts.any(axis=0)
            self.raw.assign(np.average(flat, axis=0, weights=counts).astype(np.float32))

    def effective(self) -> Any:
        """The thresholds that count, float32 (channels,)."""
        raw, floor = tf.convert_to_tensor(self.raw), tf.convert_to_tensor(self.floor)
        # One that has sunk below its floor still follows its gradient, or it would stay there.
        return raw + tf.stop_gradient(tf.maximum(raw, floor) - raw)

    def call(self, x: Any) -> Any:
        """-1.0 or 1.0 for each value."""
        above = x - self.effective()
        window = self.blueprint.window
        return narrow_sign(above, window) if window else approx_sign(above)

    def least(self, scale: float, zero_point: int) -> NDArray[np.int32]:
        """(channels,) int32: the least stored integer of each channel that gives +1, or 128."""
        stored = np.arange(-128, 128)
        real = (stored - zero_point).astype(np.float32) * np.float32(scale)
        reached = np.asarray(tf.constant(real)[:, None] - self.effective()) >= 0
        return np.where(reached.any(axis=0), stored[reached.argmax(axis=0)], 128).astype(np.int32)


class Addition(keras.layers.Layer):
    """A Residual of the Blueprint: a sum of 8 bits, a quarter of it where it is negative."""

    def __init__(self, name: str, activations: str) -> None:
        super().__init__(name=name)
        self.output_quantizer: Quantizer = scheme(activations)(Spec("signed", 8), name="output")

    def initialise(self, total: Any) -> None:
        """Choose the first scale from sums of training data."""
        self.output_quantizer.initialise(np.asarray(total, np.float64))

    def forward(self, first: Any, second: Any, training: bool) -> Any:
        """The sum on its grid; the same grid holds the quarters, rounded."""
        total = self.output_quantizer(first + second, training=training)
        scale = self.output_quantizer.scale(total)
        kept = tf.where(total >= 0, total, SLOPE * total)
        # Of whole levels, whose quarters are exact and round to even as `quartered` does.
        level = tf.round(total / scale)
        rounded = tf.where(level >= 0, level, tf.round(SLOPE * level)) * scale
        return kept + tf.stop_gradient(rounded - kept)

    def grid(self) -> Grid:
        """Of the output."""
        return Grid(self.output_quantizer.scale(tf.zeros([1])), 0, 8)


def quartered() -> NDArray[np.int8]:
    """int8 (256,): the stored output for each stored sum, -128 first."""
    level = np.arange(-128, 128)
    return np.where(level >= 0, level, np.rint(level * SLOPE)).astype(np.int8)
