# SPDX-License-Identifier: Apache-2.0
"""`tinykit build`: PlatformIO, with or without its registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

TargetArgument = Annotated[
    Path | None,
    typer.Argument(help="A generated project, or a run folder together with --board."),
]
TargetBoardOption = Annotated[
    str | None, typer.Option("--board", "-b", help="Board id, where the target is a run folder.")
]


def build(
    target: TargetArgument = None,
    board: TargetBoardOption = None,
    print_env: Annotated[
        bool,
        typer.Option(help="Print the variables with which `pio run` builds offline, and stop."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build a project and show what it takes of flash and RAM.

    A project builds by itself with `pio run` where PlatformIO's registry can be reached; without
    it, `eval "$(tinykit build --print-env)"` first.

    Example: [bold]tinykit build runs/kws-w8a8-seed0 --board mps2_an386[/bold]
    """
    from tinykit.boards.platformio import environment

    if print_env:
        import shlex

        for name, value in environment().items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        return
    from tinykit.workflow import build_firmware, open_firmware

    firmware = open_firmware(required(target), board)
    result = build_firmware(firmware)
    rows = [
        ("flash", result.flash, firmware.board.flash_bytes or None),
        ("RAM, stack included", result.ram, firmware.board.ram_bytes or None),
    ]
    if as_json:
        show_json(
            {
                "elf": result.elf,
                "flash": result.flash,
                "ram": result.ram,
                "sections": result.sizes.sections,
                "estimate": firmware.metadata["estimate"],
            }
        )
        return
    show_table(f"Built for {firmware.board.name}", ("memory", "bytes", "available"), rows)
    show(f"firmware: [bold]{result.elf}[/bold]")


def required(target: Path | None) -> Path:
    """The target, which only --print-env does without."""
    if target is None:
        raise typer.BadParameter("name a project, or a run folder and --board")
    return target
