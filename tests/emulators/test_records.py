# SPDX-License-Identifier: Apache-2.0
"""The line protocol, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.emulators.records import Sequence, check_sum, decode, encode, fault_error
from tinykit.errors import TinykitError

VECTOR = {"t": "vector", "i": 0, "class": 2, "scores": [-3, 5, 9], "pass": True}


def test_check_sum_is_the_published_one() -> None:
    """The CRC catalogue's check value of CRC-16/CCITT-FALSE (also IBM-3740)."""
    assert check_sum(b"123456789") == 0x29B1


def test_a_record_comes_back() -> None:
    line = encode(VECTOR)
    assert line.startswith(b'{"t":"vector","i":0,')
    assert decode(line) == VECTOR
    assert decode(line.rstrip() + b"\r\n") == VECTOR


@given(st.integers(0, 7), st.integers(0, len(encode(VECTOR)) - 2))
def test_any_flipped_bit_is_noticed(bit: int, position: int) -> None:
    line = bytearray(encode(VECTOR))
    line[position] ^= 1 << bit
    with pytest.raises(TinykitError, match=r"garbled|cut|JSON|type"):
        decode(bytes(line))


@given(st.integers(1, len(encode(VECTOR)) - 2))
def test_any_cut_is_noticed(length: int) -> None:
    with pytest.raises(TinykitError, match="is cut"):
        decode(encode(VECTOR)[:length])


@given(st.binary(max_size=200))
def test_noise_is_no_record(noise: bytes) -> None:
    with pytest.raises(TinykitError):
        decode(noise)


@pytest.mark.parametrize(
    "record",
    [
        {"t": "vector", "i": 0, "class": 2},
        {"t": "vector", "i": "0", "class": 2, "scores": []},
        {"t": "vector", "i": 0, "class": True, "scores": []},
        {"t": "clip", "i": 0, "class": 2, "scores": [1.5], "features": "00000000"},
        {"t": "done", "pass": 1, "fail": 0},
        {"t": "boot", "network": "x"},
        {"t": "song"},
        {"i": 1},
    ],
)
def test_a_whole_record_with_wrong_members_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(TinykitError, match=r"lacks a proper|no known type"):
        decode(encode(record))


def test_repeated_and_lost_records_are_noticed() -> None:
    sequence = Sequence()
    sequence.check({"t": "layer", "i": 0})
    sequence.check({"t": "vector", "i": 0})
    sequence.check({"t": "layer", "i": 1})
    with pytest.raises(TinykitError, match="layer 1 came twice"):
        sequence.check({"t": "layer", "i": 1})
    with pytest.raises(TinykitError, match="vector 2 came where 1 was expected"):
        sequence.check({"t": "vector", "i": 2})
    sequence.check({"t": "clip", "i": -1})
    sequence.check({"t": "boot"})
    sequence.check({"t": "layer", "i": 0})


def test_a_fault_carries_its_registers() -> None:
    error = fault_error({"t": "fault", "kind": "bus", "pc": "00000123", "lr": "00000456"}, "b")
    assert "(bus fault): pc=00000123, lr=00000456" in error.what
    assert error.where == "b"
