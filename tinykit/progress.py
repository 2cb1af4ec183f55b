# SPDX-License-Identifier: Apache-2.0
"""Progress bars on stderr, so that stdout stays data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

stderr = Console(stderr=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """A Rich progress display on stderr; `add_task(description, total=...)`, then `advance`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=stderr) as bar:
        yield bar


def notice(text: str) -> None:
    """Tell the user something that is not an error, on stderr."""
    stderr.print(f"[yellow]notice:[/yellow] {text}", highlight=False)
