# SPDX-License-Identifier: Apache-2.0
"""`tinykit import`: a run folder from a model that was trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table


def import_model(
    model: Annotated[Path, typer.Argument(help="A .tflite file of int8 operators.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/<name of the file> by default.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Text file of class names, one a line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a .tflite model into a Network, which gives the same integers bit for bit.

    Layers that cannot be computed are refused by name, all at once.

    Example: [bold]tinykit import model.tflite && tinykit run runs/model -b mps2_an386[/bold]
    """
    from tinykit.importer.run import import_run
    from tinykit.network import summary

    directory, imported = import_run(model, out, labels)
    found = {row.name: row for row in summary(imported.network)}
    if as_json:
        show_json({"run": directory, "layers": [row.as_dict() for row in found.values()]})
        return
    rows = []
    for node, ops in imported.became:
        made = [found[op] for op in ops]
        shape = "x".join(map(str, made[-1].output_shape)) if made else None
        macs, size = (sum(getattr(row, key) for row in made) for key in ("macs", "parameter_bytes"))
        rows.append((node, ", ".join(ops) or "-", shape, macs, size))
    columns = ("layer of the model", "became", "output", "MACs", "parameter bytes")
    show_table(model.name, columns, rows, right=2)
    if imported.removed:
        count, layers = sum(imported.removed.values()), len(imported.removed)
        show(f"{count} channels of {layers} layers do not depend on the input: taken out")
    show(f"run: [bold]{directory}[/bold]   next: tinykit run {directory} --board mps2_an386")
