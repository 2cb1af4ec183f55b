# SPDX-License-Identifier: Apache-2.0
"""A Blueprint as a float Keras model of stock layers, so that model.keras opens anywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

from tinykit.models.blueprint import (
    Blueprint,
    Columns,
    Conv,
    Depthwise,
    Drop,
    Flatten,
    GlobalPool,
    Join,
    Layer,
    Linear,
    Pool,
    Residual,
    Shape,
    Sign,
)

BN_MOMENTUM = 0.97
BN_EPSILON = 1e-3


def build(blueprint: Blueprint, *, seed: int, fused: bool = False) -> Any:
    """The float model: features (batch, *input_shape) to logits (batch, classes).

    With exits it gives a list: the logits of each exit and, last, of the end. Layers carry the
    Blueprint's names; batch normalisation is `<name>_bn`.

    Args:
        blueprint: the architecture.
        seed: of the initial weights and of dropout.
        fused: batch normalisation by TensorFlow's fused kernel, which trains a quarter faster on
            a CPU; `stock` gives the same model in layers that any Keras can load.
    """
    import keras

    keras.utils.set_random_seed(seed)
    start, shapes = keras.Input(blueprint.input_shape), blueprint.shapes()
    if not blueprint.reads:
        model = keras.Sequential([start], name=blueprint.name)
        for index, layer in enumerate(blueprint.layers):
            for part in _keras_layers(layer, shapes[layer.name], seed + index, fused):
                model.add(part)
        return model
    values, sources = {"": start}, blueprint.sources()
    for index, layer in enumerate(blueprint.layers):
        inputs = [values[name] for name in sources[layer.name]]
        x = inputs if isinstance(layer, Join | Residual) else inputs[0]
        for part in _keras_layers(layer, shapes[layer.name], seed + index, fused):
            x = part(x)
        values[layer.name] = x
    ends = [values[name] for name in (*blueprint.exits, blueprint.layers[-1].name)]
    return keras.Model(start, ends if blueprint.exits else ends[0], name=blueprint.name)


def stock(model: Any, blueprint: Blueprint) -> Any:
    """`model` with its weights in Keras' own layers."""
    copy = build(blueprint, seed=0)
    copy.set_weights(model.get_weights())
    return copy


def _keras_layers(layer: Layer, shape: Shape, seed: int, fused: bool) -> list[Any]:
    from keras import initializers, layers

    if isinstance(layer, Drop):
        return [layers.Dropout(layer.rate, seed=seed, name=layer.name)]
    if isinstance(layer, Join):
        return [layers.Concatenate(name=layer.name)]
    if isinstance(layer, Residual):
        return [layers.Add(name=layer.name), layers.LeakyReLU(0.25, name=f"{layer.name}_prelu")]
    if isinstance(layer, Sign):
        return []
    if isinstance(layer, Columns):
        return [layers.Reshape(shape, name=layer.name)]
    if isinstance(layer, GlobalPool):
        return [layers.GlobalAveragePooling2D(name=layer.name)]
    if isinstance(layer, Flatten):
        return [layers.Flatten(name=layer.name)]
    if isinstance(layer, Pool):
        kind = layers.MaxPooling2D if layer.kind == "max" else layers.AveragePooling2D
        return [kind(layer.size, name=layer.name)]
    start = initializers.HeNormal(seed=seed)
    if isinstance(layer, Linear):
        dense = layers.Dense(
            layer.units, kernel_initializer=initializers.GlorotUniform(seed=seed), name=layer.name
        )
        return [dense, *_relu(layer)]
    common = {"padding": layer.padding, "use_bias": False, "name": layer.name}
    if isinstance(layer, Conv):
        linear = layers.Conv2D(
            layer.filters, layer.kernel, layer.stride, kernel_initializer=start, **common
        )
    else:
        linear = layers.DepthwiseConv2D(
            layer.kernel, layer.stride, depthwise_initializer=start, **common
        )
    norm = (fused_normalization() if fused else layers.BatchNormalization)(
        momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=f"{layer.name}_bn"
    )
    return [linear, norm, *_relu(layer)]


def _relu(layer: Conv | Depthwise | Linear) -> list[Any]:
    from keras import layers

    return [layers.ReLU(name=f"{layer.name}_relu")] if layer.relu else []


@cache
def fused_normalization() -> type[Any]:
    """keras.layers.BatchNormalization whose training pass is one TensorFlow kernel."""
    import tensorflow as tf
    from keras import layers

    class FusedBatchNormalization(layers.BatchNormalization):
        def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
            if not training:
                return super().call(inputs, training=False)
            out, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
                inputs,
                tf.convert_to_tensor(self.gamma),
                tf.convert_to_tensor(self.beta),
                epsilon=self.epsilon,
            )
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(self.momentum * moving + (1.0 - self.momentum) * now)
            return out

    return FusedBatchNormalization
