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
    from tinykit.search.baselines import Standing
    from tinykit.search.workers import Workers

# The longest inference of Daghero et al. (arXiv:2209.00839).
_LONG_MS = 16.0

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
    from tinykit.search.baselines import load_standing
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
    _show(folder, load_standing(folder), as_json=as_json, mixed=False)


@app.command("show")
def show_search(
    folder: Annotated[Path, typer.Argument(help="A folder that `tinykit search` made.")],
    as_json: JsonOption = False,
) -> None:
    """Show the front of a finished search, and what phase 2 found around it; write search.html.

    The page has the front as pictures, beside the classifiers of a baselines.json in the folder.
    """
    from tinykit.search.baselines import load_standing

    found = load_standing(folder)
    _show(folder, found, as_json=as_json, mixed=True)
    if found.mixed and not as_json:
        _show_bits(found.mixed, as_json=False)


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


def _show(folder: Path, found: Standing, *, as_json: bool, mixed: bool) -> None:
    from tinykit.boards import load_board
    from tinykit.emulators.measure import estimate
    from tinykit.search.har import load_settings
    from tinykit.search.page import write_page

    rows, board = found.front, load_board(load_settings(folder).board)
    for row in rows:
        spent = estimate(row["instructions"], board)
        row["estimated_ms"] = None if spent is None else spent.seconds * 1e3
    page = write_page(folder, found)
    if as_json:
        more: dict[str, Any] = {"unbeaten_baselines": [one.name for one, _ in found.unbeaten]}
        more |= {"mixed": found.mixed} if mixed else {}
        show_json({"folder": folder, "front": rows, **more})
        return
    show_front(f"Front of {folder}, best of validation, latency on {board.id}", rows)
    for one, best in found.unbeaten:
        show(
            f"not beaten within its {one.memory:,.0f} bytes: {one.name}, "
            f"{100 * one.macro_f1:.2f} % (the best network there: {100 * best:.2f} %)"
        )
    if found.others and not found.unbeaten:
        show(f"each of {len(found.others)} baselines is beaten by a network of at most its memory")
    show(f"pictures: [bold]{page}[/bold]")
    show(f"networks: [bold]{folder}/pareto[/bold]   next: tinykit generate {folder}/pareto/...")


def show_front(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table of networks by memory; a star marks what is best among all with less memory."""
    starred = {row["folder"] for row in climbing(rows, lambda row: float(row["macro_f1"]))}
    lines = [
        (
            f"{row['folder']} {'*' if row['folder'] in starred else ''}",
            f"{100 * row['macro_f1']:.2f} %",
            *(row[key] for key in ("memory", "weights", "arena", "flash", "instructions")),
            _latency(row["estimated_ms"]),
        )
        for row in rows
    ]
    columns = ("network", "macro F1", "weights\n+ arena", "weights", "arena", "flash")
    show_table(title, (*columns, "predicted\ninstructions", "estimated\nlatency"), lines)


def _latency(milliseconds: float | None) -> str | None:
    if milliseconds is None:
        return None
    return f"{milliseconds:.3g} ms{' !' if milliseconds > _LONG_MS else ''}"


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
