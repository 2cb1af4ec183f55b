# SPDX-License-Identifier: Apache-2.0
"""`tinykit import`: a run folder from a model that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.importer.lower import Imported
    from tinykit.network.summary import Row


def import_model(
    model: Annotated[
        Path, typer.Argument(help="A .tflite file (int8, float, dynamic range), .keras or .h5.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/<name of the file> by default.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Text file of class names, one a line.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Typical inputs: .npy, .npz of x (and y), or a folder of .npy or .bin."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Inputs that serve for nothing but the report at the end.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(help="Ranges of a float model: minmax (default), percentile or mse."),
    ] = None,
    weights: Annotated[int, typer.Option(help="Bits of weights: 8, 4 or 2.")] = 8,
    rounding: Annotated[
        str, typer.Option(help="Of weights below 8 bits: nearest or adaround.")
    ] = "nearest",
    keep_8: Annotated[
        str, typer.Option("--keep-8", help="Layers that keep 8 bits, by number: 0,12.")
    ] = "",
    max_drop: Annotated[
        float | None,
        typer.Option(help="Points that may be lost; layers go back to 8 bits until that holds."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a model into a Network of integers.

    An int8 .tflite file gives its own integers bit for bit. Others are quantized here, with typical
    inputs (--data), a fifth of which is held out to say what that costs; so are weights of fewer
    bits. Layers that cannot be computed are refused by name, all at once.

    Example: [bold]tinykit import model.tflite && tinykit run runs/model -b mps2_an386[/bold]
    """
    from tinykit.importer.options import Options
    from tinykit.importer.run import import_run
    from tinykit.network import summary
    from tinykit.progress import notice, progress

    options = Options(
        data,
        test,
        calibration,
        weights,
        rounding,
        tuple(name for name in keep_8.split(",") if name.strip()),
        max_drop,
    )
    tasks: dict[str, Any] = {}
    with progress() as bar:

        def on_step(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, note="")
            bar.update(tasks[what], completed=done, total=total)

        directory, imported = import_run(model, out, labels, options, on_step)
    if weights < 8 and data is None:
        notice("without --data, biases are not corrected and nothing is said of accuracy")
    found = {row.name: row for row in summary(imported.network)}
    if as_json:
        document = {"run": directory, "layers": [row.as_dict() for row in found.values()]}
        show_json({**document, "quantization": imported.quantization})
        return
    _show_layers(model.name, imported, found)
    if imported.quantization is not None:
        _show_quantization(imported.quantization)
    show(f"run: [bold]{directory}[/bold]   next: tinykit run {directory} --board mps2_an386")


def _show_layers(title: str, imported: Imported, found: Mapping[str, Row]) -> None:
    rows = []
    for node, ops in imported.became:
        made = [found[op] for op in ops]
        shape = "x".join(map(str, made[-1].output_shape)) if made else None
        macs, size = (sum(getattr(row, key) for row in made) for key in ("macs", "parameter_bytes"))
        rows.append((node, ", ".join(ops) or "-", shape, macs, size))
    columns = ("layer of the model", "became", "output", "MACs", "parameter bytes")
    show_table(title, columns, rows, right=2)
    if imported.removed:
        count, layers = sum(imported.removed.values()), len(imported.removed)
        show(f"{count} channels of {layers} layers do not depend on the input: taken out")


def _show_quantization(report: Mapping[str, Any]) -> None:
    rows = [
        (
            row["layer"],
            row["bits"],
            row["rounding"],
            row["weight_bytes"],
            f"{row['mse']:.3g}",
            _decibels(row["sqnr_db"]),
            *((_small(row["sensitivity"]),) if "sensitivity" in row else ()),
        )
        for row in report["layers"]
    ]
    columns = ["layer", "bits", "rounding", "weight bytes", "MSE of weights", "SQNR"]
    if report["layers"] and "sensitivity" in report["layers"][0]:
        columns.append("moves output by")
    show_table("Weights", columns, rows, right=3)
    _show_stages(report["stages"])


def _show_stages(stages: Sequence[Mapping[str, Any]]) -> None:
    parts = [part for part in ("held_out", "test") if part in stages[0]]
    columns = ["model", "weight bytes"]
    for part in parts:
        name = f"{part.replace('_', ' ')} ({stages[0][part]['inputs']})"
        columns += [f"{name}: accuracy", "same class", "SQNR"]
    rows = []
    for stage in stages:
        cells = [stage["stage"], stage["weight_bytes"]]
        for part in parts:
            figures = stage[part]
            cells += [_percent(figures["accuracy"]), _percent(figures["agreement"])]
            cells.append(_decibels(figures["sqnr_db"]))
        rows.append(cells)
    show_table("What it costs", columns, rows)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} %"


def _decibels(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} dB"


def _small(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"
