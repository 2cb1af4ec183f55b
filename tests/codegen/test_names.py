# SPDX-License-Identifier: Apache-2.0
"""Names reach C only through the filter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.codegen.names import LONGEST, c_identifier, c_string, one_line, unique_identifiers
from tinykit.errors import TinykitError


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("Block/conv 1", "block_conv_1"),
        ("3x3", "n3x3"),
        ("float", "float_"),
        ("arena", "arena_"),
        ("tk_dense", "tk_dense_"),
        ("a*/ evil(); /*", "a_evil"),
    ],
)
def test_identifier(name, identifier):
    assert c_identifier(name) == identifier


@given(st.text(min_size=1, max_size=80))
def test_identifier_is_one_or_refused(name):
    try:
        identifier = c_identifier(name)
    except TinykitError:
        assert not re.search(r"[A-Za-z0-9]", name.lower())
        return
    assert re.fullmatch(r"[a-z][a-z0-9_]*", identifier)
    assert len(identifier) <= LONGEST + 2


@given(st.lists(st.sampled_from(["conv", "Conv", "conv_2", "CONV 2", "a"]), unique=True))
def test_clashes_are_told_apart(names):
    assert len(set(unique_identifiers(names).values())) == len(names)


@given(st.text())
def test_comment_cannot_be_left(text):
    line = one_line(text)
    assert "\n" not in line
    assert "*/" not in line
    assert not line.endswith("\\")
    assert line.isascii()


@given(st.text())
def test_string_literal_round_trips(text):
    literal = c_string(text)
    assert re.fullmatch(r'"(?:[^"\\?\n]|\\"|\\\\|\\[0-7]{3})*"', literal)
    body = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), literal[1:-1])
    body = re.sub(r'\\(["\\])', r"\1", body) if "\\" not in text else body
    if "\\" not in text:
        assert body.encode("latin-1").decode() == text
