# SPDX-License-Identifier: Apache-2.0
"""The conversation, against a firmware that is played by the test."""

from __future__ import annotations

import queue

import numpy as np
import pytest

from tinykit.emulators.conversation import Mark
from tinykit.emulators.records import Record, encode
from tinykit.emulators.session import Session
from tinykit.errors import TinykitError


class Played:
    """A transport that says what the test tells it to."""

    name = "a play"

    def __init__(self, *output: bytes) -> None:
        self.output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.written = b""
        self.gone = False
        for data in output:
            self.output.put(data)

    def write(self, data: bytes) -> None:
        if self.gone:
            raise BrokenPipeError
        self.written += data

    def read(self) -> bytes:
        return self.output.get()

    def close(self) -> None:
        self.output.put(b"")

    def ending(self) -> str:
        return "exit status 3; its last words: oh no"

    def marks(self) -> list[Mark]:
        return []


def vector(index: int = 0) -> Record:
    return {"t": "vector", "i": index, "class": 1, "scores": [0, 1]}


def session(*output: bytes, timeout: float = 5.0) -> Session:
    return Session(Played(*output), "board", timeout)


def test_records_may_come_in_any_pieces() -> None:
    text = encode(vector(0)) + encode(vector(1)) + encode({"t": "ready"})
    with session(*(bytes([byte]) for byte in text)) as one_by_one:
        assert len(one_by_one.self_test()) == 2
    with session(text) as at_once:
        assert len(at_once.self_test()) == 2


def test_a_clip_goes_out_in_chunks_when_asked() -> None:
    answer = {"t": "clip", "i": -1, "features": "0" * 8, "class": 0, "scores": [1]}
    played = Played(b">", b">>", encode(answer))
    samples = np.arange(10, dtype=np.int16).reshape(5, 2)
    with Session(played, "board", 5.0) as talk:
        assert talk.send_clip(samples, 2) == answer
    assert played.written == b"c 5\n" + samples.astype("<i2").tobytes()


def test_silence_is_a_hang() -> None:
    with session(b'{"t":"vec', timeout=0.2) as talk, pytest.raises(TinykitError) as caught:
        talk.self_test()
    assert 'hangs: nothing came in 0.2 s, after \'{"t":"vec\'' in caught.value.what
    assert "--timeout" in str(caught.value.remedy)


def test_an_end_in_the_middle_is_told_with_the_last_words() -> None:
    with session(b'{"t":"vec', b"") as talk:
        with pytest.raises(TinykitError, match=r"ended in the middle of a record.*oh no"):
            talk.self_test()
        with pytest.raises(TinykitError, match="ended"):
            talk.self_test()


def test_a_record_cut_by_a_crash_is_told_as_the_crash() -> None:
    fault = encode({"t": "fault", "kind": "bus", "pc": "1"})
    with (
        session(b'{"t":"vec\n', fault) as talk,
        pytest.raises(TinykitError, match=r"crashed \(bus fault\): pc=1"),
    ):
        talk.self_test()


def test_a_crash_before_the_prompt_is_told() -> None:
    fault = encode({"t": "fault", "kind": "bus", "pc": "1"})
    with session(b"\n" + fault) as talk, pytest.raises(TinykitError, match="bus fault"):
        talk.send_features(np.zeros(3, dtype=np.int8))


def test_a_record_where_a_prompt_was_due_is_refused() -> None:
    with session(encode(vector(-1))) as talk, pytest.raises(TinykitError, match="ask for samples"):
        talk.send_features(np.zeros(3, dtype=np.int8))


def test_an_error_record_is_the_firmwares_refusal() -> None:
    refusal = encode({"t": "error", "what": "unknown command"})
    with session(refusal) as talk, pytest.raises(TinykitError, match="refused: unknown command"):
        talk.self_test()


def test_a_broken_pipe_is_the_emulators_end() -> None:
    played = Played(b"")
    played.gone = True
    with Session(played, "board", 5.0) as talk, pytest.raises(TinykitError, match="exit status 3"):
        talk.send_features(np.zeros(3, dtype=np.int8))


def test_endless_bytes_without_a_line_end_are_refused() -> None:
    with session(b"x" * 70000) as talk, pytest.raises(TinykitError, match="no line ends"):
        talk.self_test()


def test_only_integers_of_the_right_width_are_sent() -> None:
    with session() as talk:
        with pytest.raises(ValueError, match="int16"):
            talk.send_clip(np.zeros(4), 2)
        with pytest.raises(ValueError, match="int8"):
            talk.send_features(np.zeros(4))
