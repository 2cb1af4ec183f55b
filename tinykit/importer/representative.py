# SPDX-License-Identifier: Apache-2.0
"""A user's inputs: what ranges are measured on, and what a model's answers are compared on."""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.network.ops import Int8Array, Tensor

LABELS_FILE = "y_labels.csv"
LEAST_TO_HOLD_OUT = 10
"""Inputs below which none are held out."""
_FORMS = "Give a .npy of inputs, a .npz with x (and y), or a folder of .npy or .bin files."


@dataclass(frozen=True)
class Expected:
    """What a model takes.

    Attributes:
        shape: of one sample, without a batch axis.
        dtype: of the model's input, "float32", "int8" or "uint8".
        scale, zero_point: of an integer input; 1 and 0 for floats.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float = 1.0
    zero_point: int = 0


@dataclass(frozen=True)
class Inputs:
    """Inputs of a model.

    Attributes:
        x: float32 (n, *shape): the reals, whatever the file holds.
        y: int64 (n,), the right class of each; None if the file does not say.
        source: the file.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64] | None
    source: str

    def first(self, count: int) -> Inputs:
        """The first `count` of them."""
        return self.chosen(np.arange(len(self.x)) < count)

    def chosen(self, which: NDArray[np.bool_]) -> Inputs:
        """Those that `which` (n,) says."""
        return Inputs(self.x[which], None if self.y is None else self.y[which], self.source)

    def integers(self, tensor: Tensor) -> Int8Array:
        """The integers of a Network's input, int8 (n, *tensor.shape)."""
        scaled = np.rint(self.x / np.float32(tensor.scale)) + tensor.zero_point
        return np.clip(scaled, -128, 127).astype(np.int8).reshape(-1, *tensor.shape)


def load_inputs(path: Path, expected: Expected) -> Inputs:
    """Read inputs.

    A `.npy` holds (n, *shape); a `.npz` holds that as `x`, or as its only array, and may hold the
    classes as `y`; a folder holds files of one sample or more each, in the order of their names:
    `.npy`, or raw `.bin` of the model's own type as in MLPerf Tiny, with `y_labels.csv` (file,
    classes, class) beside them. Sides of 1 may be left out. Integers of the model's own input type
    are taken for its integers; all other numbers are reals, in the units that it was trained with.

    Args:
        path: the file or folder.
        expected: what the model takes.

    Raises:
        TinykitError: the data cannot be read, is of another shape or type, empty or not finite.
    """
    if path.is_dir():
        raw, y = _folder(path, expected)
    elif path.suffix == ".npz":
        raw, y = _npz(path)
    elif path.suffix == ".npy":
        raw, y = _load(path), None
    else:
        raise TinykitError("is no kind of data known here.", where=path, remedy=_FORMS)
    x = _reals(raw, path, expected)
    if y is not None and y.shape != (len(x),):
        raise TinykitError(
            f"has {len(x)} inputs, but classes of the shape {y.shape}.",
            where=path,
            remedy="Give one class, a whole number, for each input.",
        )
    return Inputs(x, y, path.name)


def held_out(inputs: Inputs) -> tuple[Inputs, Inputs | None]:
    """Every fifth input apart, so that a change is not judged on what it was fitted to.

    Returns:
        the rest and the fifth; all and None where there are fewer than 10.
    """
    if len(inputs.x) < LEAST_TO_HOLD_OUT:
        return inputs, None
    apart = np.arange(len(inputs.x)) % 5 == 4
    return inputs.chosen(~apart), inputs.chosen(apart)


def _load(path: Path) -> NDArray[Any]:
    try:
        # Never unpickled: an array of objects is refused by NumPy.
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(array, np.ndarray):
        raise _unreadable(path, "it is an archive")
    return array


def _npz(path: Path) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise _unreadable(path, "it is no .npz archive")
            names = list(archive.files)
            if "x" not in names and len(names) != 1:
                raise TinykitError(
                    f"has no array x among {', '.join(names[:8]) or 'nothing'}.",
                    where=path,
                    remedy="Call the inputs x, and their classes y.",
                )
            x = archive["x" if "x" in names else names[0]]
            y = archive["y"] if "y" in names else None
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    if y is not None and y.dtype.kind not in "iu":
        raise TinykitError(
            f"has classes y of {y.dtype}.",
            where=path,
            remedy="Give whole numbers, 0 for the first.",
        )
    return x, None if y is None else y.astype(np.int64)


