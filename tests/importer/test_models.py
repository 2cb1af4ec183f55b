# SPDX-License-Identifier: Apache-2.0
"""Whole models of TensorFlow's converter: interpreter, TFLite, host C, Cortex-M4 and RV32 agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.importer.models import ENDS, MODELS, RECURRENT
from tinykit.boards import load_board
from tinykit.codegen.hostlib import HostModel
from tinykit.importer.lower import SUPPORTED, lower
from tinykit.importer.run import import_run
from tinykit.importer.tflite_reader import read_tflite
from tinykit.network import interpret, interpret_all
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.runs import open_run
from tinykit.workflow import build_firmware, generate_firmware, run_firmware

# The converter makes a RESHAPE of these; tests/importer/test_operators.py has them alone.
_NEVER_MADE = {"SQUEEZE", "EXPAND_DIMS"}


@pytest.mark.parametrize("name", [*MODELS, *RECURRENT])
def test_python_and_the_host_agree_with_tflite(models: Path, name: str) -> None:
    path = models / f"{name}.tflite"
    network = lower(read_tflite(path)).network
    x = random_input(np.random.default_rng(0), network.tensor(network.input), 20)
    content = path.read_bytes()
    want = run_foreign(content, x)
    assert np.array_equal(interpret(network, x), want)
    assert len(np.unique(want)) > 1
    values = interpret_all(network, x[:3])
    with HostModel(network, sanitize=True) as model:
        for tensor, got in model.invoke_layers(x[:3]).items():
            assert np.array_equal(values[tensor], got), tensor
        assert np.array_equal(model.invoke(x), want)


@pytest.mark.parametrize("board", ["mps2_an386", "virt_rv32imc"])
@pytest.mark.parametrize("name", [*MODELS, *RECURRENT])
def test_boards_agree_with_python(models: Path, name: str, board: str, tmp_path: Path) -> None:
    directory, _ = import_run(models / f"{name}.tflite", tmp_path / name)
    firmware = generate_firmware(open_run(directory), load_board(board))
    build = build_firmware(firmware)
    result = run_firmware(firmware, build, emulator="qemu")
    assert result.differences == []
    assert result.compared == 4
    assert build.flash == firmware.metadata["estimate"]["flash"]


@pytest.mark.parametrize("name", ENDS)
def test_float_and_byte_ends_are_those_of_the_same_network(models: Path, name: str) -> None:
    plain = lower(read_tflite(models / "mobile.tflite")).network
    other = lower(read_tflite(models / f"{name}.tflite")).network
    assert other.metadata["input"]["dtype"] == ENDS[name]
    x = random_input(np.random.default_rng(1), plain.tensor(plain.input), 50)
    assert np.array_equal(interpret(plain, x), interpret(other, x))


def test_the_models_have_every_operator(models: Path) -> None:
    found = {node.kind for path in models.glob("*.tflite") for node in read_tflite(path).nodes}
    assert set(SUPPORTED) - _NEVER_MADE <= found
    assert "DEQUANTIZE" in found
    assert len(MODELS) >= 25
