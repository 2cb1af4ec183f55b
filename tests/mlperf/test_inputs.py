# SPDX-License-Identifier: Apache-2.0
"""Input sets in the benchmark's format, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinykit.errors import TinykitError
from tinykit.mlperf.inputs import read_inputs


def _write(folder: Path, text: str, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "y_labels.csv").write_text(text)
    for name, data in files.items():
        (folder / f"{name}.bin").write_bytes(data)
    return folder


def test_whole_files(tmp_path: Path) -> None:
    _write(tmp_path, "a.bin,12,7\r\n\r\n b.bin , 12 , 0\n", a=b"123", b=b"xyz")
    found = read_inputs(tmp_path, "kws01")
    assert [(s.path.name, s.classes, s.label) for s in found.stimuli] == [
        ("a.bin", 12, 7),
        ("b.bin", 12, 0),
    ]
    assert [s.pieces(3) for s in found.stimuli] == [[b"123"], [b"xyz"]]


def test_windows(tmp_path: Path) -> None:
    _write(tmp_path, "a.bin,2,1,4,3\n", a=b"0123456789ab")
    (one,) = read_inputs(tmp_path, "ad01").stimuli
    assert one.pieces(4) == [b"0123", b"3456", b"6789"]


def test_the_folder_above_will_do_as_well(tmp_path: Path) -> None:
    _write(tmp_path / "ic01", "a.bin,2,1\n")
    assert read_inputs(tmp_path, "ic01").directory == tmp_path / "ic01"
    assert read_inputs(tmp_path / "ic01", "ic01").directory == tmp_path / "ic01"


def test_a_limit_is_spread_over_the_list(tmp_path: Path) -> None:
    _write(tmp_path, "".join(f"{i}.bin,10,{i}\n" for i in range(10)))
    found = read_inputs(tmp_path, "ic01")
    assert [s.label for s in found.spread(4).stimuli] == [0, 2, 5, 7]
    assert found.spread(None) is found
    assert found.spread(10) is found


@pytest.mark.parametrize(
    "line",
    [
        "a.bin",
        "a.bin,12",
        "a.bin,12,12",
        "a.bin,12,-1",
        "a.bin,x,1",
        "a.bin,2,1,4",
        "a.bin,2,1,0,4",
        "a.bin,2,1,4,0",
        "a.bin,2,99999999999",
        "../a.bin,2,1",
        "/etc/passwd,2,1",
        "..,2,1",
        ",2,1",
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    _write(tmp_path, f"good.bin,2,1\n{line}\n")
    with pytest.raises(TinykitError, match="line 2"):
        read_inputs(tmp_path, "kws01")


def test_no_list_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="no input set"):
        read_inputs(tmp_path, "kws01")
    _write(tmp_path, "\n")
    with pytest.raises(TinykitError, match="empty"):
        read_inputs(tmp_path, "kws01")
    (tmp_path / "y_labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TinykitError, match="cannot be read"):
        read_inputs(tmp_path, "kws01")


def test_files_of_the_wrong_size(tmp_path: Path) -> None:
    text = "whole.bin,2,0\nwide.bin,2,0,4,1\nshort.bin,2,0,3,1\ngone.bin,2,0\n"
    _write(tmp_path, text, whole=b"1234", wide=b"12345", short=b"12")
    errors = ("has 4 bytes", "windows have 4 bytes", "less than a window", "cannot be read")
    for stimulus, error in zip(read_inputs(tmp_path, "x").stimuli, errors, strict=True):
        with pytest.raises(TinykitError, match=error):
            stimulus.pieces(3)
