# SPDX-License-Identifier: Apache-2.0
"""Exits and modes: who leaves where, what a file keeps, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.errors import TinykitError
from tinykit.network import (
    NEVER,
    Exit,
    Expected,
    Mode,
    Network,
    exit_logits,
    interpret,
    interpret_all,
    run_adaptive,
    run_tflite,
    to_tflite,
    without_exits,
)
from tinykit.network.exits import Heads, margins, taken
from tinykit.network.sample import adaptive_cnn, har_cnn, random_input
from tinykit.network.store import from_bytes, to_bytes

NETWORK = adaptive_cnn("mixed")
EXPECTED = Expected(0.5, 0.25, 1234.5, (0.5, 0.25, 0.25), "mps2_an386")
LOGITS = st.lists(st.lists(st.integers(-128, 127), min_size=3, max_size=3), min_size=9, max_size=9)


def inputs(network: Network, count: int = 40) -> Any:
    return random_input(np.random.default_rng(3), network.tensor(network.input), count)


def test_margins_by_hand() -> None:
    logits = np.array([[3, 9, 4], [7, 7, -1], [-128, 127, -128], [-128, -128, -128]], np.int8)
    assert margins(logits).tolist() == [5, 0, 255, 0]


@pytest.mark.parametrize(
    ("threshold", "left"), [(0, [0, 0, 0]), (1, [0, 1, 0]), (5, [0, 1, 0]), (6, [1, 1, 0])]
)
def test_who_leaves_by_hand(threshold: int, left: list[int]) -> None:
    first = np.array([[3, 9, 4], [7, 7, -1], [127, -128, -128]], np.int8)
    assert taken(np.stack([first, first]), Mode("m", ((threshold,),))).tolist() == left


def test_a_tie_takes_the_threshold_of_the_first_class() -> None:
    logits = np.array([[7, 7, -1]], np.int8)
    assert taken(np.stack([logits, logits]), Mode("m", ((0, 9, 9),))).tolist() == [0]
    assert taken(np.stack([logits, logits]), Mode("m", ((9, 0, 0),))).tolist() == [1]


def test_never_is_above_the_largest_margin() -> None:
    logits = np.array([[127, -128]], np.int8)
    assert taken(np.stack([logits, logits]), Mode("m", ((NEVER - 1,),))).tolist() == [0]
    assert taken(np.stack([logits, logits]), Mode("m", ((NEVER,),))).tolist() == [1]


@given(LOGITS, st.integers(0, NEVER - 1), st.integers(0, NEVER - 1))
def test_a_higher_threshold_lets_nobody_leave_earlier(
    drawn: list[list[int]], one: int, other: int
) -> None:
    logits = np.array(drawn, np.int8).reshape(3, 3, 3)
    for index in range(2):
        rows = [[(9,), (9,)], [(9,), (9,)]]
        rows[0][index], rows[1][index] = (min(one, other),), (max(one, other),)
        low, high = (taken(logits, Mode("m", tuple(row))) for row in rows)
        assert (high >= low).all()


@given(LOGITS, st.integers(0, NEVER))
def test_the_same_threshold_for_each_class_is_one_for_all(
    drawn: list[list[int]], threshold: int
) -> None:
    logits = np.array(drawn, np.int8).reshape(3, 3, 3)
    one, each = Mode("one", ((threshold,),) * 2), Mode("each", ((threshold,) * 3,) * 2)
    assert np.array_equal(taken(logits, one), taken(logits, each))


def test_extremes_and_what_comes_out() -> None:
    x = inputs(NETWORK)
    everything = interpret_all(NETWORK, x)
    logits = exit_logits(NETWORK, x)
    for values, one in zip(logits, [*NETWORK.exits, Exit(NETWORK.output)], strict=True):
        assert np.array_equal(values, everything[one.tensor])
    scores, left = run_adaptive(NETWORK, x, NETWORK.mode("full"))
    assert np.array_equal(scores, interpret(NETWORK, x))
    assert (left == 2).all()
    scores, left = run_adaptive(NETWORK, x, NETWORK.mode("fastest"))
    assert np.array_equal(scores, logits[0])
    assert (left == 0).all()


def test_random_modes_leave_everywhere() -> None:
    x, seen = inputs(NETWORK), set[int]()
    for mode in NETWORK.modes:
        scores, left = run_adaptive(NETWORK, x, mode)
        seen |= set(left.tolist())
        assert np.array_equal(scores, exit_logits(NETWORK, x)[left, np.arange(len(x))])
    assert seen == {0, 1, 2}


def test_an_empty_batch() -> None:
    scores, left = run_adaptive(NETWORK, inputs(NETWORK, 0), NETWORK.modes[2])
    assert scores.shape == (0, 6)
    assert left.shape == (0,)


def test_exits_without_modes_run_to_the_end() -> None:
    network = adaptive_cnn(modes=0)
    (mode,) = network.operating_modes
    assert (run_adaptive(network, inputs(network), mode)[1] == 2).all()
    assert har_cnn().operating_modes == ()


def test_heads_are_what_only_the_exit_needs() -> None:
    heads = Heads(NETWORK)
    first, second = (heads.of(one) for one in NETWORK.exits)
    kinds = [type(NETWORK.op(name)).__name__ for name in sorted(first)]
    assert sorted(kinds) == ["AvgPool2D", "Dense", "Reshape"]
    assert not first & second


def test_without_exits_gives_the_same_scores() -> None:
    plain, x = without_exits(NETWORK), inputs(NETWORK)
    assert np.array_equal(interpret(plain, x), interpret(NETWORK, x))
    assert len(NETWORK.ops) - len(plain.ops) == 6
    assert without_exits(plain) is plain


def test_tflite_gets_the_whole_network_alone() -> None:
    network = adaptive_cnn()
    x = inputs(network, 5)
    assert np.array_equal(run_tflite(to_tflite(network), x).reshape(5, -1), interpret(network, x))


def test_there_and_back() -> None:
    modes = (*NETWORK.modes, Mode("known", ((3,), (1, 2, 3, 4, 5, 6)), EXPECTED))
    network = replace(NETWORK, modes=modes)
    again = from_bytes(to_bytes(network))
    assert (again.exits, again.modes) == (network.exits, modes)
    assert again.digest == network.digest != NETWORK.digest
    assert to_bytes(again) == to_bytes(network)


def test_a_network_without_exits_is_written_as_before_there_were_any() -> None:
    data = to_bytes(har_cnn())
    assert b'"version": 1' in data
    assert b'"exits"' not in data
    assert b'"modes"' not in data
    assert b'"version": 2' in to_bytes(NETWORK)


def _modes(*thresholds: tuple[int, ...], **more: Any) -> dict[str, Any]:
    return {"modes": (NETWORK.modes[0], Mode("m", thresholds, **more))}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"exits": (*NETWORK.exits, Exit("nowhere"))}, "no layer makes it"),
        ({"exits": NETWORK.exits[::-1]}, "not in the order"),
        ({"exits": (*NETWORK.exits, NETWORK.exits[-1])}, "comes twice"),
        ({"exits": (*NETWORK.exits, Exit(NETWORK.output))}, "is the output"),
        ({"exits": (Exit(NETWORK.ops[0].output), *NETWORK.exits)}, "read by a layer"),
        ({"exits": (), "modes": ()}, "neither the output nor an exit"),
        (_modes((1,)), "thresholds for 2 exits"),
        (_modes((1,), (1, 2)), "thresholds for 2 exits"),
        (_modes((1,), (256,)), "no integer of 0 to 255"),
        (_modes((-1,), (0,)), "no integer of 0 to 255"),
        (_modes((True,), (0,)), "no integer of 0 to 255"),
        ({"modes": (NETWORK.modes[0], Mode("", ((1,), (1,))))}, "no name"),
        ({"modes": NETWORK.modes[:1] * 2}, "no name of its own"),
        ({"modes": NETWORK.modes[1:]}, "may leave at an exit"),
        (_modes((1,), (1,), expected=replace(EXPECTED, shares=(1.0,))), "cannot be"),
        (_modes((1,), (1,), expected=replace(EXPECTED, accuracy=1.5)), "cannot be"),
        (_modes((1,), (1,), expected=replace(EXPECTED, shares=(0.1, 0.1, 0.1))), "cannot be"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(TinykitError, match=what) as caught:
        replace(NETWORK, **{"modes": (), **change})
    assert "network adaptive_mixed" in str(caught.value.where)
    assert caught.value.remedy


def test_modes_need_exits() -> None:
    with pytest.raises(TinykitError, match="no exits"):
        replace(har_cnn(), modes=(Mode("m", ()),))
