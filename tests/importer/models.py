# SPDX-License-Identifier: Apache-2.0
"""Models for the importer's tests, made by TensorFlow's converter: `python -m … FOLDER`.

Each is there in int8 (NAME.tflite) and in floats (float/NAME.tflite); some are in dynamic/ with
weights of int8 and activations of floats, and in keras/ as Keras saves them. TensorFlow and
tflite-runtime cannot share a process, so a test session runs this once and reads the files.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Layers = Callable[[Any, Any], Any]
"""From Keras and its input tensor to the output tensor."""


def _squeeze_excite(k: Any, x: Any) -> Any:
    x = k.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    mask = k.layers.GlobalAveragePooling2D(keepdims=True)(x)
    mask = k.layers.Conv2D(3, 1, activation="relu")(mask)
    mask = k.layers.Conv2D(6, 1, activation="sigmoid")(mask)
    return k.layers.Multiply()([x, mask])


def _residual(k: Any, x: Any) -> Any:
    first = k.layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x)
    second = k.layers.Conv2D(5, 3, padding="same")(first)
    return k.layers.ReLU()(k.layers.Add()([first, second]))


def _difference(k: Any, x: Any) -> Any:
    first = k.layers.Conv2D(4, 3, padding="same")(x)
    return k.layers.Subtract()([first, k.layers.Conv2D(4, 1)(x)])


def _constants(k: Any, x: Any) -> Any:
    scale = np.linspace(-1.5, 2.0, 4, dtype=np.float32)
    x = k.layers.MaxPooling2D(2)(k.layers.Conv2D(4, 2)(x))
    x = k.ops.multiply(x, scale)
    x = k.ops.add(x, scale[::-1].copy())
    return k.ops.subtract(k.ops.multiply(x, np.float32(0.7)), np.float32(0.3))


def _inception(k: Any, x: Any) -> Any:
    paths = [k.layers.Conv2D(3, size, padding="same", activation="relu")(x) for size in (1, 3)]
    paths.append(k.layers.MaxPooling2D(3, strides=1, padding="same")(x))
    return k.layers.Concatenate()(paths)


def _over_time(k: Any, x: Any) -> Any:
    first = k.layers.Conv1D(4, 3, padding="same")(x)
    second = k.layers.Conv1D(4, 5, padding="same", activation="relu")(x)
    return k.layers.Concatenate(axis=1)([first, second])


def _halves(k: Any, x: Any) -> Any:
    x = k.layers.Conv2D(4, 3, padding="same")(x)
    return x[:, 1:7:2, ::-1, 1:4]


def _corners(k: Any, x: Any) -> Any:
    x = k.ops.slice(k.layers.Conv2D(4, 3)(x), (0, 1, 0, 0), (1, 4, 3, 4))
    x = k.ops.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=0.5)
    x = k.ops.transpose(k.ops.expand_dims(k.ops.mean(x, axis=1), 1), (0, 3, 2, 1))
    return k.ops.squeeze(k.ops.relu(x), 3)


def _clipped(k: Any, x: Any) -> Any:
    x = k.ops.transpose(x, (0, 2, 1, 3))
    first, second = k.ops.relu6(x), k.ops.clip(x, -1.0, 1.0)
    return k.layers.Concatenate()([first, second])


def _encoder(k: Any, x: Any) -> Any:
    small = k.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    large = k.ops.image.resize(small, (8, 6), interpolation="nearest")
    return k.layers.Conv2D(2, 3, padding="same")(k.layers.Concatenate()([large, x]))


def _mobile(k: Any, x: Any) -> Any:
    x = k.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = k.layers.ReLU(6.0)(k.layers.BatchNormalization()(x))
    x = k.layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = k.layers.Conv2D(12, 1, activation="relu6")(x)
    x = k.layers.GlobalAveragePooling2D()(x)
    return k.layers.Dense(5, activation="softmax")(x)


def _chain(*names_and_arguments: tuple[str, dict[str, Any]]) -> Layers:
    def make(k: Any, x: Any) -> Any:
        for name, arguments in names_and_arguments:
            x = getattr(k.layers, name)(**arguments)(x)
        return x

    return make


_IMAGE = (8, 7, 3)
_CONV = ("Conv2D", {"filters": 4, "kernel_size": 3})

MODELS: dict[str, tuple[tuple[int, ...], Layers]] = {
    "conv_valid": (_IMAGE, _chain(("Conv2D", {"filters": 5, "kernel_size": (3, 2)}))),
    "conv_stride": (
        _IMAGE,
        _chain(("Conv2D", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"})),
    ),
    "conv_dilation": (
        (9, 9, 2),
        _chain(("Conv2D", {"filters": 3, "kernel_size": 3, "dilation_rate": 2})),
    ),
    "depthwise_multiplier": (
        _IMAGE,
        _chain(("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"})),
    ),
    "dense": (
        (17,),
        _chain(("Dense", {"units": 9, "activation": "relu"}), ("Dense", {"units": 4})),
    ),
    "dense_over_time": ((6, 5), _chain(("Dense", {"units": 4}))),
    "conv_1d": (
        (20, 3),
        _chain(
            ("Conv1D", {"filters": 6, "kernel_size": 5, "activation": "relu"}),
            ("MaxPooling1D", {"pool_size": 2}),
            ("GlobalAveragePooling1D", {}),
        ),
    ),
    "residual": (_IMAGE, _residual),
    "difference": (_IMAGE, _difference),
    "squeeze_excite": (_IMAGE, _squeeze_excite),
    "constants": (_IMAGE, _constants),
    "inception": (_IMAGE, _inception),
    "over_time": ((12, 3), _over_time),
    "average_pool": (
        _IMAGE,
        _chain(_CONV, ("AveragePooling2D", {"pool_size": 2, "padding": "same"})),
    ),
    "max_pool": (_IMAGE, _chain(_CONV, ("MaxPooling2D", {"pool_size": (3, 2)}))),
    "global_average": (_IMAGE, _chain(_CONV, ("GlobalAveragePooling2D", {"keepdims": True}))),
    "mean_of_channels": (
        _IMAGE,
        lambda k, x: k.ops.mean(k.layers.Conv2D(4, 3)(x), axis=3),
    ),
    "padded_conv": (
        _IMAGE,
        _chain(
            ("ZeroPadding2D", {"padding": ((0, 1), (1, 0))}),
            ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2}),
        ),
    ),
    "padded_pool": (
        _IMAGE,
        _chain(_CONV, ("ZeroPadding2D", {"padding": 1}), ("MaxPooling2D", {"pool_size": 3})),
    ),
    "flatten": (_IMAGE, _chain(_CONV, ("Flatten", {}), ("Dense", {"units": 6}))),
    "reshape": (_IMAGE, _chain(("Reshape", {"target_shape": (4, 14, 3)}), _CONV)),
    "permute": (_IMAGE, _chain(_CONV, ("Permute", {"dims": (3, 1, 2)}))),
    "permute_for_free": (
        (10, 4),
        _chain(("Reshape", {"target_shape": (10, 1, 4)}), ("Permute", {"dims": (2, 1, 3)})),
    ),
    "slice": (_IMAGE, _halves),
    "softmax": ((12,), _chain(("Dense", {"units": 7, "activation": "softmax"}))),
    "softmax_of_pixels": (_IMAGE, _chain(_CONV, ("Softmax", {}))),
    "sigmoid": ((12,), _chain(("Dense", {"units": 7, "activation": "sigmoid"}))),
    "tanh": (_IMAGE, _chain(_CONV, ("Activation", {"activation": "tanh"}))),
    "hard_swish": (_IMAGE, _chain(_CONV, ("Activation", {"activation": "hard_swish"}))),
    "relu_alone": (_IMAGE, _chain(("MaxPooling2D", {"pool_size": 2}), ("ReLU", {}))),
    "relu6_alone": (
        _IMAGE,
        _chain(("MaxPooling2D", {"pool_size": 2}), ("ReLU", {"max_value": 6.0})),
    ),
    "leaky_relu": (_IMAGE, _chain(_CONV, ("LeakyReLU", {"negative_slope": 0.2}))),
    "prelu": (
        _IMAGE,
        _chain(_CONV, ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "glorot_uniform"})),
    ),
    "prelu_of_values": (_IMAGE, _chain(_CONV, ("PReLU", {"alpha_initializer": "glorot_uniform"}))),
    "encoder": ((8, 6, 3), _encoder),
    "corners": (_IMAGE, _corners),
    "clipped": (_IMAGE, _clipped),
    "mobile": ((16, 16, 3), _mobile),
}
"""Input shapes and layers; each model ends in whatever the last layer gives."""

ENDS: dict[str, str] = {"float_ends": "float32", "uint8_ends": "uint8"}
"""Models whose input and output are not int8, and what they are; "mobile" otherwise."""


RECURRENT = ("lstm",)
"""Models that go over time; the converter knows an LSTM layer by an attribute of its function."""


DYNAMIC = ("mobile", "flatten", "residual")
"""Models that are there with weights of int8 and activations of floats too."""

SAVED = ("mobile", "conv_1d")
"""Models that are there as `.keras` too; the first also as `.h5`."""


def main(folder: Path) -> None:
    """Write all of them."""
    import keras
    import tensorflow as tf

    for part in ("float", "dynamic", "keras"):
        (folder / part).mkdir()
    for name, (shape, layers) in MODELS.items():
        seed = len(name) + sum(map(ord, name))
        keras.utils.set_random_seed(seed)
        source = keras.Input(shape, batch_size=1)
        model = keras.Model(source, layers(keras, source))
        _draw_biases(model, seed)
        (folder / f"{name}.tflite").write_bytes(_converted(tf, model, shape, tf.int8))
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        (folder / "float" / f"{name}.tflite").write_bytes(converter.convert())
        if name in DYNAMIC:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            (folder / "dynamic" / f"{name}.tflite").write_bytes(converter.convert())
        if name in SAVED:
            model.save(folder / "keras" / f"{name}.keras")
        if name == "mobile":
            model.save(folder / "keras" / f"{name}.h5")
            for other, dtype in ENDS.items():
                content = _converted(tf, model, shape, getattr(tf, dtype))
                (folder / f"{other}.tflite").write_bytes(content)
    _save_with_code(keras, folder / "keras" / "lambda.keras")
    for name in RECURRENT:
        (folder / f"{name}.tflite").write_bytes(_recurrent(tf, name))


def _lstm_steps(tf: Any, x: Any, h: Any, c: Any, kernel: Any, back: Any, bias: Any) -> Any:
    """What Keras 2 calls for an LSTM layer on (1, steps, features), and gives back."""
    outputs = []
    for step in tf.unstack(x, axis=1):
        sums = tf.matmul(step, kernel) + tf.matmul(h, back) + bias
        i, f, g, o = tf.split(sums, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        outputs.append(h)
    return h, tf.stack(outputs, axis=1), h, c, tf.constant(1.0)


def _recurrent(tf: Any, name: str) -> bytes:
    """Two LSTMs, the second of which gives its last output only, and a dense layer."""
    rng, shape, cells = np.random.default_rng(len(name)), (9, 5), (7, 6)

    def drawn(*sides: int) -> Any:
        return tf.Variable(rng.normal(0, 1 / np.sqrt(sides[0]), sides).astype(np.float32))

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = [
                (drawn(inputs, 4 * units), drawn(units, 4 * units), drawn(4 * units))
                for inputs, units in zip((shape[1], *cells), cells, strict=False)
            ]
            self.head = drawn(cells[1], 4)
            self.layers = [
                tf.function(
                    lambda *values: _lstm_steps(tf, *values),
                    experimental_attributes={
                        "api_implements": f"lstm_{index}",
                        "api_preferred_device": "CPU",
                        "time_major": False,
                        "go_backwards": False,
                    },
                )
                for index in range(2)
            ]

        @tf.function(input_signature=[tf.TensorSpec((1, *shape), tf.float32)])  # type: ignore[untyped-decorator]
        def run(self, x: Any) -> Any:
            for index, (layer, weights) in enumerate(zip(self.layers, self.weights, strict=True)):
                zeros = tf.zeros((1, cells[index]))
                # The first result is the last output, the second all of them.
                values = (one.read_value() for one in weights)
                x = layer(x, zeros, zeros, *values)[1 - index]
            return tf.matmul(x, self.head.read_value())

    model = Model()
    with tempfile.TemporaryDirectory() as saved:
        tf.saved_model.save(model, saved, signatures=model.run)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        return _quantized(tf, converter, shape, tf.int8)


def _draw_biases(model: Any, seed: int) -> None:
    """Keras starts them at 0, which would hide what goes wrong with them."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "bias":
            weight.assign(rng.normal(0, 0.3, weight.shape))


def _save_with_code(keras: Any, path: Path) -> None:
    source = keras.Input((4,))
    result = keras.layers.Lambda(lambda x: x * 2)(keras.layers.Dense(3)(source))
    keras.Model(source, result).save(path)


def _converted(tf: Any, model: Any, shape: tuple[int, ...], dtype: Any) -> bytes:
    return _quantized(tf, tf.lite.TFLiteConverter.from_keras_model(model), shape, dtype)


def _quantized(tf: Any, converter: Any, shape: tuple[int, ...], dtype: Any) -> bytes:
    rng = np.random.default_rng(0)
    data = rng.normal(0, 1, (50, 1, *shape)).astype(np.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one] for one in data)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = dtype
    # The runtime that the tests compare with knows one scale in a dense layer.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    content: bytes = converter.convert()
    return content


if __name__ == "__main__":
    main(Path(sys.argv[1]))
