# SPDX-License-Identifier: Apache-2.0
"""The run folder of an imported model: the Network, a copy of the file, and what became of it.

runs/<name>/network.tkn    the integer-only Network
            model.tflite   the file itself; later stages hold the Network against it
            import.json    what each of its layers became
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.importer.lower import Imported, lower
from tinykit.importer.tflite_reader import parse_tflite, read_bytes
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
    model: Path, out: Path | None = None, labels: Path | None = None
) -> tuple[Path, Imported]:
    """Import a .tflite file of int8 operators.

    Args:
        model: the file.
        out: the run folder; runs/<name of the file> by default.
        labels: a text file of class names, one a line.

    Returns:
        the run folder, and the Network in it with what it came from.

    Raises:
        TinykitError: a file cannot be read or written, or as `parse_tflite` and `lower`.
    """
    data = read_bytes(model)
    imported = _imported(data, model.name, labels)
    directory = out or Path("runs") / model.stem
    document = {
        **_metadata(data, model.name),
        "network": imported.network.digest,
        "layers": [{"layer": name, "became": list(ops)} for name, ops in imported.became],
        "removed_channels": dict(imported.removed),
    }
    # Not a folder at once: results of earlier imports of the same name may be kept in it.
    write_atomic(directory / MODEL, data)
    write_atomic(directory / REPORT, json.dumps(document, indent=1) + "\n")
    write_atomic(directory / "network.tkn", to_bytes(imported.network))
    return directory, imported


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
