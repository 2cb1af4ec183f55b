# SPDX-License-Identifier: Apache-2.0
"""How fast a search is with one worker and with two, and whether a killed one loses anything.

    python benchmarks/search_speed.py [--trials 200] [--data hapt] [--steps 250]

Three searches of the same number of trials: one worker, two workers, and two workers killed twice
(SIGKILL to the whole process group) and resumed. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def finished(folder: Path) -> dict[str, str]:
    """Figures of the finished trials, as text."""
    return {p.parent.name: p.read_text() for p in folder.glob("trials/*/figures.json")}


def begin(options: argparse.Namespace, folder: Path, workers: int, *more: str) -> subprocess.Popen:
    words = ["search", "har", "--data", options.data, "--trials", str(options.trials)]
    words += ["--steps", str(options.steps), "--workers", str(workers), "--out", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-m", "tinykit", *words, *more],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def whole(options: argparse.Namespace, folder: Path, workers: int) -> float:
    """Seconds of a search without interruption."""
    start = time.perf_counter()
    if begin(options, folder, workers).wait():
        raise SystemExit("the search failed")
    return time.perf_counter() - start


def killed(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """A search killed at a third and at two thirds of its trials."""
    kept: dict[str, str] = {}
    lost = 0
    for share in (1 / 3, 2 / 3):
        process = begin(options, folder, 2, *(["--resume"] if kept else []))
        while len(finished(folder)) < share * options.trials:
            if process.poll() is not None:
                raise SystemExit("the search ended early")
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = finished(folder)
        lost += sum(now.get(name) != text for name, text in kept.items())
        kept = now
    if begin(options, folder, 2, "--resume").wait():
        raise SystemExit("the search failed after it was resumed")
    end = finished(folder)
    lost += sum(end.get(name) != text for name, text in kept.items())
    return {"finished": len(end), "lost": lost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--data", default="hapt")
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        seconds = {n: whole(options, Path(home) / f"workers{n}", n) for n in (1, 2)}
        result = {
            "trials": options.trials,
            "data": options.data,
            "seconds": {str(n): round(s, 1) for n, s in seconds.items()},
            "speedup": round(seconds[1] / seconds[2], 3),
            "killed_twice": killed(options, Path(home) / "killed"),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
