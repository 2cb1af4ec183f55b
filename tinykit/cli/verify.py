# SPDX-License-Identifier: Apache-2.0
"""`tinykit verify`: four executors, one answer."""

from __future__ import annotations

from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, RunArgument, show, show_json, show_table

DEFAULT_BOARDS = ("mps2_an386", "virt_rv32imc")


def verify(
    run: RunArgument,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            "-b",
            help=f"Board id, may be repeated; {' and '.join(DEFAULT_BOARDS)} by default.",
        ),
    ] = None,
    all_boards: Annotated[bool, typer.Option("--all-boards", help="Every board.")] = False,
    emulator: Annotated[
        list[str] | None,
        typer.Option(
            "--emulator", "-e", help="auto, renode, qemu or host; repeat it to compare emulators."
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(help="Recordings to stream to each board.", min=0, max=100)
    ] = 10,
    sanitize: Annotated[bool, typer.Option(help="Run the host's C under ASan and UBSan.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare interpreter, host C, tflite-runtime and boards, bit for bit (exit status 4 if not).

    Example: [bold]tinykit verify runs/kws-w8a8-seed0 --all-boards --clips 100[/bold]
    """
    from tinykit.boards import list_boards, load_board
    from tinykit.progress import progress
    from tinykit.runs import open_run
    from tinykit.verify import verify as compare

    boards = list_boards() if all_boards else [load_board(b) for b in board or DEFAULT_BOARDS]
    with progress() as bar:
        task = bar.add_task("verify", total=2 + len(boards), note="")
        result = compare(
            open_run(run),
            boards,
            emulators=tuple(emulator or ("auto",)),
            clips=clips,
            sanitize=sanitize,
            tick=lambda: bar.advance(task),
        )
    if as_json:
        show_json(result.as_dict())
    else:
        words = {True: "yes", False: "NO", None: "did not run"}
        rows = [
            (r.executor, r.core or "-", r.compares, words[r.exact], r.inputs, r.detail)
            for r in result.rows
        ]
        columns = ("executor", "core", "compared", "equal", "inputs", "remark")
        show_table("Against the NumPy interpreter", columns, rows, right=9)
        show(f"[bold]{result.sentence}[/bold]")
    if not result.exact:
        raise typer.Exit(4)
