# SPDX-License-Identifier: Apache-2.0
"""What every command shares: options, tables on stdout, `--json`, and how errors are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from tinykit.errors import TinykitError

JSON_KEY = "tinykit.json"
_PIPE_WIDTH = 120


def _remember_json(context: typer.Context, value: bool) -> bool:
    if value:
        context.find_root().meta[JSON_KEY] = True
    return value


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout instead of tables.",
        callback=_remember_json,
        is_eager=True,
    ),
]
RunArgument = Annotated[
    Path, typer.Argument(help="A run folder made by `tinykit train`, or a network file (.tkn).")
]
BoardOption = Annotated[
    str, typer.Option("--board", "-b", help="Board id; `tinykit boards` lists them.")
]


class Commands(TyperGroup):
    """A group that turns a TinykitError into one message and its exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TinykitError as error:
            show_error(error, as_json=bool(ctx.find_root().meta.get(JSON_KEY)))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            Console(stderr=True).print("interrupted; what was finished is kept")
            ctx.exit(130)


def show_error(error: TinykitError, *, as_json: bool) -> None:
    """One clear error: to stdout as JSON where a program reads it, and always to stderr."""
    if as_json:
        typer.echo(json.dumps(error.as_dict()))
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    place = f"{error.where}: " if error.where else ""
    console.print("error:", style="bold red", end=" ")
    console.print(f"{place}{error.what}", markup=False)
    if error.remedy:
        console.print("  try:", style="bold green", end=" ")
        console.print(error.remedy, markup=False)


def show_json(document: object) -> None:
    """Print `document` on stdout as JSON; paths become strings."""
    typer.echo(json.dumps(document, indent=2, default=str))


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: int = 1
) -> None:
    """Print a table on stdout; columns from index `right` on are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= right else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console()
    # A pipe has no width of its own; a table cut to 80 columns would be of no use in a log.
    Console(width=None if console.is_terminal else _PIPE_WIDTH).print(table)


def show(text: str) -> None:
    """Print one line on stdout (Rich markup allowed)."""
    Console(soft_wrap=True, highlight=False).print(text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
