# SPDX-License-Identifier: Apache-2.0
"""Trials that take no training: what they find follows from the recipe alone."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from pathlib import Path

from tinykit.errors import TinykitError
from tinykit.search.har import Settings, search
from tinykit.search.trial import Job, Outcome
from tinykit.search.workers import Processes

SETTINGS = Settings("synthetic_gait", "mps2_an386", steps=1)


def outcome(job: Job) -> Outcome:
    """Figures drawn from the recipe without its name, which carries the trial's number."""
    chance = zlib.crc32("\n".join(job.recipe.splitlines()[1:]).encode())
    return Outcome(
        macro_f1=chance % 1000 / 1000,
        accuracy=chance % 997 / 1000,
        flash=10_000 + chance % 1009,
        weights=chance % 1013,
        arena=chance % 1019,
        instructions=chance % 1021,
        seconds=0.0,
        network=str(chance).encode(),
    )


def slow(job: Job) -> Outcome:
    time.sleep(0.15)
    return outcome(job)


def dies_once(job: Job) -> Outcome:
    """The worker of trial 1 dies the first time."""
    mark = Path(os.environ["DIES_ONCE"])
    if job.number == 1 and not mark.exists():
        mark.touch()
        os._exit(9)
    return outcome(job)


def dies_always(job: Job) -> Outcome:
    os._exit(9)


def fails(job: Job) -> Outcome:
    raise TinykitError("nothing works here.", where=f"trial {job.number}")


def finished(folder: Path) -> dict[str, dict[str, object]]:
    """Figures of the trials in a search's folder."""
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted((folder / "trials").glob("*/figures.json"))
    }


def main() -> None:
    """FOLDER TRIALS RESUME: a search of slow trials in this process, to be killed."""
    # Ignored from the start where the tests run as a job in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, trials, resume = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "resume"
    workers = Processes(2, slow)
    try:
        search(SETTINGS, folder, workers, trials=trials, resume=resume)
    finally:
        workers.close()


if __name__ == "__main__":
    main()
