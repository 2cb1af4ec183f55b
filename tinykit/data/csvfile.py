# SPDX-License-Identifier: Apache-2.0
"""Read CSV and text files of numbers, and name the line and column of what is wrong."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.errors import TinykitError

_REMEDY = "Each line needs one finite number per channel; fill or cut out the gap."


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TinykitError(
            "is not a text file.", where=path, remedy="Save it as UTF-8 CSV."
        ) from error
    except OSError as error:
        raise TinykitError(f"cannot read: {error.strerror or error}.", where=path) from error


def read_numbers(path: Path, columns: int) -> npt.NDArray[np.float64]:
    """A text file of numbers separated by blanks, `columns` a line: float64 (n, columns).

    Raises:
        TinykitError: the file cannot be read, or is not such a table.
    """
    text = _text_of(path)
    try:
        flat = np.array(text.split(), np.float64)
    except ValueError as error:
        raise TinykitError(f"holds something that is not a number: {error}.", where=path) from error
    if columns < 1 or flat.size % columns or not np.isfinite(flat).all():
        raise TinykitError(
            f"does not hold {columns} numbers a line.", where=path, remedy="Get the file again."
        )
    return flat.reshape(-1, columns)


def read_csv(path: Path, channels: Sequence[str]) -> npt.NDArray[np.float64]:
    """A CSV file of samples as float64 (n, channels), in the units that it is written in.

    A first line that is not all numbers is a header: the columns named in `channels` are taken
    from it, in that order, and others (a timestamp, say) are ignored. Without a header the file
    must have exactly one column per channel. Separators `,` `;` and tab are recognised.

    Raises:
        TinykitError: with line and column: a gap, text, a line of another length, a value that is
            not finite; or a column is missing, or there are no samples.
    """
    rows = list(_rows(_text_of(path)))
    if not rows:
        raise TinykitError("holds no samples.", where=path, remedy="Record it again.")
    columns = _columns(rows[0][1], channels, path)
    if not _all_numbers(rows[0][1]):
        width = len(rows[0][1])
        rows = rows[1:]
    else:
        width = len(channels)
    if not rows:
        raise TinykitError("holds no samples.", where=path, remedy="Record it again.")
    values = np.empty((len(rows), len(channels)))
    for i, (line, cells) in enumerate(rows):
        if len(cells) != width:
            raise TinykitError(
                f"line {line} has {len(cells)} columns, not {width}.", where=path, remedy=_REMEDY
            )
        for j, column in enumerate(columns):
            values[i, j] = _number(cells[column], line, column, channels[j], path)
    return values


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(line number from 1, cells) of every line that is not blank."""
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    return [(reader.line_num, [c.strip() for c in r]) for r in reader if any(map(str.strip, r))]


def _all_numbers(cells: list[str]) -> bool:
    """True if no cell is a name: a gap in the first line is an error in data, not a header."""
    return all(not c or _is_number(c) for c in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(first: list[str], channels: Sequence[str], path: Path) -> list[int]:
    if _all_numbers(first):
        if len(first) != len(channels):
            raise TinykitError(
                f"has {len(first)} columns, not the {len(channels)} of {', '.join(channels)}.",
                where=path,
                remedy="Add a header line that names the columns.",
            )
        return list(range(len(channels)))
    missing = [c for c in channels if c not in first]
    if missing:
        raise TinykitError(
            f"has no column {missing[0]!r} (its header names {', '.join(first)}).",
            where=path,
            remedy=f"Name the columns {', '.join(channels)}.",
        )
    return [first.index(c) for c in channels]


def _number(cell: str, line: int, column: int, channel: str, path: Path) -> float:
    spot = f"line {line}, column {column + 1} ({channel})"
    if not cell:
        raise TinykitError(f"{spot} is empty.", where=path, remedy=_REMEDY)
    try:
        value = float(cell)
    except ValueError:
        raise TinykitError(
            f"{spot} is {cell[:40]!r}, not a number.", where=path, remedy=_REMEDY
        ) from None
    if not math.isfinite(value):
        raise TinykitError(f"{spot} is {cell[:40]!r}, not finite.", where=path, remedy=_REMEDY)
    return value
