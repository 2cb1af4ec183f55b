# SPDX-License-Identifier: Apache-2.0
"""PlatformIO builds any project offline, the same bytes anywhere, and says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinykit.boards import load_board
from tinykit.boards.platformio import build, environment, flash, upload_command
from tinykit.errors import DoesNotFitError, TinykitError

sys.path.append(str(Path(__file__).parents[1] / "emulators"))

from smoke import build_smoke, write_project


def pio(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`pio run` alone, without anything of tinykit's in reach of Python."""
    command = [sys.executable, "-m", "platformio", "run", *arguments]
    variables = {**os.environ, **environment()}
    variables.pop("PYTHONPATH", None)
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize("board_id", ["mps2_an386", "virt_rv32imac_zbb"])
def test_two_places_give_the_same_bytes(tmp_path: Path, board_id: str) -> None:
    board = load_board(board_id)
    first = build_smoke(board, tmp_path / "here")
    elsewhere = tmp_path / "quite another place"
    write_project(board, elsewhere)
    assert pio(elsewhere).returncode == 0
    again = elsewhere / first.elf.relative_to(tmp_path / "here")
    assert again.read_bytes() == first.elf.read_bytes()
    assert str(tmp_path).encode() not in first.elf.read_bytes()


def test_sizes_by_section_and_symbol(tmp_path: Path) -> None:
    board = load_board("hifive1")
    result = build_smoke(board, tmp_path)
    sizes = result.sizes
    assert sizes.stack == board.stack_bytes
    assert result.ram == sizes.stack + sizes.sections[".data"] + sizes.sections[".bss"]
    assert result.flash == sizes.sections[".text"] + sizes.sections[".data"]
    assert 2000 < result.flash < 8000
    assert sizes.symbols["main"].kind == "code"
    assert sizes.symbols["initialised"].kind == "data"
    # GCC numbers what is static within a function: chunk.0.
    chunk = next(symbol for name, symbol in sizes.symbols.items() if name.startswith("chunk"))
    assert (chunk.size, chunk.kind) == (640, "zero")
    assert sizes.symbols["crc32_nibble"].kind == "constant"
    assert sizes.symbols["main"].address >= 0x20400000


def test_the_first_error_of_the_compiler_is_shown(tmp_path: Path) -> None:
    board = load_board("mps2_an386")
    write_project(board, tmp_path)
    (tmp_path / "src" / "main.c").write_text("int main(void)\n{\n    return nothing;\n}\n")
    with pytest.raises(TinykitError, match=r"main\.c:3:12: error: 'nothing' undeclared") as caught:
        build(tmp_path, board)
    assert "platformio run" in str(caught.value.remedy)


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    board = load_board("virt_rv32imc")
    write_project(board, tmp_path)
    (tmp_path / "src" / "main.c").write_text(
        "#include <stdint.h>\nint main(void);\nint main(void)\n{\n    int8_t x = 0;\n"
        "    x += 300;\n    return x;\n}\n"
    )
    with pytest.raises(TinykitError, match=r"error: conversion.*may change value"):
        build(tmp_path, board)


def test_what_the_linker_cannot_place_does_not_fit(tmp_path: Path) -> None:
    board = load_board("stm32vldiscovery")
    write_project(board, tmp_path)
    (tmp_path / "src" / "big.c").write_text(
        "char big[9000];\nchar *tk_big(void);\nchar *tk_big(void)\n{\n    return big;\n}\n"
    )
    main = tmp_path / "src" / "main.c"
    call = "\nchar *tk_big(void);\nint main(void)\n{\n    *(volatile char *)tk_big() = 1;\n"
    main.write_text(main.read_text().replace("\nint main(void)\n{\n", call))
    with pytest.raises(DoesNotFitError, match=r"needs \d+ bytes more RAM than STM32 value line"):
        build(tmp_path, board)


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match=r"no platformio\.ini"):
        build(tmp_path, load_board("host"))


def test_a_read_only_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("host")
    write_project(board, tmp_path)
    # Whoever runs the tests as root may write anywhere, so the answer itself is replaced.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TinykitError, match="cannot write here"):
        build(tmp_path, board)


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(TinykitError, match=r"cannot write.*TINYKIT_CACHE"):
        environment()


def test_emulate_is_a_target(tmp_path: Path) -> None:
    board = load_board("stm32f405")
    write_project(board, tmp_path)
    done = pio(tmp_path, "-t", "emulate")
    assert done.returncode == 0
    assert '"verdict":"PASS"' in done.stdout
    write_project(board, tmp_path, SMOKE_FAULT="1")
    failed = pio(tmp_path, "-t", "emulate")
    assert failed.returncode != 0
    assert '"t":"fault"' in failed.stdout


@pytest.mark.parametrize(
    ("board_id", "protocol", "expected"),
    [
        ("microbit", None, "openocd -f interface/cmsis-dap.cfg -f target/nrf51.cfg -c 'program {"),
        ("stm32f405", None, "openocd -f interface/stlink.cfg -f target/stm32f4x.cfg -c 'program {"),
        ("nrf52840dk", None, "JLinkExe -device nRF52840_xxAA -if SWD"),
        ("hifive1", "jlink", "JLinkExe -device FE310 -if JTAG"),
    ],
)
def test_a_dry_run_shows_the_exact_command(
    tmp_path: Path, board_id: str, protocol: str | None, expected: str
) -> None:
    line = flash(tmp_path, load_board(board_id), protocol=protocol, dry_run=True)
    assert line.startswith(expected)
    assert str(tmp_path) in line


def test_one_of_several_probes_is_chosen(tmp_path: Path) -> None:
    command = upload_command(tmp_path, load_board("stm32f405"), port="066DFF")
    assert "adapter serial 066DFF" in command
    command = upload_command(tmp_path, load_board("nrf52840dk"), port="683")
    assert command[command.index("-SelectEmuBySN") + 1] == "683"


def test_what_cannot_be_flashed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="not a thing to flash"):
        flash(tmp_path, load_board("virt_rv32imc"), dry_run=True)
    with pytest.raises(TinykitError, match=r"'serial'.*cmsis-dap, jlink"):
        flash(tmp_path, load_board("microbit"), protocol="serial", dry_run=True)


def test_a_missing_programmer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("microbit")
    write_project(board, tmp_path)
    monkeypatch.setattr("shutil.which", lambda *_: None)
    with pytest.raises(TinykitError, match="apt install openocd"):
        flash(tmp_path, board)
