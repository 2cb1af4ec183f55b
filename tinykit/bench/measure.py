# SPDX-License-Identifier: Apache-2.0
"""Measure one case on one core the way every firmware is: generated, built, booted, compared.

The firmware carries one input and the interpreter's answer, so that the very inference that is
counted is also held to be exact, and every layer's output with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinykit.bench.cases import Case
from tinykit.bench.result import INFERENCE, Figures, Result
from tinykit.bench.tools import tools_digest
from tinykit.boards import Board
from tinykit.boards.elf import read_compiler
from tinykit.boards.platformio import BuildResult
from tinykit.boards.platformio import build as build_project
from tinykit.codegen.layer import Layer
from tinykit.codegen.project import Project, generate
from tinykit.codegen.vectors import Vectors, make_vectors
from tinykit.emulators.measure import Count
from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.network.ops import DepthwiseConv2D, Op, Windowed
from tinykit.network.sample import random_input
from tinykit.network.shapes import dilation, kernel_size
from tinykit.workflow import BoardResult, Firmware, run_firmware

_VECTOR_SEED = 1
_VECTOR_SYMBOLS = ("vector_features", "vector_scores")
# An inference of the largest network takes an emulator seconds, on a busy machine many.
_HANGS_SECONDS = 300.0


def one_vector(network: Network) -> Vectors:
    """A random input of a fixed seed and what the interpreter makes of it."""
    rng = np.random.default_rng(_VECTOR_SEED)
    return make_vectors(network, random_input(rng, network.tensor(network.input), 1))


def measure_case(
    case: Case,
    core: str,
    board: Board,
    *,
    build_jobs: int = 0,
    keep: Path | None = None,
) -> Result:
    """Generate, build and run `case` under QEMU; faults of the firmware are part of the result.

    Args:
        case: what to measure.
        core: name under which the result is kept.
        board: the emulated board with that core.
        build_jobs: compilers at a time; 0 is one per processor.
        keep: folder in which the project stays, under the names of case and core; none by default.
    """
    network = case.network()
    counted = INFERENCE if case.layer is None else network.ops[case.layer].name
    head = Result(case.name, core, counted, board.id, network.digest, tools_digest(board))
    with tempfile.TemporaryDirectory(prefix="tinykit-bench-") as aside:
        folder = Path(aside) / "project" if keep is None else keep / case.name / core
        try:
            project = generate(network, board, folder, vectors=one_vector(network))
            build = build_project(folder, board, jobs=build_jobs)
            firmware = Firmware(folder, board, project.metadata, None)
            ran = run_firmware(firmware, build, emulator="qemu", timeout=_HANGS_SECONDS)
            compiler = read_compiler(build.elf)
        except TinykitError as error:
            fault = {**error.as_dict(), "exit_code": error.exit_code}
            return replace(head, error=fault)
    return replace(head, compiler=compiler, **_measured(case, network, project, build, ran))


def _measured(
    case: Case, network: Network, project: Project, build: BuildResult, ran: BoardResult
) -> dict[str, Any]:
    """What a firmware that ran tells; its figures only where it ran to the end."""
    counts = ran.measurement.layers
    if ran.measurement.inference is None or len(counts) != len(project.layers):
        return {"differences": (*ran.differences, "the inference was not counted to its end")}
    layers = [
        layer_record(network, layer, count, project)
        for layer, count in zip(project.layers, counts, strict=True)
    ]
    chosen = layers if case.layer is None else [layers[case.layer]]
    symbols = build.sizes.symbols
    vector_bytes = sum(symbols[name].size for name in _VECTOR_SYMBOLS if name in symbols)
    ram = ran.as_dict()["ram"]
    figures = Figures(
        instructions=sum(layer["instructions"] for layer in chosen),
        macs=sum(layer["macs"] for layer in chosen),
        flash=build.flash - vector_bytes,
        vector_bytes=vector_bytes,
        arena=ram["arena"],
        ram=build.ram - build.sizes.stack,
        stack=ram["stack_used"],
    )
    return {
        "figures": figures,
        "differences": tuple(ran.differences),
        "kernels": _kernel_names(chosen),
        "layers": tuple(layers),
    }


def _kernel_names(layers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Each C function once, in order."""
    names = [name for layer in layers for name in (layer["kernel"], *layer["parts"])]
    return tuple(dict.fromkeys(names))


def layer_record(network: Network, layer: Layer, count: Count, project: Project) -> dict[str, Any]:
    """All that the instructions of a layer may depend on, and the instructions.

    Args:
        network: the network.
        layer: one of its layers, with its kernel.
        count: the layer's instructions.
        project: what was generated.

    Returns:
        what tinykit.json says of the layer, and besides: "kind"; "parts", the functions that the
        kernel calls for this layer; "inputs" and "channels"; for windows "window", "stride",
        "dilation" and "padding" as the network has them, and again in "convolution" for one that
        its pool has joined; "fields", the numbers in the kernel's params; "row", values of a row of
        weights as the kernel sees it, and "chunk"; "backward", whether the last pixels come first;
        "clamp", the least and greatest output where the kernel requantises; "instructions".
    """
    op, variant = layer.op, layer.matmul.variant if layer.matmul else None
    known = dict(project.metadata["layers"][layer.index])
    record = {
        **known,
        "kind": layer.kind,
        "parts": [variant.expand, variant.multiply] if variant else [],
        "inputs": [list(network.tensor(name).shape) for name in op.inputs],
        "channels": network.tensor(op.output).shape[-1],
        "fields": dict(layer.fields),
        "row": layer.matmul.length if layer.matmul else 0,
        "chunk": layer.matmul.chunk if layer.matmul else 0,
        "backward": layer.index in project.plan.backward,
        "instructions": round(count.mean),
    }
    if layer.scaling is not None:
        record["clamp"] = [layer.scaling.low, layer.scaling.high]
    if layer.parts:
        record["convolution"] = window_record(layer.parts[0].op)
    return record | window_record(op)


def window_record(op: Op) -> dict[str, Any]:
    """The geometry of an operator with a window, as the network has it; nothing of others."""
    if not isinstance(op, Windowed):
        return {}
    record: dict[str, Any] = {"window": list(kernel_size(op))}
    record["stride"], record["padding"] = list(op.stride), list(op.padding)
    record["dilation"] = list(dilation(op))
    if isinstance(op, DepthwiseConv2D):
        record["depth_multiplier"] = op.depth_multiplier
    return record
