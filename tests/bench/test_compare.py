# SPDX-License-Identifier: Apache-2.0
"""Results on disk, and what changed between two of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.bench.results import figures, result
from tinykit.bench import changes, load, regressions, save, save_baseline
from tinykit.errors import TinykitError

FAULT = {"error": "it does not fit.", "where": None, "remedy": None, "exit_code": 3}


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    kept = [
        result(kernels=("tk_dense",), layers=({"kernel": "tk_dense", "instructions": 1000},)),
        result("kws-w8a8", "m0", figures=None, error=FAULT),
        result("kws-w8a8", differences=("vector 0: 1 instead of 2",)),
    ]
    save(tmp_path / "results.json", kept)
    assert load(tmp_path / "results.json") == kept
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["results"][0]["figures"]["per_mac"] == 2.0
    assert [one["exact"] for one in document["results"]] == [True, False, False]
    assert [one.exit_code for one in kept] == [0, 3, 4]


def test_a_baseline_keeps_figures_only_and_what_was_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    save_baseline(path, [result(layers=({"instructions": 1000},)), result("kws-w8a8")])
    save_baseline(
        path,
        [
            result(figures=figures(flash=1)),
            result("kws-w8a8", differences=("vector 0",)),
            result("conv-w8a8", figures=None, error=FAULT),
        ],
    )
    kept = {one.case: one for one in load(path)}
    assert list(kept) == ["kws-w8a8", "dense-w8a8"]
    assert kept["dense-w8a8"].figures == figures(flash=1)
    assert kept["kws-w8a8"].exact
    assert all(one.layers == () and one.tools == "" for one in kept.values())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 99, "results": []}', '{"format": 1, "results": [{}]}']
)
def test_a_file_that_holds_no_results_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(TinykitError, match="no results of a benchmark"):
        load(path)
    with pytest.raises(TinykitError, match="cannot be read"):
        load(tmp_path / "missing.json")


def test_each_figure_that_differs_is_a_change() -> None:
    before = [result(), result("conv-w8a8"), result("kws-w8a8")]
    after = [
        result(figures=figures(instructions=900, flash=4040, arena=256, stack=0, ram=999)),
        result("conv-w8a8", network="other"),
        result("pointwise-w8a8"),
    ]
    found = changes(before, after)
    assert [(c.case, c.figure, c.before, c.after) for c in found] == [
        ("dense-w8a8", "instructions", 1000, 900),
        ("dense-w8a8", "flash", 4000, 4040),
        ("dense-w8a8", "stack", 96, 0),
    ]
    assert [c.percent for c in found] == [-10.0, 1.0, -100.0]


def test_the_same_case_on_two_cores_is_compared_with_itself() -> None:
    before = [result(core="m4"), result(core="m7", figures=figures(flash=5000))]
    after = [result(core="m4"), result(core="m7", figures=figures(flash=4000))]
    assert [(c.core, c.before) for c in changes(before, after)] == [("m7", 5000)]


def test_only_a_rise_beyond_the_limit_is_a_regression() -> None:
    before = [result()]
    found = changes(before, [result(figures=figures(instructions=1010, flash=4080, arena=100))])
    assert [c.figure for c in regressions(found, 1.0)] == ["flash"]
    assert [c.figure for c in regressions(found, 0.5)] == ["instructions", "flash"]
    assert regressions(found, 2.0) == []


@pytest.mark.parametrize(
    "after",
    [result(figures=None, error=FAULT), result(differences=("layer 0",))],
    ids=["fault", "inexact"],
)
def test_a_figure_that_is_lost_is_a_regression(after) -> None:
    found = changes([result()], [after])
    assert [c.figure for c in found] == ["instructions", "flash", "arena", "stack"]
    assert all(math.isinf(c.percent) and c.as_dict()["percent"] is None for c in found)
    assert regressions(found, 1000.0) == found


def test_another_network_is_named_as_such() -> None:
    (change,) = changes([result()], [result(network="other", figures=figures(flash=1))])
    assert not change.same_network
