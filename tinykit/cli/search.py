# SPDX-License-Identifier: Apache-2.0
"""`tinykit search`: find networks by trying many, and show what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import BoardOption, Commands, JsonOption, show, show_json, show_table
from tinykit.errors import TinykitError
from tinykit.front import climbing

if TYPE_CHECKING:
    from tinykit.boards import Board
    from tinykit.search.workers import Workers

app = typer.Typer(
    cls=Commands,
    help="Find networks by trying many: architecture first, then bits of each layer.",
    no_args_is_help=True,
)


@app.command("har")
def har(
    data: Annotated[
        str, typer.Option(help="hapt, motionsense, wisdm_watch or synthetic_gait.")
    ] = "hapt",
    board: BoardOption = "nrf52840dk",
    trials: Annotated[
        int,
        typer.Option(help="Finished trials, earlier ones included; of each network in phase 2."),
    ] = 200,
    phase: Annotated[
        int, typer.Option(help="1: architectures. 2: bits of each layer of the front's networks.")
    ] = 1,
    points: Annotated[int, typer.Option(help="Networks of the front that phase 2 takes.")] = 3,
    workers: Annotated[
        int | None, typer.Option(help="Trials at a time: processes, or tasks of the cluster.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster that runs the trials.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Database file or URL; study.db in the folder by default.")
    ] = None,
    most_memory: Annotated[
        int, typer.Option(help="Bytes of weights beyond which a network is not trained.")
    ] = 24_000,
    steps: Annotated[int, typer.Option(help="Steps of a trial's training.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the sampler and of all trainings.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder; runs/search-<data> by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in the folder.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search 1-D CNNs for activity recognition.

    Macro F1 on held-out validation subjects against flash, arena and predicted instructions. What
    is finished is kept: Ctrl-C or a crash costs the trials under way, which run again with
    --resume. The folder then holds pareto.json and a run folder of each network of the front.

    Phase 2 takes some networks of a finished phase 1 and tries bits layer by layer, those that it
    draws and those that gradient descent chooses. It needs the folder (or --data) alone.

    Example: [bold]tinykit search har --data hapt --board nrf52840dk --trials 200 --workers 2[/bold]
    """
    from tinykit.search.har import Settings, search
    from tinykit.search.mixed import search_bits

    folder = out or Path("runs") / f"search-{data}"
    if phase not in (1, 2):
        raise TinykitError(f"there is no phase {phase}.", remedy="Use --phase 1 or --phase 2.")
    if phase == 2:
        with _workers(cluster, workers) as running:
            rows = search_bits(
                folder, running, points=points, trials=trials, storage=storage, resume=resume
            )
        _show_bits(rows, as_json=as_json)
        return
    settings = Settings(data, board, seed, most_memory, steps)
    settings.check()
    with _workers(cluster, workers) as running:
        search(settings, folder, running, trials=trials, storage=storage, resume=resume)
    _show(folder, as_json=as_json)


@app.command("show")
def show_search(
    folder: Annotated[Path, typer.Argument(help="A folder that `tinykit search` made.")],
    as_json: JsonOption = False,
) -> None:
    """Show the front of a finished search, and what phase 2 found around it; write search.html.

    The page has the front as pictures, beside the classifiers of a baselines.json in the folder.
    """
    from tinykit.search.har import load_front
    from tinykit.search.mixed import load_rows

    rows = load_rows(folder)
    if as_json:
        show_json({"folder": folder, "front": load_front(folder), "mixed": rows})
        return
    _show(folder, as_json=False)
    if rows:
        _show_bits(rows, as_json=False)


@contextmanager
def _workers(cluster: str | None, count: int | None) -> Iterator[Workers]:
    from tinykit.search.cluster import Cluster
    from tinykit.search.workers import Processes

    running: Workers = (
        Processes(1 if count is None else count) if cluster is None else Cluster(cluster, count)
    )
    try:
        yield running
    finally:
        running.close()


def _show(folder: Path, *, as_json: bool) -> None:
    from tinykit.boards import load_board
    from tinykit.search.baselines import beaten_by, load_baselines
    from tinykit.search.har import load_front, load_settings
    from tinykit.search.page import write_page

    rows, board = load_front(folder), load_board(load_settings(folder).board)
    page = write_page(folder)
    if as_json:
        show_json({"folder": folder, "front": rows})
        return
    show_front(f"Front of {folder}, best of validation", rows, board)
    for one in beaten_by(rows, load_baselines(folder)):
        more = "no more" if one.smaller else "more"
        show(
            f"{one.folder} ({one.memory:,} bytes) is beaten by {one.by.title} "
            f"({one.by.memory:,.0f} bytes, {more} memory)"
        )
    show(f"pictures: [bold]{page}[/bold]")
    show(f"networks: [bold]{folder}/pareto[/bold]   next: tinykit generate {folder}/pareto/...")


def show_front(title: str, rows: Sequence[Mapping[str, Any]], board: Board) -> None:
    """A table of networks by memory; a star marks what is best among all with less memory."""
    from tinykit.search.page import MOST_MS, milliseconds

    times = [milliseconds(row, board) for row in rows]
    starred = {row["folder"] for row in climbing(rows, lambda row: float(row["macro_f1"]))}
    lines = [
        (
            f"{row['folder']} {'*' if row['folder'] in starred else ''}",
            f"{100 * row['macro_f1']:.2f} %",
            *(row[key] for key in ("memory", "weights", "arena", "flash", "instructions")),
            None if ms is None else f"{ms:.3g}{' !' if ms > MOST_MS else ''}",
        )
        for row, ms in zip(rows, times, strict=True)
    ]
    columns = ("network", "macro F1", "weights\n+ arena", "weights", "arena", "flash")
    clock = f"ms at {board.clock_hz / 1e6:.0f} MHz,\nestimated"
    show_table(title, (*columns, "predicted\ninstructions", clock), lines)
    if any(ms is not None and ms > MOST_MS for ms in times):
        show(f"! above {MOST_MS:g} ms")


def _show_bits(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The best of each way and network: those that no other of the same way beats by memory."""
    from tinykit.search.mixed import best_of_each_way

    if as_json:
        show_json({"mixed": rows})
        return
    lines = [
        (
            f"{row['point']:05d}",
            row["way"],
            f"{100 * row['macro_f1']:.2f} %",
            *(row[key] for key in ("memory", "weights", "arena", "instructions")),
            " ".join(row["bits"].values()),
        )
        for row in best_of_each_way(rows)
    ]
    columns = ("network", "way", "macro F1", "weights\n+ arena", "weights", "arena")
    show_table(
        "Bits of each layer, best of validation",
        (*columns, "predicted\ninstructions", "bits, first to last layer"),
        lines,
    )
