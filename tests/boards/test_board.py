# SPDX-License-Identifier: Apache-2.0
"""A board is one folder; what is wrong in it is named by file and key."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tinykit.boards import list_boards, load_board, manifest, project_files, read_board
from tinykit.errors import TinykitError
from tinykit.resources import resource_dir

IDS = {
    *("microbit", "stm32vldiscovery", "stm32f405", "nrf52840dk", "mps2_an385", "mps2_an386"),
    *("mps2_an500", "mps2_an505", "mps3_an547", "hifive1", "virt_rv32imc", "virt_rv32imac_zbb"),
    "host",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the micro:bit in a folder of the user's own boards."""
    shutil.copytree(resource_dir("boards") / "microbit", tmp_path / "mine")
    (tmp_path / "mine" / "microbit.repl").rename(tmp_path / "mine" / "mine.repl")
    monkeypatch.setenv("TINYKIT_BOARDS", str(tmp_path))
    return tmp_path / "mine"


def edit(folder: Path, pattern: str, replacement: str) -> None:
    path = folder / "board.toml"
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count
    path.write_text(text)


def test_all_boards_are_there_and_valid() -> None:
    boards = {board.id: board for board in list_boards()}
    assert set(boards) == IDS
    for board in boards.values():
        assert board.emulators
        assert board.as_dict()["core"] == board.core
        json.dumps(board.as_dict())
        if board.id == "host":
            assert (board.flash_bytes, board.ram_bytes, board.stack_bytes) == (0, 0, 0)
            continue
        assert board.estimates is not None
        assert len(board.energy_source) > 20
        assert len(board.estimates.cycles_source) > 20
        assert 0.5 <= board.cycles_per_instruction <= 2
        assert (board.directory / f"{board.id}.repl").is_file()


def test_the_sizes_are_those_of_the_chips() -> None:
    sizes = {b.id: (b.flash_bytes >> 10, b.ram_bytes >> 10) for b in list_boards()}
    assert sizes["microbit"] == (256, 16)
    assert sizes["stm32vldiscovery"] == (128, 8)
    assert sizes["stm32f405"] == (1024, 128)
    assert sizes["nrf52840dk"] == (1024, 256)
    assert sizes["hifive1"][1] == 16


def test_a_board_is_added_without_python(own: Path) -> None:
    board = load_board("mine")
    assert board.directory == own
    assert board.ram_bytes == 16384
    assert "mine" in {found.id for found in list_boards()}
    assert "boards/mine.json" in project_files(board)


def test_a_port_may_come_with_the_board(own: Path) -> None:
    shutil.copytree(resource_dir("firmware") / "ports" / "nrf51", own / "myport")
    (own / "myport" / "nrf51.c").write_text("// mine\n")
    edit(own, '^port = "nrf51"', 'port = "myport"')
    files = project_files(load_board("mine"))
    assert files["src/port/nrf51.c"] == b"// mine\n"
    assert "src/port/cortexm.c" in files


def test_an_own_board_goes_before_tinykits(own: Path) -> None:
    own.rename(own.with_name("microbit"))
    folder = own.with_name("microbit")
    (folder / "mine.repl").rename(folder / "microbit.repl")
    edit(folder, "^name = .*", 'name = "my micro:bit"')
    assert load_board("microbit").name == "my micro:bit"
    assert len(list_boards()) == len(IDS)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^\[memory\]\n(.+\n)+", "", r"table \[memory\] is missing.*Add \[memory\]"),
        ("^ram_bytes = .*\n", "", r"`memory\.ram_bytes` is missing"),
        ("^ram_bytes = .*", "ram_bytes = 0", r"`memory\.ram_bytes` is 0.*from 1024 up"),
        ("^ram_bytes = .*", 'ram_bytes = "16K"', r"`memory\.ram_bytes` is '16K'"),
        ("^ram_bytes = .*", "ram_bytes = true", r"`memory\.ram_bytes` is True"),
        ("^stack_bytes = .*", "stack_bytes = 16384", r"`memory\.stack_bytes` is 16384"),
        ("^stack_bytes = .*", "stack_bytes = 2050", r"`memory\.stack_bytes` is 2050"),
        ("^clock_hz", "clock_khz", r"`clock_hz` is missing"),
        ("^name =", 'zzz = "red"\nname =', r"`zzz` is unknown.*Remove it"),
        ("^features =", "feature = []\nfeatures =", r"`feature` is unknown.*mean `features`"),
        ("^arch = .*", 'arch = "avr"', r"`arch` is 'avr'.*'arm', 'riscv', 'host'"),
        ("^cflags = .*", 'cflags = "-mthumb"', r"`cflags` is '-mthumb', not a list"),
        ("^port = .*", 'port = ""', r"`port` is ''"),
        ("^pj_per_cycle = .*", "pj_per_cycle = -1", r"`estimates\.pj_per_cycle` is -1"),
        ("^pj_per_cycle = .*", "pj_per_cycle = nan", r"`estimates\.pj_per_cycle` is nan"),
        (r"^\[qemu\]", "[qemu]\nspeed = 1", r"`qemu\.speed` is unknown"),
        ("^default = .*", 'default = "serial"', r"`upload\.default` is 'serial'.*cmsis-dap, jlink"),
        ('^tool = "jlink"', 'tool = "hammer"', r"`upload\.protocols\.jlink\.tool` is 'hammer'"),
        ("^name = .*", "name = ", "not valid TOML.*line 2"),
    ],
)
def test_what_is_wrong_is_named(own: Path, pattern: str, replacement: str, message: str) -> None:
    edit(own, pattern, replacement)
    with pytest.raises(TinykitError, match=message) as caught:
        load_board("mine")
    assert caught.value.where == str(own / "board.toml")
    assert caught.value.remedy


def test_a_port_that_does_not_exist_is_named(own: Path) -> None:
    edit(own, "^port = .*", 'port = "nrf99"')
    with pytest.raises(TinykitError, match=r"`port` names 'nrf99'.*nrf51"):
        project_files(load_board("mine"))


def test_a_missing_repl_is_named(own: Path) -> None:
    (own / "mine.repl").unlink()
    with pytest.raises(TinykitError, match=r"needs a platform description mine\.repl"):
        load_board("mine")


def test_what_is_no_board_is_named(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="cannot be read"):
        read_board(tmp_path / "nothing")
    with pytest.raises(TinykitError, match=r"there is no board 'abacus'.*hifive1"):
        load_board("abacus")
    bad = tmp_path / "My Board"
    shutil.copytree(resource_dir("boards") / "host", bad)
    with pytest.raises(TinykitError, match="cannot be a board's id"):
        read_board(bad)


def test_the_manifest_follows_from_the_description() -> None:
    board = load_board("nrf52840dk")
    found = manifest(board)
    assert found["build"]["memory"]["ram_length"] == board.ram_bytes
    assert found["build"]["f_cpu"] == "64000000L"
    assert found["upload"]["protocol"] == "jlink"
    assert found["upload"]["maximum_size"] == board.flash_bytes
    assert found["build"]["emulate"] == []
    assert "netduinoplus2" in manifest(load_board("stm32f405"))["build"]["emulate"]
