# SPDX-License-Identifier: Apache-2.0
"""Input sets in the benchmark's file format: a folder with `y_labels.csv` and binary files.

A line of y_labels.csv is `file,classes,class`, or `file,classes,class,bytes,stride` where a file is
to be sent in windows of so many bytes that advance by the stride (anomaly detection).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tinykit.errors import TinykitError

LABELS: Final = "y_labels.csv"
_MOST_BYTES = 1 << 26
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Stimulus:
    """One file of an input set.

    Attributes:
        path: where it lies.
        classes: how many there are.
        label: its class.
        window: (bytes, stride), or None to send it whole.
    """

    path: Path
    classes: int
    label: int
    window: tuple[int, int] | None

    def pieces(self, size: int) -> list[bytes]:
        """What to send, each `size` bytes long, which is what the network takes.

        Raises:
            TinykitError: the file cannot be read, or is of another size.
        """
        try:
            if self.path.stat().st_size > _MOST_BYTES:
                raise _wrong(self.path, f"it is larger than {_MOST_BYTES} bytes")
            data = self.path.read_bytes()
        except OSError as error:
            raise TinykitError(
                f"an input cannot be read: {error.strerror}.",
                where=self.path,
                remedy=f"Put the file beside {LABELS}; the benchmark says how it is made.",
            ) from error
        if self.window is None:
            if len(data) != size:
                raise _wrong(self.path, f"it has {len(data)} bytes; the network takes {size}")
            return [data]
        width, stride = self.window
        if width != size:
            raise _wrong(self.path, f"its windows have {width} bytes; the network takes {size}")
        if len(data) < width:
            raise _wrong(self.path, f"it has {len(data)} bytes, less than a window of {width}")
        return [data[at : at + width] for at in range(0, len(data) - width + 1, stride)]


def _wrong(where: Path, why: str) -> TinykitError:
    return TinykitError(
        f"the input does not suit: {why}.",
        where=where,
        remedy="Check --task, and that the network has the benchmark's input shape.",
    )


@dataclass(frozen=True)
class InputSet:
    """All stimuli of a folder, in the order of their list."""

    directory: Path
    stimuli: tuple[Stimulus, ...]

    def spread(self, limit: int | None) -> InputSet:
        """At most `limit` stimuli, evenly spread over the list: its classes may come in turn."""
        count = len(self.stimuli)
        if limit is None or limit >= count:
            return self
        return InputSet(
            self.directory, tuple(self.stimuli[i * count // limit] for i in range(limit))
        )


def read_inputs(folder: Path, task: str) -> InputSet:
    """The input set in `folder`, or in its subfolder `task`, as the benchmark's runner has it.

    Raises:
        TinykitError: there is no list, or a line of it is wrong.
    """
    directory = folder / task if (folder / task / LABELS).is_file() else folder
    path = directory / LABELS
    try:
        with path.open(newline="", encoding="utf-8") as file:
            stimuli = tuple(_stimuli(csv.reader(file), directory, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TinykitError(
            f"there is no input set: {LABELS} cannot be read.",
            where=folder,
            remedy=f"Name a folder with {LABELS} and the files that it lists.",
        ) from error
    if not stimuli:
        raise TinykitError(
            "the input set is empty.", where=path, remedy="List at least one file in it."
        )
    return InputSet(directory, stimuli)


def _stimuli(rows: Iterator[list[str]], directory: Path, path: Path) -> Iterator[Stimulus]:
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield _stimulus(cells, directory, f"{path}, line {number}")


def _stimulus(cells: list[str], directory: Path, where: str) -> Stimulus:
    name, *numbers = cells
    if len(numbers) not in (2, 4) or not all(map(_NUMBER.fullmatch, numbers)):
        raise TinykitError(
            f"{','.join(cells)[:80]!r} is no line of an input set.",
            where=where,
            remedy="Write file,classes,class or file,classes,class,bytes,stride.",
        )
    classes, label, *window = map(int, numbers)
    if not 0 <= label < classes or 0 in window:
        raise TinykitError(
            f"class {label} of {classes}{' with an empty window' if 0 in window else ''} "
            "makes no sense.",
            where=where,
            remedy="Classes count from 0; windows and strides from 1.",
        )
    if name in ("", "..") or Path(name).name != name:
        raise TinykitError(
            f"{name!r} is no file name.",
            where=where,
            remedy=f"Files lie beside {LABELS}; name them without a folder.",
        )
    return Stimulus(directory / name, classes, label, (window[0], window[1]) if window else None)