def _unreadable(path: Path, why: object) -> TinykitError:
    return TinykitError(f"cannot be read: {str(why)[:200]}.", where=path, remedy=_FORMS)


def _folder(path: Path, expected: Expected) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    files = sorted(path.glob("*.npy")) or sorted(path.glob("*.bin"))
    if not files:
        raise TinykitError("holds no .npy and no .bin files.", where=path, remedy=_FORMS)
    if files[0].suffix == ".bin":
        parts = [_binary(file, expected) for file in files]
    else:
        parts = [_batch(_load(file), file, expected) for file in files]
    if len({part.dtype for part in parts}) != 1:
        raise TinykitError("holds files of several types.", where=path, remedy="Use one type.")
    labels = path / LABELS_FILE
    if not labels.exists():
        return np.concatenate(parts), None
    known = _labels(labels)
    missing = [file.name for file in files if file.name not in known]
    if missing or any(len(part) != 1 for part in parts):
        raise TinykitError(
            f"does not name one class for each file; {', '.join(missing[:3]) or 'some hold more'}.",
            where=labels,
            remedy="Give a line `file, classes, class` for each file, of one input each.",
        )
    return np.concatenate(parts), np.array([known[file.name] for file in files], np.int64)


def _labels(path: Path) -> dict[str, int]:
    """File to class, from lines `file, number of classes, class` (MLPerf Tiny's y_labels.csv)."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream, skipinitialspace=True) if row]
        return {row[0]: int(row[2]) for row in rows}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise TinykitError(
            f"cannot be read: {str(error)[:200]}.",
            where=path,
            remedy="Give lines `file, number of classes, class`.",
        ) from error


def _binary(path: Path, expected: Expected) -> NDArray[Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    dtype = np.dtype(expected.dtype).newbyteorder("<")
    wanted = math.prod(expected.shape) * dtype.itemsize
    if len(raw) != wanted:
        raise TinykitError(
            f"has {len(raw)} bytes; an input of {expected.shape} {expected.dtype} has {wanted}.",
            where=path,
            remedy="Files .bin hold one input each, of the model's own type; use .npy for others.",
        )
    return np.frombuffer(raw, dtype).reshape(1, *expected.shape).astype(expected.dtype)


def _batch(raw: NDArray[Any], path: Path, expected: Expected) -> NDArray[Any]:
    """`raw` as (n, *shape); a single sample becomes a batch of one."""
    shape = expected.shape
    plain = _without_ones(shape)
    if raw.shape == shape:
        return raw[None]
    if raw.ndim and _without_ones(raw.shape[1:]) == plain:
        return raw.reshape(len(raw), *shape)
    raise TinykitError(
        f"holds {raw.dtype} {raw.shape}, but the model takes {shape}.",
        where=path,
        remedy=f"Give an array (n, {', '.join(map(str, shape))}).",
    )


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [side for side in shape if side != 1]


def _reals(raw: NDArray[Any], path: Path, expected: Expected) -> NDArray[np.float32]:
    if raw.dtype.kind not in "fiub":
        raise TinykitError(
            f"holds {raw.dtype}.", where=path, remedy="Give numbers: floats, or integers."
        )
    batch = _batch(raw, path, expected)
    if not len(batch):
        raise TinykitError("holds no inputs.", where=path, remedy="Give at least one.")
    if batch.dtype.kind != "f" and str(batch.dtype) == expected.dtype:
        centred = batch.astype(np.float32) - np.float32(expected.zero_point)
        return centred * np.float32(expected.scale)
    with np.errstate(over="ignore"):
        x = batch.astype(np.float32)
    bad = ~np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise TinykitError(
            f"holds NaN or infinity, first in input {int(np.argmax(bad))}.",
            where=path,
            remedy="Leave such inputs out.",
        )
    return x
