# SPDX-License-Identifier: Apache-2.0
"""Progress bars on stderr, so that stdout stays data."""

from __future__ import annotations

import os
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
QUIET = "TINYKIT_QUIET"


@contextmanager
def progress() -> Iterator[Progress]:
    """A Rich progress display on stderr; `add_task(description, total=...)`, then `advance`.

    Nothing is shown where the environment variable TINYKIT_QUIET is set, as in processes that work
    for one that shows progress itself.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=stderr, disable=QUIET in os.environ) as bar:
        yield bar


def notice(text: str) -> None:
    """Tell the user something that is not an error, on stderr."""
    stderr.print(f"[yellow]notice:[/yellow] {text}", highlight=False)
