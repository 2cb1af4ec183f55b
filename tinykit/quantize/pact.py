# SPDX-License-Identifier: Apache-2.0
"""PACT: the clipping level of an activation is learned (after Choi et al., arXiv:1805.06085)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tinykit.quantize.quantizer import MIN_STEP, FloatArray, Quantizer, Spec, fake_quantize

# Weight of alpha^2 in the loss, as for the weights in the paper's training.
_DECAY = 2e-4


class Pact(Quantizer):
    """Learned clip alpha; only clipped inputs move it (the paper's eq. 3), and a decay pulls it in.

    Departure from the paper: alpha starts at the largest activation seen in calibration, not at 6,
    because the range of our features is known. Logits ("signed") are clipped on both sides.
    """

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.alpha = self.add_weight(
            name="alpha",
            shape=(spec.channels,),
            initializer="ones",
            trainable=True,
            regularizer=lambda alpha: _DECAY * tf.reduce_sum(tf.square(alpha)),
        )

    def initialise(self, sample: FloatArray) -> None:
        top = np.max(sample if self.spec.kind == "relu" else np.abs(sample))
        self.alpha.assign(np.full(self.spec.channels, max(float(top), MIN_STEP), np.float32))

    def scale(self, x: Any) -> Any:
        top = float(max(self.spec.high, -self.spec.low))
        return tf.maximum(tf.convert_to_tensor(self.alpha), MIN_STEP) / top

    def call(self, x: Any, training: bool = False) -> Any:
        alpha = tf.maximum(tf.convert_to_tensor(self.alpha), MIN_STEP)
        floor = 0.0 if self.spec.kind == "relu" else -alpha
        clipped = tf.minimum(tf.maximum(x, floor), alpha)
        # Straight through the rounding, not through its clip, which would cut alpha's gradient.
        return clipped + tf.stop_gradient(fake_quantize(x, self.scale(x), self.spec) - clipped)
