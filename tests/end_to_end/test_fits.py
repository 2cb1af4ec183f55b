# SPDX-License-Identifier: Apache-2.0
"""`tinykit fits`: verdicts, exit statuses, and figures that later stages confirm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from tinykit.boards import list_boards, load_board
from tinykit.network import AvgPool2D, Network
from tinykit.network.export_tflite import to_tflite
from tinykit.network.sample import Builder, ds_cnn, har_cnn, resnet8

Tinykit = Callable[..., Result]


def _saved(network: Network, folder: Path) -> Path:
    path = folder / "network.tkn"
    network.save(path)
    return path


def _fits(tinykit: Tinykit, *words: str | Path, status: int = 0) -> dict[str, dict[str, Any]]:
    document = json.loads(tinykit("fits", *words, "--json", status=status).stdout)
    return {one["board"]: one for one in document["boards"]}


def _too_large() -> Network:
    """More weights than 4 MiB, and an input larger than the RAM of boards with more flash."""
    builder = Builder(np.random.default_rng(0), (130, 130, 1), name="large")
    builder.pool(AvgPool2D, (2, 2), stride=(2, 2))
    return builder.dense(1100, relu=False).build()


def test_all_boards_with_what_they_lack(tmp_path: Path, tinykit: Tinykit) -> None:
    found = _fits(tinykit, _saved(resnet8(), tmp_path))
    assert set(found) == {board.id for board in list_boards() if board.arch != "host"}
    for name, one in found.items():
        board = load_board(name)
        assert one["flash"] == sum(one["flash_parts"].values())
        assert one["ram"] == sum(one["ram_parts"].values())
        assert one["ram"] >= one["arena"] + one["stack"]
        assert one["missing_flash"] == max(0, one["flash"] - board.flash_bytes)
        assert one["missing_ram"] == max(0, one["ram"] - board.ram_bytes)
        assert one["fits"] == (one["missing_flash"] == one["missing_ram"] == 0)
        assert one["exact"]
    assert found["microbit"]["missing_ram"] > 0
    assert found["mps2_an386"]["fits"]
    table = tinykit("fits", tmp_path / "network.tkn").output
    assert f"lacks {found['microbit']['missing_ram']:,} RAM" in table
    assert "estimated" in table


def test_figures_are_those_of_later_stages(tmp_path: Path, tinykit: Tinykit) -> None:
    network, names = ds_cnn(16, "w4a8", blocks=2), ("mps2_an386", "virt_rv32imc")
    path = _saved(network, tmp_path)
    inputs = ("--vectors", "4", "--clips", "1")
    found = _fits(tinykit, path, "-b", names[0], "-b", names[1], *inputs)
    without = _fits(tinykit, path, "-b", names[0])[names[0]]
    assert without["flash_parts"]["vectors"] == 0 < found[names[0]]["flash_parts"]["vectors"]
    assert list(found) == list(names)
    for name, one in found.items():
        made = json.loads(tinykit("generate", path, "-b", name, "--json").stdout)
        assert one["flash_parts"] == made["estimate"]["flash_parts"]
        assert one["arena"] == made["arena"]["bytes"]
        built = json.loads(tinykit("build", made["project"], "--json").stdout)
        assert (one["flash"], one["ram"]) == (built["flash"], built["ram"])
        measured = json.loads(tinykit("run", made["project"], "-e", "qemu", "--json").stdout)
        inference = measured["instructions"]["inference"]
        assert one["predicted_instructions"] == pytest.approx(inference, rel=0.1)
        clock = load_board(name).clock_hz
        assert one["estimated_seconds"] == pytest.approx(one["estimated_cycles"] / clock)


def test_a_network_that_is_too_large_for_all(tmp_path: Path, tinykit: Tinykit) -> None:
    found = _fits(tinykit, _saved(_too_large(), tmp_path), status=3)
    assert not any(one["fits"] for one in found.values())
    assert "lacks" in tinykit("fits", tmp_path / "network.tkn", status=3).output


def test_named_boards_must_all_have_room(tmp_path: Path, tinykit: Tinykit) -> None:
    path = _saved(resnet8(), tmp_path)
    fits, lacks = ("-b", "mps2_an386"), ("-b", "stm32vldiscovery")
    assert list(_fits(tinykit, path, *fits)) == ["mps2_an386"]
    assert list(_fits(tinykit, path, *lacks, status=3)) == ["stm32vldiscovery"]
    both = _fits(tinykit, path, *fits, *lacks, status=3)
    assert [one["fits"] for one in both.values()] == [True, False]


def test_what_cannot_be_asked(tmp_path: Path, tinykit: Tinykit) -> None:
    path = _saved(har_cnn(widths=(4,)), tmp_path)
    assert "no_such_board" in tinykit("fits", path, "-b", "no_such_board", status=1).output
    assert "microcontroller" in tinykit("fits", path, "-b", "host", status=1).output
    assert "no trained network" in tinykit("fits", tmp_path / "nothing", status=1).output
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\x1c\0\0\0TFL3")
    assert "broken.tflite" in tinykit("fits", broken, status=1).output


def test_a_tflite_file_is_imported_on_the_way(tmp_path: Path, tinykit: Tinykit) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(to_tflite(ds_cnn(8, "w8a8", blocks=1)))
    found = _fits(tinykit, model)
    assert found["microbit"]["fits"]
    assert list(tmp_path.iterdir()) == [model]
    tinykit("import", model, "--out", tmp_path / "run")
    assert _fits(tinykit, tmp_path / "run") == found


def test_vectors_count_as_far_as_there_is_room(tmp_path: Path, tinykit: Tinykit) -> None:
    path = _saved(har_cnn(widths=(4,)), tmp_path)

    def flash(count: int) -> int:
        one = _fits(tinykit, path, "-b", "mps2_an386", "--vectors", str(count))["mps2_an386"]
        return one["flash_parts"]["vectors"]

    assert flash(0) == 0
    assert flash(3) - flash(2) == flash(2) - flash(1) > 0
    many = _fits(tinykit, path, "-b", "stm32vldiscovery", "--vectors", "1000")
    assert many["stm32vldiscovery"]["fits"]


def test_neither_tensorflow_nor_a_compiler_runs(tmp_path: Path) -> None:
    path = _saved(resnet8(), tmp_path)
    (tmp_path / "model.tflite").write_bytes(to_tflite(resnet8()))
    code = """
import subprocess, sys
def refuse(*_, **__):
    raise AssertionError("a program was started")
subprocess.Popen.__init__ = refuse
from tinykit.cli.app import app
for model in sys.argv[1:]:
    app(["fits", model], standalone_mode=False)
heavy = {"tensorflow", "keras", "tflite_runtime", "matplotlib", "scipy", "platformio"}
print("loaded:", sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "model.tflite")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("loaded: []")
