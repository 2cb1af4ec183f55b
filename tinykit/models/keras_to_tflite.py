# SPDX-License-Identifier: Apache-2.0
"""A saved Keras model as a float .tflite file, by TensorFlow's converter in a process of its own.

TensorFlow and tflite-runtime cannot live in one process, and a model file is not to be trusted:
its configuration is read as JSON first, and what could run code of its own is refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError

SUFFIXES = (".keras", ".h5", ".hdf5")

_MOST_CONFIG = 1 << 26
# Bytes that an archive may unpack to; the headers bind whoever reads it.
_MOST_CONTENT = 1 << 30
# What holds Python code, or another model's file, in its configuration.
_CODE = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer"}
_REFUSED = 3


def keras_to_tflite(path: Path) -> bytes:
    """The content of a float .tflite file that computes what a Keras model does, batch 1.

    Args:
        path: `.keras`, or `.h5` of a whole model.

    Raises:
        TinykitError: the file is no such model, holds code (Lambda layers) or layers of its own,
            has several inputs or sides that are not known, or cannot be converted.
    """
    if not path.is_file():
        raise TinykitError("is not there.", where=path, remedy="Name a .keras or .h5 file.")
    with tempfile.TemporaryDirectory(prefix="tinykit-keras-") as folder:
        result = Path(folder) / "model.tflite"
        done = subprocess.run(
            [sys.executable, "-m", "tinykit.models.keras_to_tflite", str(path), str(result)],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        )
        if done.returncode == _REFUSED:
            answer = json.loads(done.stdout.splitlines()[-1])
            raise TinykitError(answer["error"], where=path, remedy=answer["remedy"])
        if done.returncode != 0 or not result.exists():
            lines = done.stderr.strip().splitlines() or ["TensorFlow ended without a word"]
            raise TinykitError(
                f"cannot be converted: {lines[-1][:300]}.",
                where=path,
                remedy="Convert it to .tflite yourself, and import that.",
            )
        return result.read_bytes()


def check_config(config: Any) -> None:
    """Refuse a model's configuration that holds or names code outside Keras.

    Keras' own safe mode refuses Lambda layers of `.keras` files; this covers `.h5` too, and any
    module that a configuration would have Keras import.

    Args:
        config: decoded JSON.

    Raises:
        TinykitError: names the layer.
    """
    for part in _dictionaries(config):
        kind, module = part.get("class_name"), part.get("module")
        inner = part.get("config")
        name = inner.get("name", kind) if isinstance(inner, dict) else kind
        if kind in _CODE:
            raise TinykitError(
                f"layer {str(name)[:80]} is a {kind}, which holds code.",
                remedy="Replace it with Keras' own layers, or import a .tflite file.",
            )
        outside = isinstance(module, str) and module.split(".")[0] not in ("keras", "builtins")
        if module is not None and (outside or not isinstance(module, str)):
            raise TinykitError(
                f"layer {str(name)[:80]} comes from the module {str(module)[:80]}.",
                remedy="Only Keras' own layers are loaded; import a .tflite file.",
            )


def _dictionaries(config: Any) -> Iterator[dict[str, Any]]:
    waiting = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _config(path: Path) -> Any:
    """The configuration that a model file holds."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MOST_CONFIG:
                raise ValueError("its configuration is too large")
            if sum(member.file_size for member in archive.infolist()) > _MOST_CONTENT:
                raise ValueError("what it holds is too large")
            return json.loads(archive.read("config.json"))
    import h5py  # type: ignore[import-untyped]

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ValueError("it holds weights only, no model")
        return json.loads(text)


def _convert(path: Path, result: Path) -> None:
    try:
        check_config(_config(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError) as error:
        raise TinykitError(
            f"is no Keras model: {str(error)[:200]}.",
            remedy="Save the whole model with model.save('model.keras').",
        ) from error
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(
        path, custom_objects=_older_layers(), compile=False, safe_mode=True
    )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise TinykitError(
            f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs.",
            remedy="Save a model with one of each.",
        )
    sides = tuple(model.inputs[0].shape)[1:]
    if any(side is None for side in sides):
        raise TinykitError(
            f"takes inputs of the shape {sides}.",
            remedy="Build it with a fixed input shape, every side but the batch's.",
        )
    # With a batch of 1, all shapes are constants to the converter.
    single = keras.Input(batch_shape=(1, *sides), dtype=model.inputs[0].dtype)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(single, model(single)))
    result.write_bytes(converter.convert())


def _older_layers() -> dict[str, Any]:
    """Layers that read what Keras 2 wrote."""
    from keras import layers

    class DepthwiseConv2D(layers.DepthwiseConv2D):
        def __init__(self, *arguments: Any, groups: int = 1, **options: Any) -> None:
            if groups != 1:
                raise ValueError(f"a DepthwiseConv2D of {groups} groups")
            super().__init__(*arguments, **options)

    return {"DepthwiseConv2D": DepthwiseConv2D}


def _main() -> int:
    try:
        _convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except TinykitError as error:
        print(json.dumps(error.as_dict()))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main())
