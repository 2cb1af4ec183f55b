# SPDX-License-Identifier: Apache-2.0
"""The run folder of an imported model: the Network, the model it is held against, and the report.

runs/<name>/network.tkn    the integer-only Network
            model.tflite   the file itself, or what it became when it was quantized here (weights
                           below 8 bits as int8 of few values): verify compares with it
            import.json    what each of its layers became, and what quantization did and cost
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.importer.lower import Imported, lower
from tinykit.importer.options import OnStep, Options, silent
from tinykit.importer.quantization import quantize_model
from tinykit.importer.tflite_reader import parse_tflite, read_bytes
from tinykit.importer.write_tflite import to_tflite
from tinykit.models.keras_to_tflite import SUFFIXES, keras_to_tflite
from tinykit.network.store import to_bytes

MODEL = "model.tflite"
REPORT = "import.json"


def import_network(model: Path) -> Imported:
    """Import a .tflite file of int8 operators, in memory.

    Raises:
        TinykitError: the file cannot be read, or as `parse_tflite` and `lower`.
    """
    return _imported(read_bytes(model), model.name, None)


def _metadata(data: bytes, name: str) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(data).hexdigest()}


def _imported(data: bytes, name: str, labels: Path | None) -> Imported:
    graph = parse_tflite(data, name)
    return lower(graph, labels=_labels(labels), metadata=_metadata(data, name))


def import_run(
    model: Path,
    out: Path | None = None,
    labels: Path | None = None,
    options: Options | None = None,
    on_step: OnStep = silent,
) -> tuple[Path, Imported]:
    """Import a model, quantizing it where it computes in floats or where that is asked.

    Args:
        model: a .tflite file of int8 or float operators, a .keras or an .h5 file.
        out: the run folder; runs/<name of the file> by default.
        labels: a text file of class names, one a line.
        options: how to quantize.
        on_step: told of progress.

    Returns:
        the run folder, and the Network in it with what it came from.

    Raises:
        TinykitError: a file cannot be read or written, or as `keras_to_tflite`, `parse_tflite`
            and `quantize_model`.
    """
    options = options or Options()
    options.check()
    original = read_bytes(model)
    data = _converted(model, on_step) if model.suffix.lower() in SUFFIXES else original
    quantized = quantize_model(
        parse_tflite(data, model.name),
        options,
        labels=_labels(labels),
        metadata=_metadata(original, model.name),
        on_step=on_step,
    )
    imported = quantized.imported
    directory = out or Path("runs") / model.stem
    document = {
        **_metadata(original, model.name),
        "network": imported.network.digest,
        "layers": [{"layer": name, "became": list(ops)} for name, ops in imported.became],
        "removed_channels": dict(imported.removed),
        "quantization": imported.quantization,
    }
    # Not a folder at once: results of earlier imports of the same name may be kept in it.
    content = data if quantized.graph is None else to_tflite(quantized.graph)
    write_atomic(directory / MODEL, content)
    write_atomic(directory / REPORT, json.dumps(document, indent=1) + "\n")
    write_atomic(directory / "network.tkn", to_bytes(imported.network))
    return directory, imported


def _converted(model: Path, on_step: OnStep) -> bytes:
    """What Keras saved, as the content of a .tflite file."""
    on_step("convert", 0, 1)
    data = keras_to_tflite(model)
    on_step("convert", 1, 1)
    return data


def _labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TinykitError(
            f"cannot be read: {error}.", where=path, remedy="Give a text file, one name a line."
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
