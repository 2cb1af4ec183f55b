# SPDX-License-Identifier: Apache-2.0
"""Measure many cases on many cores, several at a time, keeping each result as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tinykit.bench.cases import ALL, Case
from tinykit.bench.cores import CORES
from tinykit.bench.measure import measure_case
from tinykit.bench.result import Result, by_key, load, save
from tinykit.bench.tools import tools_digest
from tinykit.boards import Board
from tinykit.boards.platformio import environment
from tinykit.emulators.qemu import plugin
from tinykit.errors import TinykitError

Note = Callable[[Result], None]


@dataclass(frozen=True)
class Job:
    """One case on one core."""

    case: Case
    core: str
    board: Board

    def finished(self, known: Mapping[tuple[str, str], Result]) -> Result | None:
        """The exact result among `known` that another measurement would give again, or None."""
        result = known.get((self.case.name, self.core))
        if result is None or not result.exact or result.tools != tools_digest(self.board):
            return None
        return result if result.network == self.case.network().digest else None


def plan(cases: Sequence[Case], cores: Mapping[str, Board]) -> tuple[Job, ...]:
    """Every case on every core; the cores of one case follow one another."""
    return tuple(Job(case, core, board) for case in cases for core, board in cores.items())


def in_order(results: Iterable[Result]) -> list[Result]:
    """Sorted as the cases and cores are listed; what is not listed comes last."""
    places = {name: place for place, name in enumerate([*(case.name for case in ALL), *CORES])}

    def place(result: Result) -> tuple[int, int]:
        return places.get(result.case, len(places)), places.get(result.core, len(places))

    return sorted(results, key=place)


def run(
    jobs: Sequence[Job],
    *,
    workers: int = 2,
    out: Path | None = None,
    resume: bool = False,
    keep: Path | None = None,
    note: Note = lambda result: None,
) -> list[Result]:
    """Measure `jobs`; the results in their order.

    Args:
        jobs: from `plan`.
        workers: builds and emulators at a time; counts do not depend on it.
        out: file that holds all results so far at any time; none by default. What it held before is
            gone, unless `resume`.
        resume: take over from `out` what the same network and the same tools gave.
        keep: folder for the generated projects; none stays by default.
        note: called with each result as it comes.

    Raises:
        TinykitError: `out` cannot be written, or is no file of results where it is to be resumed.
    """
    if resume and out is None:
        raise TinykitError(
            "there is no file of results to go on from.",
            where="--resume",
            remedy="Name it with --out.",
        )
    known = by_key(load(out)) if resume and out is not None and out.exists() else {}
    found: dict[tuple[str, str], Result] = {}

    def take(result: Result) -> None:
        found[result.key] = result
        if out is not None:
            # What a run is to go on from stays until it is measured anew.
            save(out, in_order((known | found).values()))
        note(result)

    _prepare()
    with ThreadPoolExecutor(workers) as pool:
        pending = {pool.submit(_one, job, known, workers, keep): job for job in jobs}
        _collect(pending, pool, take)
    return [found[job.case.name, job.core] for job in jobs]


def _prepare() -> None:
    """Make what all builds and emulators share, before there are several."""
    environment()
    plugin()


def _one(
    job: Job, known: Mapping[tuple[str, str], Result], workers: int, keep: Path | None
) -> Result:
    result = job.finished(known)
    if result is not None:
        return result
    return measure_case(
        job.case, job.core, job.board, build_jobs=1 if workers > 1 else 0, keep=keep
    )


def _collect(pending: Mapping[Future[Result], Job], pool: ThreadPoolExecutor, take: Note) -> None:
    try:
        for future in as_completed(pending):
            take(future.result())
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def save_baseline(path: Path, results: Iterable[Result]) -> None:
    """Put the figures of `results` into a baseline; what else it holds stays.

    Results that are not exact are left out: there is nothing to be compared with.

    Raises:
        TinykitError: the file cannot be written, or is there and no file of results.
    """
    known = by_key(load(path)) if path.exists() else {}
    exact = {result.key: result for result in results if result.exact}
    save(path, in_order((known | exact).values()), brief=True)
