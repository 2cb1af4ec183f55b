# SPDX-License-Identifier: Apache-2.0
"""`tinykit boards`: what can be generated for."""

from __future__ import annotations

from tinykit.cli.output import JsonOption, show_json, show_table


def boards(as_json: JsonOption = False) -> None:
    """List the boards: core, memory, clock, and the emulators that run them.

    Example: [bold]tinykit boards --json[/bold]
    """
    from tinykit.boards import list_boards

    found = list_boards()
    if as_json:
        show_json([board.as_dict() for board in found])
        return
    rows = [
        (
            board.id,
            board.name,
            board.core,
            f"{board.flash_bytes // 1024} K" if board.flash_bytes else "-",
            f"{board.ram_bytes // 1024} K" if board.ram_bytes else "-",
            f"{board.clock_hz / 1e6:g} MHz" if board.clock_hz else "-",
            ", ".join(board.emulators),
        )
        for board in found
    ]
    columns = ("board", "name", "core", "flash", "RAM", "clock", "emulators")
    show_table("Boards", columns, rows, right=3)
