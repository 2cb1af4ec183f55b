# SPDX-License-Identifier: Apache-2.0
"""Fuzz the importer: `python benchmarks/fuzz_import.py CORPUS [--minutes N]`, with atheris.

CORPUS is a folder that is filled with one small model for each operator first, if it is empty, and
that grows with every input that reaches new code. Whatever the bytes are, the importer must refuse
them with a TinykitError or give a Network that can be run; anything else ends the run and is kept
as crash-* beside the corpus: another exception, more than five seconds of the processor's time,
more than a gigabyte.
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
    from tinykit.importer.lower import lower
    from tinykit.importer.tflite_reader import parse_tflite
    from tinykit.network import interpret, shapes
    from tinykit.network.store import to_bytes

_MOST_SECONDS = 5.0
_MOST_MACS = 1 << 20
_MOST_VALUES = 1 << 18
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
        network = lower(parse_tflite(data)).network
    except TinykitError:
        return
    values = sum(int(np.prod(tensor.shape)) for tensor in network.tensors)
    work = sum(shapes.macs(op, network.tensor(op.output).shape) for op in network.ops)
    if values <= _MOST_VALUES and work <= _MOST_MACS:
        to_bytes(network)
        interpret(network, np.zeros((1, *network.tensor(network.input).shape), np.int8))


def fill(corpus: Path) -> None:
    """One file for each operator and seed."""
    from tests.importer.test_operators import OPERATORS

    for name, make in OPERATORS.items():
        for seed in range(_SEEDS_OF_AN_OPERATOR):
            content = make(np.random.default_rng(seed))
            (corpus / f"{name.replace(' ', '_')}-{seed}").write_bytes(content)


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
        "-rss_limit_mb=1024",
        "-max_len=65536",
        "-print_final_stats=1",
        f"-artifact_prefix={arguments.corpus.resolve().parent}/",
    ]
    atheris.Setup([sys.argv[0], str(arguments.corpus), *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
