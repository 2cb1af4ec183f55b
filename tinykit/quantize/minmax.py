# SPDX-License-Identifier: Apache-2.0
"""Linear quantization over the observed range (Jacob et al., arXiv:1712.05877, section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tinykit.quantize.quantizer import MIN_STEP, FloatArray, Quantizer, Spec, fake_quantize

# The paper averages activation ranges over thousands of steps; our trainings have hundreds.
_MOMENTUM = 0.99


class MinMax(Quantizer):
    """Weights: the largest magnitude of each channel now. Activations: its moving average."""

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.top = self.add_weight(
            name="top", shape=(spec.channels,), initializer="ones", trainable=False
        )

    def initialise(self, sample: FloatArray) -> None:
        if self.spec.kind != "weight":
            top = np.max(sample if self.spec.kind == "relu" else np.abs(sample))
            self.top.assign(np.full(self.spec.channels, max(float(top), MIN_STEP), np.float32))

    def scale(self, x: Any) -> Any:
        if self.spec.kind == "weight":
            return tf.maximum(self._largest(x), MIN_STEP) / float(self.spec.high)
        return tf.maximum(tf.convert_to_tensor(self.top), MIN_STEP) / float(self.spec.high)

    def call(self, x: Any, training: bool = False) -> Any:
        if training and self.spec.kind != "weight":
            now = tf.stop_gradient(self._largest(x))
            self.top.assign(_MOMENTUM * self.top + (1 - _MOMENTUM) * now)
        return fake_quantize(x, tf.stop_gradient(self.scale(x)), self.spec)

    def _largest(self, x: Any) -> Any:
        axes = list(range(len(x.shape) - 1)) if self.spec.channels > 1 else None
        size = x if self.spec.kind == "relu" else tf.abs(x)
        return tf.reshape(tf.reduce_max(size, axes), [self.spec.channels])
