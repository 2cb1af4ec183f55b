# SPDX-License-Identifier: Apache-2.0
"""Decoded arrays kept between runs, keyed by what they were made from and with."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.data.places import cache_root
from tinykit.errors import TinykitError
from tinykit.files import directory_atomic

Arrays = dict[str, npt.NDArray[Any]]


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of the loaders, so that a change of theirs never meets arrays of the old ones."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def fingerprint(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each file, in order: changes when any file does."""
    marks = []
    for file in files:
        status = file.stat()
        marks.append((str(file), status.st_size, status.st_mtime_ns))
    return marks


def cached(name: str, key: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make` returns, from the cache when it was called with this key before.

    A cache that cannot be written, or an entry that cannot be read, costs time and nothing else.

    Args:
        name: of the data set, for the folder.
        key: JSON-able; everything that the result depends on.
        make: computes the arrays.
    """
    canonical = json.dumps({"code": _code(), **key}, sort_keys=True, default=str)
    entry = (
        cache_root() / "decoded" / f"{name}-{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"
    )
    found = _read(entry)
    if found is not None:
        return found
    arrays = make()
    _write(entry, arrays, canonical)
    return arrays


def _read(entry: Path) -> Arrays | None:
    try:
        names = json.loads((entry / "index.json").read_text())["arrays"]
        return {n: np.load(entry / f"{n}.npy", allow_pickle=False) for n in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(entry: Path, arrays: Arrays, canonical: str) -> None:
    try:
        with directory_atomic(entry) as aside:
            for name, array in arrays.items():
                np.save(aside / f"{name}.npy", array, allow_pickle=False)
            index = {"arrays": list(arrays), "key": json.loads(canonical)}
            (aside / "index.json").write_text(json.dumps(index))
        _drop_stale(entry)
    except (OSError, TinykitError):
        # Read-only home, full disk, or another process wrote the same entry just now.
        return


def _drop_stale(entry: Path) -> None:
    """Remove what other versions of the loaders left for the same set: nothing reads it again."""
    name = entry.name.rsplit("-", 1)[0]
    for other in entry.parent.glob(f"{name}-*"):
        try:
            code = json.loads((other / "index.json").read_text())["key"]["code"]
        except (OSError, ValueError, KeyError):
            continue
        if code != _code():
            shutil.rmtree(other, ignore_errors=True)
