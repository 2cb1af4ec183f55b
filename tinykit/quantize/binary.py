# SPDX-License-Identifier: Apache-2.0
"""One bit: values of -1 and +1, whose sign has no useful gradient, so that one is made up.

Weights follow XNOR-Net (Rastegari et al., arXiv:1603.05279): a channel's sign times its mean
magnitude, with the gradient of a clip (Courbariaux et al., arXiv:1602.02830). Activations follow
Bi-Real Net (Liu et al., arXiv:1808.00278): the gradient of a piecewise polynomial that is closer
to a step than the clip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.quantize.quantizer import MIN_STEP, FloatArray, Quantizer


def approx_sign(x: Any) -> Any:
    """+1 where x >= 0, else -1; float32, the shape of `x`.

    Gradient: 2 - 2|x| within [-1, 1], else 0 (arXiv:1808.00278, eq. 6).
    """

    @tf.custom_gradient
    def apply(x: Any) -> Any:
        return _signs(x), lambda upstream: upstream * tf.maximum(2.0 - 2.0 * tf.abs(x), 0.0)

    return apply(x)


def narrow_sign(x: Any, window: float) -> Any:
    """The same with a gradient of 1 where |x| < window: only what lies near it moves a threshold.

    Args:
        x: float32.
        window: in units of x.
    """

    @tf.custom_gradient
    def apply(x: Any) -> Any:
        near = tf.cast(tf.abs(x) < window, x.dtype)
        return _signs(x), lambda upstream: upstream * near

    return apply(x)


class BinaryWeights(Quantizer):
    """sign(w) times the mean magnitude of the channel; its gradient is 1 within [-1, 1], else 0.

    Attributes:
        passes: the weights are left as they are: the first of two stages of training, in which
            only activations have one bit (Martinez et al., arXiv:2003.11535, section 4.1).
    """

    passes = False

    def initialise(self, sample: FloatArray) -> None:
        """The scale follows from the weights."""

    def scale(self, x: Any) -> Any:
        axes = list(range(len(x.shape) - 1)) if self.spec.channels > 1 else None
        mean = tf.reshape(tf.reduce_mean(tf.abs(x), axes), [self.spec.channels])
        return tf.maximum(tf.stop_gradient(mean), MIN_STEP)

    def call(self, x: Any, training: bool = False) -> Any:
        if self.passes:
            return x
        clipped = tf.clip_by_value(x, -1.0, 1.0)
        return clipped + tf.stop_gradient(_signs(x) * self.scale(x) - clipped)

    def levels(self, x: Any) -> NDArray[np.int64]:
        return np.asarray(_signs(tf.convert_to_tensor(x))).astype(np.int64)


class BinaryActivation(Quantizer):
    """The sign of an activation; batch normalisation before it learns where it changes."""

    def initialise(self, sample: FloatArray) -> None:
        """There is nothing to choose."""

    def scale(self, x: Any) -> Any:
        return tf.ones([1], tf.float32)

    def call(self, x: Any, training: bool = False) -> Any:
        return approx_sign(x)

    def levels(self, x: Any) -> NDArray[np.int64]:
        return np.asarray(_signs(tf.convert_to_tensor(x))).astype(np.int64)


def _signs(x: Any) -> Any:
    return tf.where(x >= 0, tf.ones_like(x), -tf.ones_like(x))
