# SPDX-License-Identifier: Apache-2.0
"""`tinykit train`: from recordings to an integer-only Network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="`kws`, `har`, another packaged recipe (kws_small, kws_demo, har_motionsense, ...)"
            " or a recipe file."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Another data set, or a folder with one folder of recordings a label."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Bits of weights and activations, e.g. w8a8, w4a4, w2a8.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order, augmentation.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of float training.")] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Take the float model of this run instead of training one."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/<recipe>-<policy>-seed<n> by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted training stopped.")
    ] = False,
    threads: Annotated[int | None, typer.Option(help="Threads of TensorFlow.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, quantize and export.

    The run folder then holds recipe.toml, model.keras, network.tkn, metrics.json and a hundred
    held-out recordings. An interrupted training goes on with --resume.

    Example: [bold]tinykit train kws --policy w4a8 --seed 1[/bold]
    """
    from tinykit.quantize.pipeline import train as train_recipe
    from tinykit.recipe import Recipe

    chosen = Recipe.load("har_hapt" if recipe == "har" else recipe).override(
        data=data,
        policy=policy,
        seed=seed,
        epochs=epochs,
        init_from=None if init_from is None else str(init_from),
    )
    run = out or Path("runs") / f"{chosen.name}-{chosen.quantization.policy}-seed{chosen.seed}"
    metrics = train_recipe(chosen, run, resume=resume, threads=threads)
    if as_json:
        show_json({"run": run, **metrics})
        return
    show_accuracy(metrics)
    show(f"run folder: [bold]{run}[/bold]   next: tinykit generate {run} --board mps2_an386")


def show_accuracy(metrics: dict[str, Any]) -> None:
    """A table of float against integers, on validation and test."""
    origin = "SYNTHETIC data" if metrics["data"]["synthetic"] else "real recordings"
    rows = [
        (
            name,
            *(
                f"{100 * metrics[stage][part][figure]:.2f} %"
                for part in ("validation", "test")
                for figure in ("accuracy", "macro_f1")
            ),
        )
        for name, stage in (
            ("float", "float"),
            (f"integers, {metrics['quantized']['policy']}", "quantized"),
        )
    ]
    columns = ("network", "validation acc.", "macro F1", "test acc.", "macro F1")
    show_table(f"Accuracy on {metrics['data']['name']} ({origin})", columns, rows)
