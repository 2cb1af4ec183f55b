# SPDX-License-Identifier: Apache-2.0
"""Bit widths as weights of a mixture, so that gradient descent can choose among them.

After Van Delm et al., HW-aware differentiable precision (arXiv:2206.07741) and DNAS (Wu et al.,
arXiv:1812.00090): a tensor is quantised at every width, and the results are mixed by a softmax over
one learned number a width. The loss holds the cost that the softmax expects, and the softmax grows
sharper as training goes on, until one width is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tinykit.models.blueprint import Blueprint
from tinykit.quantize.lsq import Lsq
from tinykit.quantize.policy import WIDTHS, LayerBits, Policy
from tinykit.quantize.qat import QatModel, Schemes
from tinykit.quantize.quantizer import FloatArray, Quantizer, Spec

# An optimizer that normalises gradients moves every number at one pace; choices must be quicker.
_PACE = 10.0


class Mixed(Quantizer):
    """LSQ at every width, mixed; scale and levels are those of 8 bits."""

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(Spec(spec.kind, 8, spec.channels), **options)
        self.parts = [
            Lsq(Spec(spec.kind, bits, spec.channels), name=f"bits{bits}") for bits in WIDTHS
        ]
        self.choice = self.add_weight(name="choice", shape=(len(WIDTHS),), initializer="zeros")
        self.temperature: Any = 1.0

    def initialise(self, sample: FloatArray) -> None:
        for part in self.parts:
            part.initialise(sample)

    def scale(self, x: Any) -> Any:
        return self.parts[0].scale(x)

    def shares(self) -> Any:
        """Share of each width, (widths,); they sum to 1."""
        return tf.nn.softmax(_PACE * tf.convert_to_tensor(self.choice) / self.temperature)

    def call(self, x: Any, training: bool = False) -> Any:
        shares = tf.unstack(self.shares())
        return tf.add_n([s * part(x) for s, part in zip(shares, self.parts, strict=True)])

    def chosen(self) -> int:
        """The width of the largest share; the narrower of equals."""
        shares = np.asarray(self.choice)
        return min(w for w, s in zip(WIDTHS, shares, strict=True) if s == shares.max())


@dataclass(frozen=True)
class Cost:
    """What widths cost, relative to 8 bits everywhere.

    Attributes:
        weight_bytes: at 8 bits, by layer.
        activation_bytes: of each layer's output at 8 bits.
        instructions: by layer, (weight widths, input widths) in the order of WIDTHS.
        memory, time: how much of the loss a halving of each is worth.
    """

    weight_bytes: Mapping[str, float]
    activation_bytes: Mapping[str, float]
    instructions: Mapping[str, FloatArray]
    memory: float
    time: float


class MixedModel(QatModel):
    """A QatModel that learns its bit widths.

    Attributes:
        strength: of the cost in the loss.
        temperature: of the softmax; falls from 1 by `cooling` a step.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        input_scale: float,
        cost: Cost,
        *,
        strength: float,
        steps: int,
        coldest: float = 0.1,
    ) -> None:
        schemes = Schemes("mixed", "mixed")
        super().__init__(blueprint, Policy(LayerBits(8, 8)), schemes, input_scale)
        self.cost, self.strength = cost, strength
        self.cooling = coldest ** (1.0 / max(steps, 1))
        self.temperature = tf.Variable(1.0, trainable=False)
        for part in self.parts:
            for quantizer in (part.weight_quantizer, part.output_quantizer):
                quantizer.temperature = self.temperature

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.temperature.assign(self.temperature * self.cooling)
        return super().call(x, training=training)

    @property
    def losses(self) -> list[Any]:
        return [self.strength * self.expected_cost()]

    def expected_cost(self) -> Any:
        """Bytes and instructions that the shares expect, against all at 8 bits; a scalar."""
        cost = self.cost
        widths = tf.constant([bits / 8 for bits in WIDTHS], tf.float32)
        stored = held = time = tf.constant(0.0)
        # The front end gives 8 bits.
        seen = tf.one_hot(0, len(WIDTHS))
        for index, part in enumerate(self.parts):
            weights = part.weight_quantizer.shares()
            table = tf.constant(cost.instructions[part.name], tf.float32)
            stored += cost.weight_bytes[part.name] * tf.reduce_sum(weights * widths)
            time += tf.reduce_sum(weights[:, None] * seen[None, :] * table)
            seen = part.output_quantizer.shares()
            if index < len(self.parts) - 1:
                held += cost.activation_bytes[part.name] * tf.reduce_sum(seen * widths)
        memory = (stored + held) / (
            sum(cost.weight_bytes.values()) + sum(list(cost.activation_bytes.values())[:-1])
        )
        time /= sum(float(table[0, 0]) for table in cost.instructions.values())
        return cost.memory * memory + cost.time * time

    def policy(self) -> dict[str, str]:
        """Bits of each layer by name; the logits have 8."""
        bits = {
            part.name: (part.weight_quantizer.chosen(), part.output_quantizer.chosen())
            for part in self.parts
        }
        last = self.parts[-1].name
        bits[last] = (bits[last][0], 8)
        return {name: f"w{weights}a{activations}" for name, (weights, activations) in bits.items()}
