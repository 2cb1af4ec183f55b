# SPDX-License-Identifier: Apache-2.0
"""Four executors, one answer: every op, every width, every kind of core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinykit.boards import Board, list_boards, load_board
from tinykit.codegen.project import generate
from tinykit.codegen.vectors import make_vectors
from tinykit.emulators.renode import Renode
from tinykit.network import Network
from tinykit.network.ops import (
    Add,
    Concat,
    Constant,
    Lookup,
    Lstm,
    Mean,
    Mul,
    Pad,
    PRelu,
    ResizeNearest,
    Slice,
    Softmax,
    Sub,
    Transpose,
)
from tinykit.network.sample import (
    Builder,
    random_binary_network,
    random_input,
    random_network,
)
from tinykit.runs import Run
from tinykit.verify import verify
from tinykit.workflow import Firmware, build_firmware, generate_firmware, run_firmware

POLICIES = ("w8a8", "w4a8", "w4a4", "w2a8", "w2a2", "mixed")
_IMPORTED = (
    *(Add, Sub, Mul, PRelu, Lookup, Lstm, Mean, Softmax),
    *(Pad, Slice, Concat, Transpose, ResizeNearest),
)
QEMU_BOARDS = tuple(b.id for b in list_boards() if "qemu" in b.emulators)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("task", ["kws", "har"])
def test_a_cortex_m4_and_a_risc_v_agree_with_python(
    make_run: Callable[..., Run], task: str, policy: str
) -> None:
    run = make_run(task, policy)
    boards = [load_board("mps2_an386"), load_board("virt_rv32imc")]
    result = verify(run, boards, emulators=("qemu",), clips=2, sanitize=True)
    tflite = policy.endswith("a8")
    assert [row.exact for row in result.rows] == [True] * (4 if tflite else 3)
    names = [row.executor for row in result.rows]
    assert ("tflite-runtime (reference kernels)" in names) == tflite
    assert result.sentence.endswith("cortex-m4f = rv32imc")
    assert (run.directory / "verify.json").exists()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("board_id", QEMU_BOARDS)
def test_random_ops_and_widths_on_every_core(board_id: str, seed: int, tmp_path: Path) -> None:
    """Chains that mix operators, strides, paddings, dilations and bit widths."""
    board = load_board(board_id)
    rng = np.random.default_rng(seed)
    network = random_network(rng, depth=6)
    vectors = make_vectors(network, random_input(rng, network.tensor(network.input), 3))
    project = generate(network, board, tmp_path / "project", vectors=vectors)
    firmware = Firmware(project.directory, board, project.metadata, None)
    result = run_firmware(firmware, build_firmware(firmware), emulator="qemu")
    assert result.differences == []
    assert result.compared == 3
    assert len(result.measurement.layers) == len(project.metadata["layers"])


def _is_exact_to_the_byte(
    network: Network, board: Board, rng: np.random.Generator, folder: Path
) -> None:
    """A board gives the interpreter's integers, and takes the flash and RAM that were foretold."""
    vectors = make_vectors(network, random_input(rng, network.tensor(network.input), 3))
    project = generate(network, board, folder, vectors=vectors)
    firmware = Firmware(project.directory, board, project.metadata, None)
    build = build_firmware(firmware)
    result = run_firmware(firmware, build, emulator="qemu")
    assert result.differences == []
    assert result.compared == 3
    assert (build.flash, build.ram) == (project.sizes.flash, project.sizes.ram)


@pytest.mark.parametrize("board_id", QEMU_BOARDS)
def test_one_bit_values_on_cores_with_and_without_popcount(board_id: str, tmp_path: Path) -> None:
    """Binary convolutions, pools and a head; the estimate of flash and RAM holds for them too."""
    rng, board = np.random.default_rng(4), load_board(board_id)
    network = random_binary_network(rng, depth=4)
    _is_exact_to_the_byte(network, board, rng, tmp_path / "project")


