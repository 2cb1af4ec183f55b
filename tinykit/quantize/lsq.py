# SPDX-License-Identifier: Apache-2.0
"""LSQ: the step size is learned with the weights (after Esser et al., arXiv:1902.08153)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tinykit.quantize.quantizer import MIN_STEP, FloatArray, Quantizer, Spec, best_scale


class Lsq(Quantizer):
    """Learned step size.

    Two departures from the paper. The logarithm of the step is what is learned, as in TQT
    (arXiv:1903.08066): it stays positive, and an optimiser that normalises gradients then changes
    every step by the same relative amount, whatever its size. The step starts where the squared
    error is least instead of at 2 mean|w| / sqrt(high), which wastes range at 8 bits.
    """

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.log_step = self.add_weight(
            name="log_step", shape=(spec.channels,), initializer="zeros", trainable=True
        )

    def initialise(self, sample: FloatArray) -> None:
        step = np.maximum(best_scale(sample, self.spec), MIN_STEP)
        self.log_step.assign(np.log(step).astype(np.float32))

    def scale(self, x: Any) -> Any:
        return tf.exp(tf.convert_to_tensor(self.log_step))
