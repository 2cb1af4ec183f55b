# SPDX-License-Identifier: Apache-2.0
"""`tinykit run`: boot the firmware in an emulator and measure it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.build import TargetBoardOption
from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.workflow import BoardResult

EmulatorOption = Annotated[
    str,
    typer.Option(
        "--emulator", "-e", help="auto (Renode where installed, else QEMU), renode, qemu or host."
    ),
]


def run(
    target: Annotated[
        Path, typer.Argument(help="A generated project, or a run folder together with --board.")
    ],
    board: TargetBoardOption = None,
    emulator: EmulatorOption = "auto",
    clips: Annotated[
        int, typer.Option(help="Held-out recordings to stream over UART.", min=0, max=100)
    ] = 0,
    mode_inputs: Annotated[
        int, typer.Option(help="Inputs to run in every mode, of networks with exits.", min=0)
    ] = 5,
    timeout: Annotated[
        float, typer.Option(help="Seconds without output after which the firmware hangs.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Build, boot, check against Python, and count instructions per layer.

    Instructions are exact; latency and energy are estimates. Exit status 4 if the board and Python
    differ in a single bit.

    Example: [bold]tinykit run runs/kws-w8a8-seed0 --board virt_rv32imc --clips 10[/bold]
    """
    from tinykit.progress import progress
    from tinykit.verify import inputs_of
    from tinykit.workflow import build_firmware, open_firmware, run_firmware

    with progress() as bar:
        task = bar.add_task("generate", total=3 + clips, note="")
        firmware = open_firmware(target, board)
        bar.update(task, description="build", advance=1)
        built = build_firmware(firmware)
        bar.update(task, description="emulate", advance=1)
        samples = None
        if clips and firmware.run is not None:
            samples = firmware.run.samples().first(clips)
        features = None
        if mode_inputs and firmware.run is not None and firmware.run.network.modes:
            features = inputs_of(firmware.run)[:mode_inputs]
            bar.update(task, total=3 + clips + len(firmware.run.network.modes))
        result = run_firmware(
            firmware,
            built,
            emulator=emulator,
            clips=samples,
            features=features,
            timeout=timeout,
            tick=lambda: bar.advance(task),
        )
    if as_json:
        show_json(result.as_dict())
    else:
        show_result(result)
    require_exact(result)


def require_exact(result: BoardResult) -> None:
    """Refuse a board that differs from Python.

    Raises:
        MismatchError: with the first difference.
    """
    from tinykit.errors import MismatchError

    if not result.exact:
        clip = next((c for c in result.clips if not c.agrees), None)
        mode = next((m for m in result.modes if m.wrong), None)
        other = f"recording {clip}" if clip else f"mode {mode}"
        first = result.differences[0] if result.differences else other
        raise MismatchError(
            f"the firmware and the interpreter differ: {first}.",
            where=f"{result.firmware.board.id} under {result.emulator}",
            remedy="Run `tinykit verify` to see which executor is alone, and report it.",
        )


def show_result(result: BoardResult) -> None:
    """Tables: per layer, memory, recordings."""
    document = result.as_dict()
    _show_layers(result, document)
    _show_memory(document)
    _show_counts(document)
    if result.clips:
        rows = [
            (c.index, c.label, c.predicted, max(c.scores), "yes" if c.agrees else "NO")
            for c in result.clips
        ]
        columns = ("recording", "is", "board says", "score", "equals Python")
        show_table("Recordings streamed over UART", columns, rows, right=3)
    _show_modes(result)
    verdict = "[green]bit-exact[/green]" if result.exact else "[red]NOT bit-exact[/red]"
    show(f"{verdict}: {result.compared} inputs, board = interpreter")


def _show_layers(result: BoardResult, document: dict[str, Any]) -> None:
    rows = [
        (
            layer["name"],
            f"w{layer['weight_bits'] or '-'}a{layer['output']['bits']}",
            layer["macs"],
            layer["table_bytes"] + layer["weight_bytes"],
            layer["output_bytes"] + layer["scratch_bytes"],
            count["instructions"],
            layer.get("predicted"),
            f"{count['instructions'] / layer['macs']:.2f}" if layer["macs"] else None,
        )
        for layer, count in zip(
            result.firmware.metadata["layers"], document["instructions"]["layers"], strict=False
        )
    ]
    if rows:  # the host counts nothing
        columns = (
            "layer",
            "bits",
            "MACs",
            "flash B",
            "RAM B",
            "instructions",
            "predicted",
            "per MAC",
        )
        show_table(f"{document['board_name']} under {result.emulator}", columns, rows, right=2)


def _show_modes(result: BoardResult) -> None:
    rows = [
        (
            mode.name,
            " ".join(f"{100 * share:.0f}" for share in mode.shares),
            None if mode.instructions is None else round(mode.instructions),
            "NO" if mode.wrong else "yes",
            mode.inferences,
        )
        for mode in result.modes
    ]
    if rows:
        columns = ("mode", "exits taken, %", "instructions", "equals Python", "inputs")
        show_table("Modes", columns, rows, right=2)


def _show_memory(document: dict[str, Any]) -> None:
    flash, ram = document["flash"], document["ram"]
    rows = [
        ("flash", flash["total"], flash["capacity"] or None),
        ("RAM, all of it", ram["total"], ram["capacity"] or None),
        ("  arena", ram["arena"], None),
        ("  stack high-water mark", ram["stack_used"], ram["stack_reserved"]),
    ]
    show_table("Memory, bytes", ("", "used", "available"), rows)


def _show_counts(document: dict[str, Any]) -> None:
    counts, guess = document["instructions"], document["estimates"]
    if counts["inference"]:
        show(f"inference: [bold]{counts['inference']:,}[/bold] instructions (exact)")
    if counts["frontend_per_clip"]:
        show(f"front end: {counts['frontend_per_clip']:,} instructions a clip (exact)")
    if guess:
        show(
            f"estimates: {guess['latency_ms']:.2f} ms at {document['clock_hz'] / 1e6:g} MHz, "
            f"{guess['energy_uj']:.1f} uJ an inference [dim]({guess['source']})[/dim]"
        )
