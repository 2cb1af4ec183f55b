# SPDX-License-Identifier: Apache-2.0
"""The figures of others and the goals: each belongs to a case, and is judged as it says."""

from __future__ import annotations

import pytest

from tests.bench.results import figures, result
from tinykit.bench import ALL, CORES, load_anchors

BOOK = load_anchors()
KINDS = {case.name: case.kind for case in ALL}


@pytest.mark.parametrize("entry", [*BOOK.anchors, *BOOK.goals], ids=str)
def test_an_entry_belongs_to_a_case(entry) -> None:
    assert entry.case in KINDS
    assert entry.core in CORES
    own = {"network": {"instructions", "flash", "arena"}, "layer": {"per_mac"}}
    assert entry.figure in own[KINDS[entry.case]]
    assert (entry.value if entry in BOOK.anchors else entry.at_most) > 0


def test_nothing_stands_twice() -> None:
    anchors = [(a.case, a.core, a.figure, a.engine, a.how) for a in BOOK.anchors]
    assert len(set(anchors)) == len(anchors)
    goals = [(g.case, g.core, g.figure, g.note) for g in BOOK.goals]
    assert len(set(goals)) == len(goals)


def test_every_relative_goal_has_its_measure() -> None:
    relative = [goal for goal in BOOK.goals if goal.against]
    assert relative
    assert all(goal.against in KINDS for goal in relative)


def test_the_anchor_beside_ours_was_counted_where_one_was() -> None:
    for entry in BOOK.anchors:
        group = BOOK.anchors_of(entry.case, entry.core, entry.figure)
        assert not group[0].about or all(anchor.about for anchor in group)


def test_a_goal_is_met_at_its_limit_and_not_above() -> None:
    def verdict(instructions: int):
        found = BOOK.verdicts(
            [result("depthwise-w8a8", figures=figures(instructions=instructions, macs=1000))]
        )
        assert len(found) == 1
        return found[0]

    assert verdict(4000).met
    assert verdict(4000).value == 4.0
    assert not verdict(4001).met


def test_a_relative_goal_needs_both_and_counts_their_quotient() -> None:
    narrow = result("pointwise-w2a2", "rv32imc", figures=figures(instructions=600, macs=1000))
    wide = result("pointwise-w8a8", "rv32imc", figures=figures(instructions=1200, macs=1000))
    assert BOOK.verdicts([narrow]) == []
    found = {v.goal.case: v for v in BOOK.verdicts([narrow, wide])}
    assert found["pointwise-w2a2"].value == pytest.approx(0.5)
    assert found["pointwise-w2a2"].met


def test_a_result_that_is_not_exact_meets_no_goal() -> None:
    fast = result("depthwise-w8a8", figures=figures(instructions=1), differences=("layer 0",))
    assert BOOK.verdicts([fast]) == []
