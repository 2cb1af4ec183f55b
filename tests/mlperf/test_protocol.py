# SPDX-License-Identifier: Apache-2.0
"""The firmware's side of the serial protocol, on this machine under ASan and UBSan."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.mlperf.devices import NETWORKS, commands, loading, talk
from tinykit.codegen.mlperf import TASKS, input_bytes
from tinykit.mlperf.expected import expect

Device = Callable[..., Path]
SIZE = 490


@pytest.fixture(scope="module")
def kws(device: Device) -> Path:
    return device("kws01")


def test_what_it_says_at_start(device: Device, kws: Path) -> None:
    (said,) = talk(kws, b"")
    assert said[0] == "m-timestamp-mode-performance"
    assert re.fullmatch(r"m-lap-us-\d+", said[1])
    assert said[2:] == ["m-init-done"]
    assert talk(device("kws01", energy=True), b"") == [["m-timestamp-mode-energy", "m-init-done"]]


def test_who_it_is(kws: Path) -> None:
    assert commands(kws, "name", "profile") == [
        ["m-name-dut-[tinykit]"],
        ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[kws01]"],
    ]


@pytest.mark.parametrize("task", TASKS)
def test_the_model_has_the_name_of_the_task(device: Device, task: str) -> None:
    assert commands(device(task), "profile")[0][1] == f"m-model-[{task}]"


def test_help_names_every_command(kws: Path) -> None:
    text = "\n".join(commands(kws, "help")[0])
    for name in ("name", "profile", "timestamp", "db load", "db print", "infer", "results"):
        assert name in text


def test_timestamps_do_not_go_back(device: Device, kws: Path) -> None:
    answers = commands(kws, *["timestamp"] * 5)
    laps = [int(one.removeprefix("m-lap-us-")) for (one,) in answers]
    assert all((after - before) % 2**32 < 2**31 for before, after in pairwise(laps))
    assert commands(device("kws01", energy=True), "timestamp") == [[]]


def test_a_whole_session(kws: Path) -> None:
    data = np.random.default_rng(0).bytes(SIZE)
    answers = commands(kws, *loading(data), "infer 3 2", "results", "crc")
    right = expect(TASKS["kws01"], NETWORKS["kws01"](), [data])[0]
    assert answers[0] == ["m-[Expecting 490 bytes]"]
    assert answers[1:15] == [[]] * 14
    assert answers[16] == ["m-load-done"]
    start, done, timed, before, after, end, results = answers[-3]
    assert (start, done) == ("m-warmup-start-2", "m-warmup-done")
    assert (timed, end) == ("m-infer-start-3", "m-infer-done")
    assert all(re.fullmatch(r"m-lap-us-\d+", lap) for lap in (before, after))
    assert results == f"m-results-[{right.results}]"
    assert answers[-2] == [results]
    assert answers[-1] == [f"m-crc-[{right.crc}]"]


def test_energy_mode_tells_no_laps(device: Device) -> None:
    answers = commands(device("kws01", energy=True), *loading(bytes(SIZE)), "infer 1 0")
    assert not any("lap" in line for line in answers[-1])
    assert answers[-1][-1].startswith("m-results-[")


@pytest.mark.parametrize("task", TASKS)
def test_results_are_those_of_the_interpreter(device: Device, task: str) -> None:
    network = NETWORKS[task]()
    size = input_bytes(TASKS[task], network)
    rng = np.random.default_rng(5)
    pieces = [rng.bytes(size), bytes(size), b"\xff" * size, b"\x80" * size]
    if task == "ad01":
        pieces += [rng.normal(0, s, size // 4).astype("<f4").tobytes() for s in (0.1, 1, 30, 1e4)]
    sent = [one for piece in pieces for one in (*loading(piece), "infer 1 0", "crc")]
    answers = [line for answer in commands(device(task), *sent) for line in answer]
    said = [line for line in answers if line.startswith(("m-results", "m-crc"))]
    right = [
        text
        for one in expect(TASKS[task], network, pieces)
        for text in (f"m-results-[{one.results}]", f"m-crc-[{one.crc}]")
    ]
    assert said == right


@pytest.mark.parametrize("task", TASKS)
def test_an_input_can_be_used_again_and_seen_unchanged(device: Device, task: str) -> None:
    size = input_bytes(TASKS[task], NETWORKS[task]())
    data = np.random.default_rng(6).bytes(size)
    *_, first, second, dump = commands(
        device(task), *loading(data), "infer 2 1", "infer 1 0", f"db print {size}"
    )
    assert first[-1] == second[-1]
    digits = "".join(line.removeprefix("m-buffer-").replace("-", "") for line in dump)
    assert bytes.fromhex(digits) == data


def test_infer_runs_once_after_ten_warm_ups_by_default(kws: Path) -> None:
    answer = commands(kws, *loading(bytes(SIZE)), "infer")[-1]
    assert answer[0] == "m-warmup-start-10"
    assert answer[2] == "m-infer-start-1"


def test_digits_in_upper_case_and_bytes_too_many(kws: Path) -> None:
    answers = commands(kws, "db load 3", "db 0aBC", "db FF00", "db print", "db 11")
    assert answers[1:] == [
        [],
        ["m-load-done"],
        ["m-buffer-0a-bc-ff"],
        ["e-[Command 'db' with bytes requires 'db load' first]"],
    ]


def test_print_eight_bytes_a_line(kws: Path) -> None:
    data = bytes(range(20))
    *_, whole, part, beyond = commands(
        kws, *loading(data), "db print", "db print 3 18", "db print 4 20"
    )
    assert whole == [
        "m-buffer-00-01-02-03-04-05-06-07",
        "m-buffer-08-09-0a-0b-0c-0d-0e-0f",
        "m-buffer-10-11-12-13",
    ]
    assert part == ["m-buffer-12-13"]
    assert beyond == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nonsense", "Unknown command: nonsense"),
        ("NAME", "Unknown command: NAME"),
        ("db", "Command 'db' requires a subcommand"),
        ("db load", "Command 'db load' requires the # of bytes"),
        ("db load 0", "Command 'db load' must be >0 bytes"),
        ("db load -5", "Command 'db load' must be >0 bytes"),
        ("db load 12x", "Command 'db load' must be >0 bytes"),
        ("db load 99999999999999999999", "Command 'db load' must be >0 bytes"),
        ("db load 491", "Supplied buffer size 491 exceeds maximum of 490"),
        ("db load 2147483647", "Supplied buffer size 2147483647 exceeds maximum of 490"),
        ("db 0", "Insufficent number of hex digits"),
        ("db 00", "Command 'db' with bytes requires 'db load' first"),
        ("db print x", "Command 'db print' takes numbers"),
        ("infer 0", "Inference iterations must be >0"),
        ("infer -1", "Inference iterations must be >0"),
        ("infer x", "Inference iterations must be >0"),
        ("infer 1 -1", "Inference warmup must be >=0"),
        ("infer 1 y", "Inference warmup must be >=0"),
        ("infer 1 0", "Input has 0 bytes, expected 490"),
        ("results", "There was no inference yet"),
        ("crc", "There was no inference yet"),
        ("x" * 81, "The command is longer than 80 characters"),
    ],
)
def test_what_it_refuses(kws: Path, text: str, error: str) -> None:
    """And it answers the next command as if nothing had been."""
    refused, named = commands(kws, text, "name")
    assert refused == [f"e-[{error}]"]
    assert named == ["m-name-dut-[tinykit]"]


def test_a_wrong_digit_ends_the_command(kws: Path) -> None:
    answers = commands(kws, "db load 4", "db 00zz11", "db 112233", "db print")
    assert answers[1] == ["e-[Invalid hex digit 'zz']"]
    assert answers[2] == ["m-load-done"]
    assert answers[3] == ["m-buffer-00-11-22-33"]


def test_an_input_that_is_not_whole_is_not_run(kws: Path) -> None:
    answers = commands(kws, "db load 490", "db 0011", "infer 1 0", "results")
    assert answers[2] == ["e-[Input has 2 bytes, expected 490]"]
    assert answers[3] == ["e-[There was no inference yet]"]


def test_blanks_line_ends_and_nothing_at_all(kws: Path) -> None:
    answers = talk(kws, b"%%  %\r\nname\r\n%  db   load  7 %x")[1:]
    assert answers == [[], [], [], ["m-name-dut-[tinykit]"], ["m-[Expecting 7 bytes]"]]


def test_the_longest_command_still_fits(kws: Path) -> None:
    answers = commands(kws, "db load 38", "db " + "ab" * 38, " " * 76 + "name", " " * 77 + "name")
    assert answers[1] == ["m-load-done"]
    assert answers[2] == ["m-name-dut-[tinykit]"]
    assert answers[3] == ["e-[The command is longer than 80 characters]"]


@pytest.mark.parametrize("seed", range(4))
def test_noise_does_no_harm(kws: Path, seed: int) -> None:
    """Random bytes, and random words of the protocol: no fault, and an answer to each command."""
    rng = np.random.default_rng(seed)
    words = [
        "db",
        "load",
        "print",
        "infer",
        "1",
        "0",
        "490",
        "00ff",
        "results",
        " ",
        "\n",
        "-",
        "f",
    ]
    text = "".join(
        str(rng.choice(words)) + str(rng.choice([" ", " ", "%", ""])) for _ in range(3000)
    )
    for sent in (rng.bytes(20_000), text.encode()):
        assert len(talk(kws, sent)) == sent.count(b"%") + 1
