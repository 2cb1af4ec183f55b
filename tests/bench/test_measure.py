# SPDX-License-Identifier: Apache-2.0
"""The whole way: a network becomes a firmware, QEMU counts it, and a wrong bit is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinykit.bench import cases, cores, load, measure_case, plan, run
from tinykit.bench import measure as module
from tinykit.boards.elf import read_sizes
from tinykit.cli import app
from tinykit.codegen.vectors import Vectors
from tinykit.network import Network


@pytest.mark.parametrize("core", ["m4", "rv32imc"])
def test_a_layer_is_measured_on_a_core(core: str, tmp_path: Path) -> None:
    (case,), board = cases(["dense-w4a8"]), cores([core])[core]
    found = measure_case(case, core, board, keep=tmp_path)
    assert found.error is None
    assert found.exact
    assert found.network == case.network().digest
    assert "GCC" in found.compiler
    assert found.figures is not None
    elf = read_sizes(tmp_path / case.name / core / ".pio" / "build" / board.id / "firmware.elf")
    # 256 inputs and 4 scores.
    assert found.figures.vector_bytes == 260
    assert found.figures.flash == elf.flash - 260
    assert found.figures.ram == elf.ram - elf.stack
    assert 256 <= found.figures.arena <= found.figures.ram
    assert 0 < found.figures.stack < board.stack_bytes
    layer, head = found.layers
    assert found.counted == layer["name"]
    assert found.figures.instructions == layer["instructions"]
    assert found.figures.macs == layer["macs"] == 256 * 64
    assert found.kernels[0] == layer["kernel"]
    assert (layer["op"], layer["weight_bits"], layer["input"]["bits"]) == ("Dense", 4, 8)
    assert (layer["inputs"], layer["channels"]) == ([[256]], 64)
    assert head["macs"] == 64 * 4
    assert 0 < head["instructions"] < layer["instructions"]


def test_counts_do_not_depend_on_what_runs_beside() -> None:
    jobs = plan(cases(["dense-w8a8", "dense-w2a8"]), cores(["m4"]))
    alone, beside = run(jobs, workers=1), run(jobs, workers=2)
    assert alone == beside
    assert alone[0].figures != alone[1].figures


def test_a_network_counts_as_the_sum_of_its_layers() -> None:
    (case,), board = cases(["har-w4a4"]), cores(["m4"])["m4"]
    found = measure_case(case, "m4", board)
    assert found.exact
    assert found.is_network
    assert found.figures is not None
    assert found.figures.instructions == sum(one["instructions"] for one in found.layers)
    pool, convolution = found.layers[0], found.layers[0]["convolution"]
    assert (pool["window"], pool["stride"]) == ([2, 1], [2, 1])
    assert (convolution["window"], convolution["padding"]) == ([7, 1], [3, 3, 0, 0])
    assert (convolution["stride"], convolution["dilation"]) == ([1, 1], [1, 1])


def test_a_firmware_that_is_wrong_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Expected scores are changed by one bit, as if the board had computed them wrongly."""
    right = module.one_vector

    def wrong(network: Network) -> Vectors:
        vectors = right(network)
        return replace(vectors, scores=vectors.scores ^ 1)

    monkeypatch.setattr(module, "one_vector", wrong)
    out, baseline = tmp_path / "out.json", tmp_path / "baseline.json"
    words = ["bench", "-c", "dense-w8a8", "--core", "m4", "--json", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--save-baseline", str(baseline)])
    assert done.exit_code == 4, done.output
    (found,) = json.loads(done.stdout)["results"]
    assert found["exact"] is False
    assert "vector 0" in found["differences"][0]
    assert not load(out)[0].exact
    assert load(baseline) == []


def test_what_does_not_fit_is_told_and_fails_the_command() -> None:
    words = ["bench", "-c", "vww-w8a8", "--core", "m0", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 3, done.output
    (found,) = json.loads(done.stdout)["results"]
    assert found["figures"] is None
    assert "does not fit" in found["error"]["error"]


def test_the_command_compares_with_a_baseline(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    words = ["bench", "-c", "dense-w8a8", "--core", "m4"]
    first = CliRunner().invoke(app, [*words, "--save-baseline", str(baseline)])
    assert first.exit_code == 0, first.output
    document = json.loads(baseline.read_text())
    (one,) = document["results"]
    limits = [*words, "--baseline", str(baseline), "--fail-on-regression", "0"]
    same = CliRunner().invoke(app, limits)
    assert same.exit_code == 0, same.output
    assert "nothing changed" in same.stdout
    now = one["figures"]["flash"]
    one["figures"]["flash"] = now - 100
    baseline.write_text(json.dumps(document))
    worse = CliRunner().invoke(app, [*limits, "--json"])
    assert worse.exit_code == 5, worse.output
    (change,) = json.loads(worse.stdout)["changes"]
    assert (change["figure"], change["before"], change["after"]) == ("flash", now - 100, now)


def test_the_command_lists_its_cases() -> None:
    done = CliRunner().invoke(app, ["bench", "--list", "-c", "dense-*", "--json"])
    listed = json.loads(done.stdout)
    assert [case["name"] for case in listed][:2] == ["dense-w8a8", "dense-w4a8"]
    assert listed[0]["what"] == "256 to 64"
