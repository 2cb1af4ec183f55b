# SPDX-License-Identifier: Apache-2.0
"""The study: nothing that was finished is lost, and nothing is done twice."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.search import fakes
from tinykit.errors import TinykitError
from tinykit.recipe import Recipe
from tinykit.search.har import load_front, search
from tinykit.search.study import Found, Study, best_by_memory, open_study, storage_url
from tinykit.search.workers import Processes

ROOT = Path(__file__).parents[2]


def run(folder: Path, trials: int, how, workers: int = 1, *, resume: bool = False):
    pool = Processes(workers, how)
    try:
        return search(fakes.SETTINGS, folder, pool, trials=trials, resume=resume)
    finally:
        pool.close()


def begin(folder: Path, trials: int, how: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.search.fakes", str(folder), str(trials), how]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.Popen(words, cwd=ROOT, env=environment, start_new_session=True)


def wait_for(folder: Path, trials: int, process: subprocess.Popen[bytes]) -> None:
    while len(fakes.finished(folder)) < trials:
        assert process.poll() is None
        time.sleep(0.02)


def test_a_search_killed_twice_and_resumed_loses_no_finished_trial(tmp_path: Path) -> None:
    folder, kept = tmp_path / "search", {}
    for how, upto in (("new", 2), ("resume", 5)):
        process = begin(folder, 9, how)
        wait_for(folder, upto, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = fakes.finished(folder)
        assert {name: now[name] for name in kept} == kept
        kept = now
    assert begin(folder, 9, "resume").wait() == 0
    end = fakes.finished(folder)
    assert {name: end[name] for name in kept} == kept
    assert len(end) >= 9
    # Whoever was under way has run again: no choice is missing, none counts twice.
    front = load_front(folder)
    assert {row["trial"] for row in front} <= {int(name) for name in end}


def test_workers_end_with_a_search_that_is_killed(tmp_path: Path) -> None:
    process = begin(tmp_path / "search", 10_000, "new")
    wait_for(tmp_path / "search", 1, process)
    workers = [
        os.pidfd_open(int(pid))
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    assert workers
    process.kill()
    process.wait()
    for worker in workers:
        # Readable once it has ended; a minute only keeps a failure from hanging.
        assert select.select([worker], [], [], 60.0)[0]
        os.close(worker)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    process = begin(folder, 10_000, "new")
    wait_for(folder, 2, process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0
    before = fakes.finished(folder)
    with pytest.raises(TinykitError, match="--resume"):
        run(folder, 1, fakes.outcome)
    run(folder, len(before) + 2, fakes.outcome, resume=True)
    after = fakes.finished(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2


def test_two_workers_finish_all_trials(tmp_path: Path) -> None:
    run(tmp_path, 9, fakes.outcome, workers=2)
    assert len(fakes.finished(tmp_path)) == 9


def test_one_worker_and_one_seed_give_the_same_search(tmp_path: Path) -> None:
    run(tmp_path / "a", 8, fakes.outcome)
    run(tmp_path / "b", 5, fakes.outcome)
    run(tmp_path / "b", 8, fakes.outcome, resume=True)
    assert fakes.finished(tmp_path / "a") == fakes.finished(tmp_path / "b")


def test_a_dead_worker_costs_its_trial_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIES_ONCE", str(tmp_path / "mark"))
    run(tmp_path / "search", 4, fakes.dies_once, workers=2)
    assert sorted(fakes.finished(tmp_path / "search")) == ["00000", "00001", "00002", "00003"]


def test_a_search_that_has_tried_everything_ends(tmp_path: Path, capsys) -> None:
    study = Study(
        study=open_study(
            "small", storage_url(None, tmp_path), seed=0, resume=False, where=tmp_path
        ),
        folder=tmp_path / "trials",
        board="mps2_an386",
        seed=0,
        draw=lambda trial: {"bits": trial.suggest_categorical("bits", [8, 4, 2])},
        to_recipe=lambda drawn, number: f"name = {number}\nbits = {drawn['bits']}\n",
    )
    pool = Processes(2, fakes.outcome)
    try:
        study.run(10, pool)
    finally:
        pool.close()
    assert study.finished() == 3
    assert "nothing else to try" in capsys.readouterr().err


@pytest.mark.parametrize("how", [fakes.fails, fakes.dies_always])
def test_a_search_in_which_nothing_works_ends(tmp_path: Path, how) -> None:
    with pytest.raises(TinykitError):
        run(tmp_path, 4, how)
    assert fakes.finished(tmp_path) == {}


def test_the_front_is_exported_as_run_folders(tmp_path: Path) -> None:
    front = run(tmp_path, 8, fakes.outcome)
    rows = load_front(tmp_path)
    assert [row["trial"] for row in rows] == [one.number for one in front]
    for row, one in zip(rows, front, strict=True):
        home = tmp_path / row["folder"]
        assert (home / "network.tkn").read_bytes() == (one.folder / "network.tkn").read_bytes()
        short, long = Recipe.load(home / "recipe.toml"), Recipe.load(home / "long.toml")
        assert (short.model, short.data) == (long.model, long.data)
        assert short.training.epochs == 0 < long.training.epochs


def test_the_front_is_what_nothing_beats(tmp_path: Path) -> None:
    front = {one.number for one in run(tmp_path, 12, fakes.outcome)}
    every = {int(name): figures for name, figures in fakes.finished(tmp_path).items()}

    def beats(a, b) -> bool:
        costs = [a[k] <= b[k] for k in ("flash", "arena", "instructions")]
        better = [a[k] < b[k] for k in ("flash", "arena", "instructions")]
        return (
            all(costs)
            and a["macro_f1"] >= b["macro_f1"]
            and (any(better) or a["macro_f1"] > b["macro_f1"])
        )

    expected = {
        number
        for number, own in every.items()
        if not any(beats(other, own) for other in every.values())
    }
    assert front == expected


def test_best_by_memory_climbs() -> None:
    def found(number: int, memory: int, score: float) -> Found:
        return Found(number, Path(), {"memory": memory, "macro_f1": score})

    kept = best_by_memory([found(0, 9, 0.5), found(1, 5, 0.7), found(2, 5, 0.6), found(3, 20, 0.8)])
    assert [one.number for one in kept] == [1, 3]


def test_other_settings_do_not_resume(tmp_path: Path) -> None:
    from dataclasses import replace

    run(tmp_path, 1, fakes.outcome)
    pool = Processes(1, fakes.outcome)
    try:
        with pytest.raises(TinykitError, match="other settings"):
            search(replace(fakes.SETTINGS, seed=1), tmp_path, pool, trials=2, resume=True)
    finally:
        pool.close()
