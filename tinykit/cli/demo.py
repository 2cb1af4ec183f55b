# SPDX-License-Identifier: Apache-2.0
"""`tinykit demo`: the whole way in a few minutes, on embedded synthetic recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.workflow import BoardResult

BOARDS = ("mps2_an386", "virt_rv32imc")


def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    board: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help=f"May be repeated; {', '.join(BOARDS)} by default."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe to train.")] = "kws_demo",
    as_json: JsonOption = False,
) -> None:
    """Train, quantize, generate, build, emulate, verify, report.

    The recordings are synthetic (espeak-ng voices): the accuracy shows that the way works, nothing
    more. Sizes, instruction counts and bit-exactness are real.

    Example: [bold]tinykit demo --board microbit[/bold]
    """
    from tinykit.boards import load_board
    from tinykit.cli.run import require_exact, show_result
    from tinykit.cli.train import show_accuracy
    from tinykit.progress import progress
    from tinykit.quantize.pipeline import train
    from tinykit.recipe import Recipe
    from tinykit.report import write_report
    from tinykit.runs import open_run
    from tinykit.verify import verify

    boards = [load_board(name) for name in board or BOARDS]
    metrics = train(Recipe.load(recipe), out, resume=(out / "recipe.toml").exists())
    run = open_run(out)
    results: list[BoardResult] = []
    with progress() as bar:
        task = bar.add_task("generate, build, emulate, verify", total=2 + len(boards), note="")
        agreement = verify(
            run, boards, clips=5, tick=lambda: bar.advance(task), on_result=results.append
        )
    html, _ = write_report(out)
    if as_json:
        show_json(
            {
                "metrics": metrics,
                "boards": [result.as_dict() for result in results],
                "verify": agreement.as_dict(),
                "report": html,
            }
        )
    else:
        show_accuracy(metrics)
        show_result(results[0])
        rows = [
            (
                r.firmware.board.id,
                r.firmware.board.core,
                r.build.flash,
                r.build.ram,
                r.as_dict()["instructions"]["inference"],
            )
            for r in results
        ]
        show_table("Boards", ("board", "core", "flash B", "RAM B", "instructions"), rows, right=2)
        show(f"[bold green]{agreement.sentence}[/bold green]")
        show(f"report: [bold]{html}[/bold]")
    for result in results:
        require_exact(result)
    if not agreement.exact:
        raise typer.Exit(4)
