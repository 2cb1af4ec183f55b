# SPDX-License-Identifier: Apache-2.0
"""What every quantizer is: fake-quantise in training, and the very same integers at export.

A quantizer maps reals to levels `k` in [low, high] and back to `scale * k`. Levels are centred:
the stored integer is `k + zero_point`, so that after ReLU all 2^bits integers are used.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Kind = Literal["weight", "relu", "signed"]
FloatArray = NDArray[np.float64]

_CANDIDATES = 60
_SAMPLE = 20_000
# A channel whose weights are all zero still needs a step.
MIN_STEP = 1e-8


@dataclass(frozen=True)
class Spec:
    """What is quantised.

    Attributes:
        kind: "weight" is symmetric without the lowest integer (2 bits: -1, 0, 1); "relu" has
            levels from 0; "signed" is symmetric with zero point 0.
        bits: 8, 4, 2 or 1; one bit holds -1 and 1.
        channels: number of scales; 1 for the whole tensor. They lie along the last axis.
    """

    kind: Kind
    bits: int
    channels: int = 1

    @property
    def low(self) -> int:
        """Lowest level."""
        if self.bits == 1:
            return -1
        return {
            "weight": -(1 << (self.bits - 1)) + 1,
            "relu": 0,
            "signed": -(1 << (self.bits - 1)),
        }[self.kind]

    @property
    def high(self) -> int:
        """Highest level."""
        if self.bits == 1:
            return 1
        return (1 << self.bits) - 1 if self.kind == "relu" else (1 << (self.bits - 1)) - 1

    @property
    def zero_point(self) -> int:
        """The stored integer of level 0."""
        return -(1 << (self.bits - 1)) if self.kind == "relu" and self.bits > 1 else 0


class Quantizer(keras.layers.Layer):
    """Base of the schemes; one instance a tensor.

    Input and output of a call have the same shape; gradients pass straight through where the
    input was not clipped (Bengio et al., arXiv:1308.3432).
    """

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(**options)
        self.spec = spec

    @abstractmethod
    def initialise(self, sample: FloatArray) -> None:
        """Choose the first scale from the weights, or from activations of training data."""

    @abstractmethod
    def scale(self, x: Any) -> Any:
        """Reals per level, tensor float32 (channels,); `x` is what is being quantised."""

    def call(self, x: Any, training: bool = False) -> Any:
        """`x` rounded to the levels, float32."""
        return fake_quantize(x, self.scale(x), self.spec)

    def levels(self, x: Any) -> NDArray[np.int64]:
        """The levels that `call` rounds `x` to, by the same arithmetic."""
        return np.asarray(_round_clip(x, self.scale(x), self.spec)[1]).astype(np.int64)

    def scale_value(self, x: Any = None) -> FloatArray:
        """The scale as it is exported: float64 numbers that are exact in float32, (channels,)."""
        return np.asarray(self.scale(x), np.float32).astype(np.float64).reshape(-1)


def _round_clip(x: Any, scale: Any, spec: Spec) -> tuple[Any, Any]:
    v = x / scale
    return v, tf.round(tf.clip_by_value(v, float(spec.low), float(spec.high)))


def fake_quantize(x: Any, scale: Any, spec: Spec) -> Any:
    """Round `x` to `scale` times a level of `spec`.

    Gradient of LSQ (Esser et al., arXiv:1902.08153, eq. 3 and 5): to x, 1 inside the range and 0
    outside; to the scale, (level - x/scale) inside and the clipped level outside. Schemes whose
    scale is not learned simply do not follow the second.

    Args:
        x: float32, channels last.
        scale: float32 (1,) or (channels,).
        spec: levels.
    """

    @tf.custom_gradient
    def apply(x: Any, scale: Any) -> Any:
        v, k = _round_clip(x, scale, spec)

        def gradient(upstream: Any) -> tuple[Any, Any]:
            inside = tf.cast((v >= float(spec.low)) & (v <= float(spec.high)), upstream.dtype)
            to_x = upstream * inside
            if scale.shape[0] == 1:
                to_scale = tf.reshape(tf.reduce_sum(upstream * k) - tf.reduce_sum(to_x * v), [1])
            else:
                axes = list(range(len(x.shape) - 1))
                to_scale = tf.reduce_sum(upstream * k - to_x * v, axes)
            return to_x, to_scale

        return k * scale, gradient

    return apply(x, scale)


def best_scale(sample: FloatArray, spec: Spec) -> FloatArray:
    """The scale of least squared error, float64 (spec.channels,).

    Tries `_CANDIDATES` fractions of the range of each channel (or of the whole tensor).

    Args:
        sample: weights with channels last, or activations of any shape.
        spec: levels.
    """
    flat = np.asarray(sample, np.float64)
    rows = flat.reshape(-1, spec.channels).T if spec.channels > 1 else flat.reshape(1, -1)
    if rows.shape[1] > _SAMPLE:
        rows = np.random.default_rng(0).permuted(rows, axis=1)[:, :_SAMPLE]
    if spec.kind == "relu":
        rows = np.maximum(rows, 0)
    top = np.maximum(np.abs(rows).max(axis=1), MIN_STEP * spec.high)
    best, error = top / spec.high, np.full(len(rows), np.inf)
    for fraction in np.linspace(1.0, 0.15, _CANDIDATES):
        scale = fraction * top / spec.high
        level = np.clip(np.rint(rows / scale[:, None]), spec.low, spec.high)
        wrong = np.square(level * scale[:, None] - rows).sum(axis=1)
        better = wrong < error
        best, error = np.where(better, scale, best), np.where(better, wrong, error)
    return best
