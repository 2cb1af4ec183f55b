# SPDX-License-Identifier: Apache-2.0
"""`tinykit mlperf`: the MLPerf Tiny benchmark on an emulated board."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinykit.cli.output import BoardOption, JsonOption, RunArgument, show, show_json, show_table
from tinykit.cli.run import EmulatorOption

if TYPE_CHECKING:
    from tinykit.mlperf.inputs import InputSet
    from tinykit.mlperf.runner import Accuracy, Bench, Timing


class ModeName(StrEnum):
    """What is measured."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"
    ENERGY = "energy"


def mlperf(
    run: RunArgument,
    board: BoardOption,
    task: Annotated[str, typer.Option(help="kws01, ic01, vww01 or ad01.")],
    mode: Annotated[ModeName, typer.Option(help="What to measure.")] = ModeName.PERFORMANCE,
    inputs: Annotated[
        Path | None,
        typer.Option(
            help="Folder with y_labels.csv and the files it lists, or the folder above it. "
            "Accuracy needs it; other modes draw inputs at random without."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Accuracy: so many files, spread over the set. Else: windows."),
    ] = None,
    iterations: Annotated[
        int, typer.Option(min=1, max=100_000, help="Timed inferences of a window.")
    ] = 10,
    warmups: Annotated[int, typer.Option(min=0, max=100_000, help="Inferences before.")] = 1,
    flash: Annotated[
        int | None, typer.Option(metavar="BYTES", min=1, help="As of `tinykit generate`.")
    ] = None,
    emulator: EmulatorOption = "auto",
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Measure nothing: offer the board's serial line as a pseudo-terminal, for the "
            "benchmark's own runner, until interrupted.",
        ),
    ] = False,
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time",
            help="With --serve: no faster than the board's clock. The benchmark's runner wants "
            "measurements to last ten seconds by its own watch.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="With --serve: a TCP port instead; 0 takes any."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without output after which the firmware hangs.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Run MLPerf Tiny: firmware with its serial protocol, driven as its runner does.

    Every result is held against the interpreter's (exit status 4 if one differs). Instructions are
    exact; throughput and energy are estimates.

    Example: [bold]tinykit mlperf runs/kws --board mps2_an386 --task kws01 --mode accuracy
    --inputs datasets/kws01[/bold]
    """
    from tinykit.boards import load_board
    from tinykit.codegen.mlperf import find_task
    from tinykit.mlperf.inputs import read_inputs
    from tinykit.mlperf.runner import prepare
    from tinykit.runs import open_run

    chosen = find_task(task)
    given = None if inputs is None else read_inputs(inputs, chosen.name)
    bench = prepare(
        open_run(run),
        load_board(board),
        chosen,
        energy=mode is ModeName.ENERGY,
        emulator=emulator,
        flash_budget=flash,
        timeout=timeout,
    )
    if serve:
        _serve(bench, port, real_time=real_time)
    elif mode is ModeName.ACCURACY:
        _accuracy(bench, given, limit, as_json=as_json)
    else:
        _timing(bench, mode, given, limit, iterations, warmups, as_json=as_json)


def _serve(bench: Bench, port: int | None, *, real_time: bool) -> None:
    from tinykit.mlperf.serve import serve

    serve(bench, typer.echo, port=port, real_time=real_time)


def _accuracy(bench: Bench, inputs: InputSet | None, limit: int | None, *, as_json: bool) -> None:
    from tinykit.errors import MismatchError, TinykitError
    from tinykit.mlperf.runner import measure_accuracy, save_result
    from tinykit.progress import progress

    if inputs is None:
        raise TinykitError(
            "accuracy is measured on an input set, and none is given.",
            where="--inputs",
            remedy="Name a folder with y_labels.csv and the files that it lists.",
        )
    with progress() as bar:
        task = bar.add_task("accuracy", total=len(inputs.spread(limit).stimuli), note="")
        result = measure_accuracy(bench, inputs, limit=limit, tick=lambda: bar.advance(task))
    save_result(bench.run, result.as_dict())
    if as_json:
        show_json(result.as_dict())
    else:
        _show_accuracy(result)
    if not result.exact:
        raise MismatchError(
            f"the firmware and the interpreter differ: {result.first_difference}.",
            where=f"{bench.board.id} under {bench.machine.name}",
            remedy="Run `tinykit verify` to see which executor is alone, and report it.",
        )


def _show_accuracy(result: Accuracy) -> None:
    document = result.as_dict()
    count = result.inference
    rows = [
        ("top-1", None if result.top1 is None else f"{100 * result.top1:.2f} %"),
        ("AUC", None if result.auc is None else f"{result.auc:.4f}"),
        (f"target ({document['metric']})", f"{document['target']:g}"),
        ("files", result.files),
        ("inferences", result.pieces),
        ("equal to the interpreter's", result.agree),
        ("instructions an inference (exact)", None if count is None else round(count.mean)),
    ]
    show_table(_title(result.bench, "accuracy"), ("", ""), rows)
    verdict = "[green]bit-exact[/green]" if result.exact else "[red]NOT bit-exact[/red]"
    show(f"{verdict}: board = interpreter on {result.agree:,} of {result.pieces:,} inferences")


def _timing(
    bench: Bench,
    mode: ModeName,
    inputs: InputSet | None,
    limit: int | None,
    iterations: int,
    warmups: int,
    *,
    as_json: bool,
) -> None:
    from tinykit.mlperf.runner import LOOPS, measure_windows, save_result
    from tinykit.progress import progress

    with progress() as bar:
        task = bar.add_task(mode.value, total=limit or LOOPS, note="")
        result = measure_windows(
            bench,
            "energy" if mode is ModeName.ENERGY else "performance",
            inputs,
            iterations=iterations,
            warmups=warmups,
            limit=limit,
            tick=lambda: bar.advance(task),
        )
    save_result(bench.run, result.as_dict())
    if as_json:
        show_json(result.as_dict())
    else:
        _show_timing(result)


def _show_timing(result: Timing) -> None:
    rows = [
        (
            i + 1,
            window.inferences,
            window.instructions,
            None if window.elapsed_us is None else f"{window.elapsed_us / 1e6:.3f}",
        )
        for i, window in enumerate(result.windows)
    ]
    columns = ("window", "inferences", "instructions", "lap, s of emulated time")
    show_table(_title(result.bench, result.mode), columns, rows)
    document = result.as_dict()
    if result.inference is not None:
        show(f"inference: [bold]{round(result.inference.mean):,}[/bold] instructions (exact)")
    if step := document["emulated_ns_per_instruction"]:
        show(f"emulated time: {step} ns an instruction")
    if guess := document["estimates"]:
        show(
            f"estimates: [bold]{guess['throughput']:.2f}[/bold] inferences a second, "
            f"{guess['latency_ms']:.2f} ms and {guess['energy_uj']:.1f} uJ each, at "
            f"{document['clock_hz'] / 1e6:g} MHz [dim]({guess['source']})[/dim]"
        )


def _title(bench: Bench, mode: str) -> str:
    what = f"{bench.task.title} ({bench.task.name}), {mode}"
    return f"{what}: {bench.board.name} under {bench.machine.name}"
