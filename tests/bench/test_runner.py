# SPDX-License-Identifier: Apache-2.0
"""Many jobs: their order, what is on disk while they run, what a resumed run does not repeat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench.results import result
from tinykit.bench import Result, cases, cores, load, plan, run, runner, save
from tinykit.bench.tools import tools_digest
from tinykit.boards import Board
from tinykit.errors import TinykitError

JOBS = plan(cases(["dense-w8a8", "dense-w2a2"]), cores(["m4", "m3"]))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Measuring takes no time, and leaves a list of what was measured."""
    done: list[tuple[str, str]] = []

    def measure(case: Any, core: str, board: Board, **_: Any) -> Result:
        done.append((case.name, core))
        return result(case.name, core, network=case.network().digest, tools=tools_digest(board))

    monkeypatch.setattr(runner, "measure_case", measure)
    return done


def test_results_have_the_order_of_the_jobs(
    measured: list[tuple[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    noted: list[Result] = []
    results = run(JOBS, workers=3, out=out, note=noted.append)
    wanted = [(case, core) for case in ("dense-w8a8", "dense-w2a2") for core in ("m3", "m4")]
    assert [one.key for one in results] == wanted
    assert sorted(one.key for one in noted) == sorted(measured) == sorted(wanted)
    assert load(out) == results


def test_an_interrupted_run_keeps_what_is_done(
    measured: list[tuple[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"

    def interrupt(one: Result) -> None:
        if one.key == ("dense-w8a8", "m4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(JOBS, workers=1, out=out, note=interrupt)
    assert ("dense-w8a8", "m4") in [one.key for one in load(out)]
    kept = load(out)
    measured.clear()
    run(JOBS, workers=1, out=out, resume=True)
    assert sorted([*measured, *(one.key for one in kept)]) == sorted(
        (job.case.name, job.core) for job in JOBS
    )
    assert len(load(out)) == len(JOBS)


@pytest.mark.parametrize(
    "stale",
    [{"tools": "older"}, {"network": "other"}, {"differences": ("layer 0",)}],
    ids=["tools", "network", "inexact"],
)
def test_a_resumed_run_measures_again_what_changed(
    measured: list[tuple[str, str]], tmp_path: Path, stale: dict[str, Any]
) -> None:
    out = tmp_path / "out.json"
    first, *others = run(JOBS, out=out)
    save(out, [replace(first, **stale), *others])
    measured.clear()
    assert run(JOBS, out=out, resume=True) == [first, *others]
    assert measured == [first.key]


def test_a_resumed_run_keeps_the_results_of_other_cases(
    measured: list[tuple[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    run(JOBS, out=out)
    run(JOBS[:1], out=out, resume=True)
    assert len(load(out)) == len(JOBS)
    run(JOBS[:1], out=out)
    assert len(load(out)) == 1


def test_there_is_nothing_to_resume_without_a_file(measured: list[tuple[str, str]]) -> None:
    with pytest.raises(TinykitError, match="go on from"):
        run(JOBS, resume=True)
    assert measured == []


def test_the_digest_of_the_tools_follows_the_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tinykit.bench import tools

    (board,) = cores(["m4"]).values()
    source = tmp_path / "kernel.c"
    source.write_text("int a;")
    monkeypatch.setattr(tools, "_files", lambda: iter([source]))
    digests = []
    for text in ("int a;", "int b;", "int a;"):
        source.write_text(text)
        tools._sources.cache_clear()
        digests.append(tools_digest(board))
    tools._sources.cache_clear()
    assert digests[0] == digests[2] != digests[1]
