# SPDX-License-Identifier: Apache-2.0
"""From marks to counts and estimates."""

from __future__ import annotations

import pytest

from tinykit.boards import load_board
from tinykit.emulators.conversation import Mark
from tinykit.emulators.measure import Count, estimate, measure


def marks(text: str) -> list[Mark]:
    """ "b10 l20 l50": begin at 10, layers at 20 and 50; "<" and ">" surround a push."""
    kinds = {"b": "begin", "l": "layer", "<": "frontend_begin", ">": "frontend_end"}
    return [Mark(kinds[word[0]], int(word[1:])) for word in text.split()]


def test_layers_and_inferences() -> None:
    found = measure(marks("b10 l20 l50 b100 l110 l142"))
    assert found.inference == Count(2, 41.0, 40, 42)
    assert found.layers == (Count(2, 10.0, 10, 10), Count(2, 31.0, 30, 32))
    assert found.hop is None


def test_an_early_exit_has_fewer_layers() -> None:
    found = measure(marks("b0 l10 l30 b100 l110"))
    assert [layer.times for layer in found.layers] == [2, 1]
    assert found.inference == Count(2, 20.0, 10, 30)


def test_pushes_are_counted_one_by_one_and_by_clip() -> None:
    found = measure(marks("<0 >5 <10 >17 b20 l30 <40 >45 <50 >57 b60 l70 <80 >90"))
    assert found.hop == Count(5, 34 / 5, 5, 10)
    assert found.clip == Count(2, 12.0, 12, 12)


def test_nothing_gives_nothing() -> None:
    found = measure([])
    assert found.inference is None
    assert found.layers == ()
    assert found.as_dict()["frontend_hop"] is None
    assert measure(marks("b5")).inference is None


def test_an_estimate_names_its_source() -> None:
    board = load_board("nrf52840dk")
    found = estimate(1_000_000, board)
    assert found is not None
    assert found.cycles == pytest.approx(1e6 * board.cycles_per_instruction)
    assert found.seconds == pytest.approx(found.cycles / 64e6)
    assert found.joules == pytest.approx(found.cycles * board.pj_per_cycle * 1e-12)
    assert "Product Specification" in found.source
    assert set(found.as_dict()) >= {"estimated_seconds", "estimated_joules", "estimate_source"}


def test_the_host_is_not_estimated() -> None:
    assert estimate(1, load_board("host")) is None


def test_timestamps_belong_to_no_inference() -> None:
    timed = [Mark("timestamp", 5), *marks("b10 l20 l50"), Mark("timestamp", 60)]
    assert measure(timed) == measure(marks("b10 l20 l50"))
