# SPDX-License-Identifier: Apache-2.0
"""Fuzz the importer: `python benchmarks/fuzz_import.py CORPUS [--minutes N]`, with atheris.

CORPUS is a folder that is filled with small models of one operator each first, in int8 and in
floats, if it is empty, and that grows with every input that reaches new code. Whatever the bytes
are, the importer must refuse them with a TinykitError or give a Network that can be run; anything
else ends the run and is kept as crash-* beside the corpus: another exception, more than five
seconds of the processor's time, more than a gigabyte. Float models are calibrated on two seeded
inputs, by one of the methods, and quantized; all weights are then narrowed to 4 bits, by one of the
roundings.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["tinykit"]):
    import numpy as np

    from tinykit.errors import TinykitError
    from tinykit.importer.calibrate import METHODS, calibrate
    from tinykit.importer.float_run import FloatModel
    from tinykit.importer.graph import Graph
    from tinykit.importer.lower import lower
    from tinykit.importer.narrowing import Narrowing
    from tinykit.importer.options import ROUNDINGS
    from tinykit.importer.ptq import needs_calibration, quantize
    from tinykit.importer.real_graph import CHANNEL_AXIS, real_graph
    from tinykit.importer.tflite_reader import parse_tflite
    from tinykit.importer.write_tflite import to_tflite
    from tinykit.network import Lstm, Network, interpret, shapes
    from tinykit.network.store import to_bytes

_MOST_SECONDS = 5.0
_MOST_MACS = 1 << 20
_MOST_VALUES = 1 << 18
# An LSTM goes over its steps one by one.
_MOST_STEPS = 1 << 12
_SEEDS_OF_AN_OPERATOR = 6
_seeds: list[bytes] = []


def one_input(data: bytes) -> None:
    """Import `data` and run what comes of it, in a few seconds."""
    start = time.process_time()
    _import_and_run(data)
    # libFuzzer's own limit is the clock's, which goes on while others use the processor.
    took = time.process_time() - start
    if took > _MOST_SECONDS:
        raise TimeoutError(f"took {took:.1f} s")


def _import_and_run(data: bytes) -> None:
    try:
        graph = parse_tflite(data)
        if needs_calibration(graph):
            quantized(graph, data)
            return
        network = lower(graph).network
        if is_small(network):
            to_bytes(network)
            interpret(network, np.zeros((1, *network.tensor(network.input).shape), np.int8))
            narrow(graph, graph, data)
    except TinykitError:
        return


def is_small(network: Network) -> bool:
    """Whether it is run in no time."""
    values = sum(int(np.prod(tensor.shape)) for tensor in network.tensors)
    work = sum(shapes.macs(op, network.tensor(op.output).shape) for op in network.ops)
    steps = sum(network.tensor(op.output).shape[0] for op in network.ops if isinstance(op, Lstm))
    return values <= _MOST_VALUES and work <= _MOST_MACS and steps <= _MOST_STEPS


def quantized(graph: Graph, data: bytes) -> None:
    """Calibrate and quantize a float model, if it is small; `data` chooses the method."""
    model = FloatModel(graph)
    tensors = model.graph.tensors
    values = sum(int(np.prod(tensor.shape)) for tensor in tensors.values())
    work = 0
    for node in model.graph.nodes:
        size = int(np.prod(tensors[node.outputs[0]].shape))
        taps = node.attributes.get("filter_h", 1) * node.attributes.get("filter_w", 1)
        if node.kind in CHANNEL_AXIS and len(node.inputs) > 1 and node.inputs[1]:
            taps = int(np.prod(tensors[node.inputs[1]].shape))
        work += size * max(abs(taps), 1)
    if values > _MOST_VALUES or work > _MOST_MACS:
        return
    x = np.random.default_rng(0).normal(0, 1, (2, *model.input_shape)).astype(np.float32)
    method = METHODS[len(data) % len(METHODS)]
    whole = quantize(model.graph, calibrate(model, x, method))
    network = lower(whole).network
    to_tflite(whole)
    interpret(network, np.zeros((1, *network.tensor(network.input).shape), np.int8))
    narrow(graph, whole, data)


def narrow(graph: Graph, whole: Graph, data: bytes) -> None:
    """Give all layers weights of 4 bits; `data` chooses the rounding."""
    model = FloatModel(graph)
    x = np.random.default_rng(0).normal(0, 1, (2, *model.input_shape)).astype(np.float32)
    rounding = ROUNDINGS[len(data) // len(METHODS) % len(ROUNDINGS)]
    names = {node.name for node in whole.nodes if node.kind in CHANNEL_AXIS}
    work = Narrowing(model, graph if graph is whole else None, whole, x, 4, rounding)
    network = lower(work.run(names)[0]).network
    interpret(network, np.zeros((1, *network.tensor(network.input).shape), np.int8))


def fill(corpus: Path) -> None:
    """Two files for each operator and seed: in int8 and in floats."""
    from tests.importer.test_operators import OPERATORS

    for name, make in OPERATORS.items():
        for seed in range(_SEEDS_OF_AN_OPERATOR):
            content = make(np.random.default_rng(seed))
            file = f"{name.replace(' ', '_')}-{seed}"
            (corpus / file).write_bytes(content)
            floats = to_tflite(real_graph(parse_tflite(content)))
            (corpus / f"{file}-float").write_bytes(floats)


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Half the time what libFuzzer does to bytes, else what bends words and offsets of a file."""
    from tests.importer.test_hostile import mutated

    rng = np.random.default_rng(seed)
    if rng.random() < 0.5 or not _seeds:
        return bytes(atheris.Mutate(data, most))
    return mutated(data, _seeds[int(rng.integers(len(_seeds)))], rng)[:most]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    if not any(arguments.corpus.iterdir()):
        fill(arguments.corpus)
    _seeds.extend(path.read_bytes() for path in sorted(arguments.corpus.iterdir()))
    warnings.simplefilter("error", RuntimeWarning)
    options = [
        f"-max_total_time={round(arguments.minutes * 60)}",
        "-timeout=60",
        # One piece; the whole process grows by some 1.5 kB an execution that atheris keeps.
        "-malloc_limit_mb=1024",
        "-rss_limit_mb=6144",
        "-max_len=65536",
        "-print_final_stats=1",
        f"-artifact_prefix={arguments.corpus.resolve().parent}/",
    ]
    atheris.Setup([sys.argv[0], str(arguments.corpus), *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
