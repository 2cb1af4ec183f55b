# SPDX-License-Identifier: Apache-2.0
"""What quantizing a model of others costs: `python benchmarks/quantize_imported.py MODEL DATA`.

MODEL is a .tflite file, float or int8; DATA holds inputs and their classes, as `tinykit import
--data` reads them. A seeded draw of --fit of them is all that any choice sees (ranges, scales,
biases, rounding); the table is of the rest. One row a method, each adding to the one before.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinykit.cli.output import show_table
from tinykit.importer.calibrate import METHODS, calibrate
from tinykit.importer.compare import compare, scores
from tinykit.importer.float_run import FloatModel
from tinykit.importer.graph import Graph
from tinykit.importer.lower import lower
from tinykit.importer.narrow import NarrowLayer, largest_scales, rounded, with_layer
from tinykit.importer.narrowing import Narrowing
from tinykit.importer.ptq import needs_calibration, quantize
from tinykit.importer.quantization import expected_inputs
from tinykit.importer.real_graph import CHANNEL_AXIS
from tinykit.importer.representative import load_inputs
from tinykit.importer.tflite_reader import read_tflite


def largest(work: Narrowing) -> Graph:
    """Every layer on scales that clip nothing, rounded to the nearest, biases as they were."""
    graph = work.whole
    for node in work.given.graph.nodes:
        if node.kind in CHANNEL_AXIS:
            rows, bias = work.reals_of(node)
            scale = largest_scales(rows, work.bits)
            layer = NarrowLayer(rounded(rows, scale, work.bits), scale, bias, work.bits, "nearest")
            place = next(one for one in graph.nodes if one.name == node.name)
            graph = with_layer(graph, place, layer)
    return graph


def graphs(model: Path, data: Path, fit: int, bits: list[int]) -> tuple[Any, Any, dict[str, Graph]]:
    """The float model, the inputs to report on, and a quantized graph for each method."""
    graph = read_tflite(model)
    given = FloatModel(graph)
    inputs = load_inputs(data, expected_inputs(graph, given))
    fitted = np.zeros(len(inputs.x), bool)
    fitted[np.random.default_rng(0).permutation(len(inputs.x))[:fit]] = True
    x = inputs.chosen(fitted).x
    floats = needs_calibration(graph)
    found: dict[str, Graph] = {}
    if floats:
        for method in METHODS:
            found[f"int8, {method}"] = quantize(given.graph, calibrate(given, x, method))
    whole = found["int8, minmax"] if floats else graph
    found.setdefault("int8", whole)
    names = {node.name for node in given.graph.nodes if node.kind in CHANNEL_AXIS}
    for width in bits:
        work = Narrowing(given, None if floats else graph, whole, None, width, "nearest")
        found[f"w{width}: largest scale"] = largest(work)
        found[f"w{width}: scale of least error"] = work.run(names)[0]
        found[f"w{width}: and bias correction"] = replace(work, inputs=x).run(names)[0]
        learned = replace(work, inputs=x, rounding="adaround")
        found[f"w{width}: and learned rounding"] = learned.run(names)[0]
    if floats:
        del found["int8"]
    return given, inputs.chosen(~fitted), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fit", type=int, default=300, help="inputs that choices are made on")
    parser.add_argument("--bits", type=int, action="append", help="default: 4 and 2")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    model, rest, found = graphs(
        arguments.model, arguments.data, arguments.fit, arguments.bits or [4, 2]
    )
    floats = not read_tflite(arguments.model).is_quantized
    first = None
    rows = []
    if floats:
        first = model.run(rest.x)
        rows.append(("float", compare(first, first, rest.y)))
    for name, graph in found.items():
        outputs = scores(lower(graph).network, rest)
        first = outputs if first is None else first
        rows.append((name, compare(first, outputs, rest.y)))
    columns = ("method", "accuracy, %", "same class, %", "SQNR of outputs, dB")
    cells = [
        (name, *(None if v is None else f"{v:.2f}" for v in (f.accuracy, f.agreement, f.sqnr_db)))
        for name, f in rows
    ]
    show_table(f"{arguments.model.name}: {len(rest.x)} inputs", columns, cells)
    if arguments.json:
        document = [{"method": name, **figures.as_dict()} for name, figures in rows]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
