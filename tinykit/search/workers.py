# SPDX-License-Identifier: Apache-2.0
"""Where trials run: so many processes of this machine, each with one thread of TensorFlow.

Workers know nothing of the study. They are given a job and return its outcome, so the process that
asks is the only one that writes, and one that is killed costs its own trial at most.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from tinykit.errors import TinykitError
from tinykit.progress import QUIET, notice
from tinykit.search.trial import Job, Outcome, run_job

# How often a job is tried whose worker dies; something in it may be what kills workers.
_TRIES = 3

Run = Callable[[Job], Outcome]


class Workers(Protocol):
    """Something that runs jobs side by side.

    Attributes:
        slots: how many at a time.
    """

    slots: int

    def submit(self, job: Job) -> None:
        """Start a job, or queue it."""

    def finished(self) -> tuple[Job, Outcome | TinykitError]:
        """Wait for any job that was submitted; its outcome, or why there is none."""

    def close(self) -> None:
        """Stop, whatever is running."""


class Processes:
    """Worker processes of this machine."""

    def __init__(self, count: int, run: Run = run_job) -> None:
        if count < 1:
            raise TinykitError(f"--workers {count} does no work.", remedy="Give 1 or more.")
        self.slots, self.run = count, run
        self.pool = self._start()
        self.running: dict[Future[Outcome], Job] = {}
        self.tries: dict[int, int] = {}

    def _start(self) -> ProcessPoolExecutor:
        # Not forked: TensorFlow's threads would be missing in the child.
        return ProcessPoolExecutor(
            self.slots, multiprocessing.get_context("spawn"), initializer=_prepare_process
        )

    def submit(self, job: Job) -> None:
        try:
            future = self.pool.submit(self.run, job)
        except BrokenProcessPool as error:
            # `finished` starts the pool again, for this job and those that it was running.
            future = Future()
            future.set_exception(error)
        self.running[future] = job

    def finished(self) -> tuple[Job, Outcome | TinykitError]:
        while True:
            done = next(iter(wait(self.running, return_when=FIRST_COMPLETED).done))
            job = self.running.pop(done)
            error = done.exception()
            if error is None:
                return job, done.result()
            if not isinstance(error, BrokenProcessPool):
                return job, failure(job, error)
            lost = [job, *self.running.values()]
            self._restart()
            for one in lost:
                self.tries[one.number] = self.tries.get(one.number, 1) + 1
            given_up = [one for one in lost if self.tries[one.number] > _TRIES]
            for one in lost:
                if one not in given_up[:1]:
                    self.submit(one)
            if given_up:
                return given_up[0], failure(given_up[0], error)
            notice("a worker died; its trial starts again")

    def _restart(self) -> None:
        self.running.clear()
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = self._start()

    def close(self) -> None:
        # The executor has no way of its own to stop what is running.
        for process in list((self.pool._processes or {}).values()):
            process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)


def prepare_worker() -> None:
    """Leave Ctrl-C and the progress bar to the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[QUIET] = "1"


def _prepare_process() -> None:
    prepare_worker()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    # One that was killed cannot close its pool, whose workers would wait for jobs for ever.
    threading.Thread(target=follow, daemon=True).start()


def failure(job: Job, error: BaseException) -> TinykitError:
    """What a worker raised, as an error that names the trial."""
    if isinstance(error, TinykitError):
        return error
    what: Any = f"trial {job.number} failed: {type(error).__name__}: {error}"
    return TinykitError(str(what)[:500])
