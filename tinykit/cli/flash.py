# SPDX-License-Identifier: Apache-2.0
"""`tinykit flash`: program a real board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinykit.cli.build import TargetBoardOption
from tinykit.cli.output import JsonOption, show, show_json


def flash(
    target: Annotated[
        Path, typer.Argument(help="A generated project, or a run folder together with --board.")
    ],
    board: TargetBoardOption = None,
    protocol: Annotated[
        str | None, typer.Option(help="Upload protocol; the board's own by default.")
    ] = None,
    port: Annotated[str | None, typer.Option(help="Serial number of the probe.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exact command and do nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build and program a board over ST-Link, J-Link or CMSIS-DAP.

    Example: [bold]tinykit flash runs/kws-w8a8-seed0 --board nrf52840dk --dry-run[/bold]
    """
    from tinykit.boards.platformio import flash as program
    from tinykit.workflow import open_firmware

    firmware = open_firmware(target, board)
    command = program(
        firmware.directory, firmware.board, protocol=protocol, port=port, dry_run=dry_run
    )
    if as_json:
        show_json({"command": command, "programmed": not dry_run})
    elif dry_run:
        typer.echo(command)
    else:
        show(f"programmed {firmware.board.name}: {command}")
