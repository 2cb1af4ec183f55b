# SPDX-License-Identifier: Apache-2.0
"""AdamW as few operations a variable: small networks spend their time between operations.

The same arithmetic as keras.optimizers.AdamW, whose graph takes several times as long to trace
and, where layers have a few hundred weights, twice as long to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class AdamW:
    """Adam (Kingma and Ba, arXiv:1412.6980) with decoupled decay (arXiv:1711.05101).

    Attributes:
        variables: state, for checkpoints: the count of steps, then two moments a weight tensor.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        schedule: Callable[[Any], Any],
        *,
        decay: float,
        decays: Callable[[Any], bool],
        clip: float,
    ) -> None:
        """Make the state of an optimizer.

        Args:
            weights: Keras variables, float32.
            schedule: learning rate from the number of steps done.
            decay: share of a weight, times the learning rate, that a step takes off.
            decays: whether a weight decays.
            clip: greatest norm of a weight tensor's gradient.
        """
        self.schedule, self.decay, self.clip = schedule, decay, clip
        self.targets = [(one.value, decays(one)) for one in weights]
        self.step = tf.Variable(0, dtype=tf.int64)
        self.moments = [
            (tf.Variable(tf.zeros(one.shape)), tf.Variable(tf.zeros(one.shape)))
            for one, _ in self.targets
        ]

    @property
    def variables(self) -> list[Any]:
        return [self.step, *(moment for pair in self.moments for moment in pair)]

    @property
    def learning_rate(self) -> Any:
        """Of the step to come."""
        return self.schedule(self.step)

    def apply(self, gradients: Sequence[Any]) -> None:
        """One step; gradients are in the order of the weights."""
        rate = tf.cast(self.learning_rate, tf.float32)
        power = tf.cast(self.step + 1, tf.float32)
        beta_1_power, beta_2_power = tf.pow(_BETA_1, power), tf.pow(_BETA_2, power)
        for gradient, (target, decays), (first, second) in zip(
            gradients, self.targets, self.moments, strict=True
        ):
            if self.decay and decays:
                target.assign_sub(target * (self.decay * rate))
            tf.raw_ops.ResourceApplyAdam(
                var=target.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate,
                beta1=_BETA_1,
                beta2=_BETA_2,
                epsilon=_EPSILON,
                grad=tf.clip_by_norm(gradient, self.clip),
            )
        self.step.assign_add(1)


def warm_cosine(peak: float, *, warmup: int, total: int) -> Callable[[Any], Any]:
    """Learning rate by step: up to `peak` in a line, then down to zero as half a cosine."""
    falling = max(total - warmup, 1)

    def rate(step: Any) -> Any:
        now = tf.cast(step, tf.float32)
        share = tf.clip_by_value((now - float(warmup)) / float(falling), 0.0, 1.0)
        down = np.float32(peak) * 0.5 * (1.0 + tf.cos(math.pi * share))
        return tf.where(now < float(warmup), peak * now / float(max(warmup, 1)), down)

    return rate