@pytest.mark.parametrize("board_id", QEMU_BOARDS)
def test_operators_of_imported_models_on_every_core(board_id: str, tmp_path: Path) -> None:
    """Each of them at least once; the estimate of flash and RAM holds for them too."""
    rng, board = np.random.default_rng(8), load_board(board_id)
    builder = Builder(rng, (6, 5, 4)).lookup().pad((1, 0, 1, 2, 0, 0))
    builder.multiply(builder.constant((1, 1, 4))).prelu(builder.constant((1, 1, 4)))
    builder.add(builder.constant((7, 1, 1))).add(builder.constant((1, 8, 1)), kind=Sub)
    builder.concat(builder.keep(), 2).transpose((1, 0, 2)).slice((7, 0, 1), (-1, 2, 1), (7, 4, 6))
    start = builder.resize(6, 9).keep()
    mask = builder.reduce([0, 1]).lookup().keep()
    builder.back_to(start).multiply(mask).add(start, kind=Sub).reduce([1], jumps=True)
    network = builder.lstm(5).dense(7, relu=False).softmax().build()
    assert {Constant, *_IMPORTED} <= {type(op) for op in network.ops}
    _is_exact_to_the_byte(network, board, rng, tmp_path / "project")


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("board_id", ["mps2_an385", "mps2_an386", "virt_rv32imc"])
def test_residual_additions_with_and_without_dsp(board_id: str, bits: int, tmp_path: Path) -> None:
    """A shortcut as it is and one through a convolution of stride 2; odd sizes."""
    rng, board = np.random.default_rng(bits), load_board(board_id)
    layer = {"bits": bits, "relu": False}
    builder = Builder(rng, (9, 7, 3), bits=bits).conv(5, (3, 3), bits=bits)
    start = builder.keep()
    start = builder.conv(5, (3, 3), **layer).add(start).keep()
    main = builder.conv(7, (3, 3), stride=(2, 2), **layer).keep()
    builder.back_to(start).conv(7, (1, 1), stride=(2, 2), **layer).add(main)
    network = builder.mean().dense(4, relu=False).build()
    vectors = make_vectors(network, random_input(rng, network.tensor(network.input), 3))
    project = generate(network, board, tmp_path / "project", vectors=vectors)
    kernels = [one["kernel"] for one in project.metadata["layers"] if one["op"] == "Add"]
    wide = "tk_add_halves" if board_id == "mps2_an386" else "tk_add"
    assert kernels == [wide if bits == 8 else "tk_add_table"] * 2
    firmware = Firmware(project.directory, board, project.metadata, None)
    result = run_firmware(firmware, build_firmware(firmware), emulator="qemu")
    assert result.differences == []
    assert result.compared == 3


@pytest.mark.skipif(
    not Renode().available(load_board("mps2_an386")), reason="Renode is not installed"
)
@pytest.mark.parametrize("board_id", ["mps2_an386", "mps2_an505", "hifive1", "virt_rv32imc"])
def test_renode_counts_what_qemu_counts(motion_run: Run, board_id: str) -> None:
    board: Board = load_board(board_id)
    firmware = generate_firmware(motion_run, board)
    build = build_firmware(firmware)
    first, second = (
        run_firmware(firmware, build, emulator=name, clips=motion_run.samples().first(1))
        for name in ("renode", "qemu")
    )
    assert first.exact
    assert second.exact
    assert first.measurement == second.measurement


def test_a_disagreement_is_seen(motion_run: Run) -> None:
    """The comparison itself: a firmware whose expected scores are changed is not exact."""
    firmware = generate_firmware(motion_run, load_board("host"))
    build = build_firmware(firmware)
    firmware.metadata["embedded"]["vectors"][1]["scores"][0] ^= 1
    result = run_firmware(firmware, build)
    assert not result.exact
    assert result.differences[0].startswith("vector 1:")
