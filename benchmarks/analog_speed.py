# SPDX-License-Identifier: Apache-2.0
"""How much faster than real time the analog front end is simulated, on one core.

    python benchmarks/analog_speed.py [--filters 16] [--clips 64] [--repeats 5]

Random clips of one second at 16 kHz. Prints a line each for the simulated bank with its
comparators, for one with the noise of a manufactured unit, for mel triangles, and for the integers
that stand for C; the best of the repeats, in seconds of processor time of the one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

# Before NumPy is loaded, which reads it once.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from tinykit.frontends import Analog
from tinykit.frontends.analog import Tolerances, mel_peaks, sample_unit


def best(work: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the fastest of `repeats`, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    front = Analog(filters=options.filters)
    x = np.random.default_rng(0).integers(-3000, 3001, (options.clips, front.input_length))
    x = x.astype(np.int16)
    unit = sample_unit(front.stages, Tolerances(), np.random.default_rng(0))
    mel = {
        name: getattr(front, name) for name in ("filters", "lower_hz", "upper_hz", "rate", "hop")
    }
    works: dict[str, Callable[[], object]] = {
        "bank and comparators": lambda: front.bits(x),
        "the same, one unit with noise": lambda: front.bits(x, unit, np.random.default_rng(0)),
        "mel triangles": lambda: mel_peaks(x, **mel),
        "integers": lambda: front.integer(x),
    }
    seconds = options.clips * front.input_length / front.rate
    for name, work in works.items():
        print(f"{name}: {seconds / best(work, options.repeats):.0f} times real time")


if __name__ == "__main__":
    main()
