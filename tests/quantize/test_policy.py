# SPDX-License-Identifier: Apache-2.0
"""Bits per layer: defaults, exceptions, edges, and widths that no kernel takes."""

from __future__ import annotations

import pytest

from tinykit.errors import TinykitError
from tinykit.quantize import parse_policy

LAYERS = ("conv", "dw1", "pw1", "dense")


def bits(text: str, **options: object) -> list[str]:
    """The bits of each of LAYERS, as text."""
    return [str(b) for b in parse_policy(text, **options).assign(LAYERS).values()]  # type: ignore[arg-type]


def test_first_and_last_weights_stay_wide_and_logits_have_8_bits() -> None:
    assert bits("w2a4") == ["w8a4", "w2a4", "w2a4", "w8a8"]
    assert bits("w2a2", edges=4) == ["w4a2", "w2a2", "w2a2", "w4a8"]
    assert bits("w2a2", edges=2) == ["w2a2", "w2a2", "w2a2", "w2a8"]


def test_the_last_exception_that_matches_wins() -> None:
    assert bits("w8a8,pw*=w4a4,pw1=w2a8") == ["w8a8", "w8a8", "w2a8", "w8a8"]
    assert bits("w4a8", layers={"conv": "w2a4"}) == ["w2a4", "w4a8", "w4a8", "w8a8"]


def test_text_form_survives() -> None:
    policy = parse_policy("int8,dw*=w4a8")
    assert str(policy) == "w8a8,dw*=w4a8"
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("w3a8", {}, ["policy = 'w3a8'", "3-bit", "8, 4 or 2"]),
        ("w8a16", {}, ["16-bit"]),
        ("eight", {}, ["policy = 'eight'", '"w8a8"']),
        ("w8a8,pw*", {}, ["policy exception 'pw*'"]),
        ("w8a8", {"layers": {"dw1": "w5a8"}}, ["dw1", "5-bit"]),
        ("w8a8", {"edges": 3}, ["edges", "3-bit"]),
    ],
)
def test_what_cannot_be_is_refused(text: str, options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(TinykitError) as caught:
        parse_policy(text, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_an_exception_must_name_a_layer() -> None:
    with pytest.raises(TinykitError, match="no layer is named 'fc"):
        parse_policy("w8a8,fc*=w4a8").assign(LAYERS)
