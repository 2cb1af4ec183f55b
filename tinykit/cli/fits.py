# SPDX-License-Identifier: Apache-2.0
"""`tinykit fits`: which boards a model fits, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.fits import Fit

_DOES_NOT_FIT = 3


def fits(
    model: Annotated[
        Path,
        typer.Argument(help="A .tflite or .tkn file, or a run folder made by tinykit."),
    ],
    board: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help="Only this board; may be given more than once."),
    ] = None,
    vectors: Annotated[int, typer.Option(help="Test vectors that it embeds.", min=0)] = 0,
    clips: Annotated[int, typer.Option(help="Recordings that it embeds.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show flash, RAM and predicted time of a model on every board, without a build.

    Flash and RAM are those of the firmware that `tinykit generate` writes, here without test input:
    to the byte, for tinykit's boards and the compilers that it was measured with. Instructions are
    predicted; latency is an estimate from them, the board's clock and its mean cycles per
    instruction.

    Exit status 0: some board fits, or all that --board names. 3: none does, or one named does not.

    Example: [bold]tinykit fits model.tflite[/bold]
    """
    from tinykit.boards import list_boards, load_board
    from tinykit.fits import fit_boards, microcontroller
    from tinykit.runs import open_model

    chosen = [microcontroller(load_board(name)) for name in dict.fromkeys(board or ())]
    boards = chosen or [one for one in list_boards() if one.arch != "host"]
    network = open_model(model).network
    found = fit_boards(network, boards, vectors=vectors, clips=clips)
    if as_json:
        show_json({"network": network.name, "boards": [one.as_dict() for one in found]})
    else:
        _show(network.name, found)
    verdicts = [one.fits for one in found]
    if not (all(verdicts) if chosen else any(verdicts)):
        raise typer.Exit(_DOES_NOT_FIT)


def _show(name: str, found: list[Fit]) -> None:
    rows = [
        (
            one.board.id,
            one.sizes.flash,
            one.sizes.ram_parts["arena"],
            one.sizes.ram_parts["stack"],
            one.sizes.ram,
            one.instructions,
            None if one.estimate is None else f"{one.estimate.seconds * 1e3:.3g} ms",
            _verdict(one),
        )
        for one in found
    ]
    columns = (
        *("board", "flash", "arena", "stack", "RAM\nin all"),
        *("predicted\ninstructions", "estimated\nlatency", "verdict"),
    )
    show_table(f"{name}, bytes", columns, rows)
    if not all(one.sizes.exact for one in found):
        show("* not a board of tinykit: flash and RAM are those of the most similar one.")


def _verdict(one: Fit) -> str:
    lacking = [(one.missing_flash, "flash"), (one.missing_ram, "RAM")]
    lacks = ", ".join(f"{count:,} {what}" for count, what in lacking if count)
    return (f"lacks {lacks}" if lacks else "fits") + ("" if one.sizes.exact else " *")
