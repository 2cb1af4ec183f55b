# SPDX-License-Identifier: Apache-2.0
"""Flash and RAM as they were said before the build, and as PlatformIO built them: to the byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from framed import with_frontend

from tinykit.boards import Board, list_boards, load_board
from tinykit.boards.elf import read_sizes
from tinykit.boards.platformio import build
from tinykit.codegen import estimate_size, generate, make_vectors
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.bit_stream import BitStream
from tinykit.codegen.mlperf import TASKS, Mlperf
from tinykit.codegen.stream import BUSES, ImuStream
from tinykit.codegen.vectors import Vectors, blank_vectors
from tinykit.frontends import Analog, Frontend, Imu, LogMel, Mfcc
from tinykit.network import MaxPool2D, Network
from tinykit.network.sample import (
    Builder,
    autoencoder,
    ds_cnn,
    har_cnn,
    mobilenet,
    random_imported_network,
    random_input,
    resnet8,
)
from tinykit.sensors import SENSORS

BOARDS = tuple(board.id for board in list_boards() if board.arch != "host")
# Boards that hold any of the benchmark's networks.
LARGE = ("mps2_an385", "nrf52840dk", "mps3_an547", "virt_rv32imc")
# One board for each set of kernels, and Thumb-1.
CORES = ("microbit", "mps2_an385", "mps2_an386", "mps3_an547", "virt_rv32imc")


def _vectors(network: Network, count: int, clips: int) -> Vectors:
    rng = np.random.default_rng(11)
    sound = None
    if clips:
        shape = blank_vectors(network, 0, clips).clips.shape
        sound = rng.integers(-9000, 9000, shape).astype(np.int16)
    return make_vectors(network, random_input(rng, network.tensor(network.input), count), sound)


def _check(
    folder: Path, network: Network, board: Board, vectors: Vectors, app: App = SELF_TEST
) -> None:
    said = estimate_size(network, board, vectors, app)
    assert said.exact
    project = generate(network, board, folder / "p", vectors=vectors, app=app)
    assert project.sizes == said
    result = build(folder / "p", board)
    assert (said.flash, said.ram) == (result.flash, result.ram)
    symbols = read_sizes(result.elf).symbols
    assert said.ram_parts["arena"] == symbols["arena"].size
    assert said.ram_parts["stack"] == result.sizes.stack
    streams = sum(one.size for name, one in symbols.items() if name.endswith("_stream"))
    assert streams >= said.flash_parts["weights"] > 0


def _residual() -> Network:
    """Additions of 8 and of 4 bits."""
    builder = Builder(np.random.default_rng(0), (8, 8, 3), name="residual")
    wide = builder.conv(8, (3, 3)).keep()
    builder.conv(8, (3, 3), relu=False).add(wide)
    narrow = builder.conv(6, (3, 3), bits=4).keep()
    builder.conv(6, (3, 3), bits=4, relu=False).add(narrow)
    return builder.mean().dense(4, relu=False).build()


def _binary() -> Network:
    """Layers of one bit, with lanes and row by row, and a maximum between them."""
    builder = Builder(np.random.default_rng(0), (8, 8, 32), bits=1, name="binary")
    builder.conv(64, (3, 3), weight_bits=1, bits=1).pool(MaxPool2D, (2, 2))
    builder.conv(8, (3, 3), weight_bits=1, bits=1)
    return builder.dense(4, weight_bits=1, relu=False).build()


def _far_biased() -> Network:
    """Accumulators that need the 64-bit requantisation, and 4 bits at either end."""
    builder = Builder(np.random.default_rng(1), (6, 5, 4), bits=4, name="far")
    network = builder.conv(8, (3, 3)).depthwise((3, 3)).dense(3, relu=False, bits=4).build()
    first, *others = network.ops
    biased = replace(first, bias=np.full_like(first.bias, 1 << 29))
    return replace(network, ops=(biased, *others))


def _foreign(seed: int) -> Callable[[], Network]:
    return lambda: random_imported_network(np.random.default_rng(seed))


SMALL: dict[str, tuple[Callable[[], Network], int, int]] = {
    "keywords": (lambda: ds_cnn(8, "w4a4", blocks=1), 2, 0),
    "heard": (lambda: with_frontend(har_cnn("w8a8", widths=(8, 12)), Imu()), 2, 1),
    "residual": (_residual, 1, 0),
    "binary": (_binary, 3, 0),
    "far": (_far_biased, 2, 0),
    "foreign": (_foreign(3), 2, 0),
    "silent": (lambda: har_cnn("w2a2", widths=(4,)), 0, 0),
}
EVERYWHERE = ("heard", "foreign")


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("board_id", BOARDS)
def test_small_networks_take_what_was_said_everywhere(
    tmp_path: Path, board_id: str, kind: str
) -> None:
    _check_small(tmp_path, board_id, kind)


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind not in EVERYWHERE])
@pytest.mark.parametrize("board_id", CORES)
def test_small_networks_take_what_was_said(tmp_path: Path, board_id: str, kind: str) -> None:
    _check_small(tmp_path, board_id, kind)


def _check_small(folder: Path, board_id: str, kind: str) -> None:
    make, vectors, clips = SMALL[kind]
    network = make()
    _check(folder, network, load_board(board_id), _vectors(network, vectors, clips))


@pytest.mark.parametrize("policy", ["w8a8", "w4a4"])
@pytest.mark.parametrize("make", [resnet8, mobilenet, autoencoder])
@pytest.mark.parametrize("board_id", LARGE)
def test_the_networks_of_the_benchmark_take_what_was_said(
    tmp_path: Path, board_id: str, make: Callable[[str], Network], policy: str
) -> None:
    network = make(policy)
    _check(tmp_path, network, load_board(board_id), _vectors(network, 1, 0))


@pytest.mark.parametrize("frontend", [Mfcc(), LogMel(), Analog()])
@pytest.mark.parametrize("board_id", ["microbit", "mps2_an386", "mps3_an547", "hifive1"])
def test_a_front_end_takes_what_was_said(tmp_path: Path, board_id: str, frontend: Frontend) -> None:
    builder = Builder(np.random.default_rng(0), frontend.output_shape, name="listening")
    builder.conv(4, (3, 3), stride=(2, 2)).mean()
    network = with_frontend(builder.dense(3, relu=False).build(), frontend)
    _check(tmp_path, network, load_board(board_id), _vectors(network, 1, 1))


@pytest.mark.parametrize(
    ("task", "make", "energy"),
    [
        ("kws01", ds_cnn, True),
        ("ic01", resnet8, False),
        ("vww01", mobilenet, False),
        ("ad01", autoencoder, False),
        ("ad01", autoencoder, True),
    ],
)
@pytest.mark.parametrize("board_id", ["mps2_an385", "nrf52840dk", "virt_rv32imc"])
def test_firmware_for_the_benchmark_takes_what_was_said(
    tmp_path: Path, board_id: str, task: str, make: Callable[[], Network], energy: bool
) -> None:
    network = make()
    app = Mlperf(TASKS[task], energy)
    _check(tmp_path, network, load_board(board_id), make_vectors(network), app)


@pytest.mark.parametrize("app", [ImuStream(SENSORS["lsm6dso"], 64, 5, bus) for bus in BUSES])
def test_firmware_that_reads_a_sensor_takes_what_was_said(tmp_path: Path, app: ImuStream) -> None:
    network = with_frontend(har_cnn("w8a8", widths=(8, 12)), Imu())
    _check(tmp_path, network, load_board("nrf52840dk"), make_vectors(network), app)


@pytest.mark.parametrize(("board_id", "bus"), [("nrf52840dk", "gpio"), ("virt_rv32imc", "uart")])
def test_firmware_that_reads_comparators_takes_what_was_said(
    tmp_path: Path, board_id: str, bus: str
) -> None:
    front = Analog(filters=11)
    builder = Builder(np.random.default_rng(0), front.output_shape, bits=1, symmetric=True)
    builder.conv(8, (3, 3), stride=(2, 2), weight_bits=1).mean().dense(3, relu=False)
    network = with_frontend(builder.build(), front)
    app = BitStream(50, 3, 25, 25, bus)
    _check(tmp_path, network, load_board(board_id), make_vectors(network), app)


def test_the_names_of_a_network_count(tmp_path: Path) -> None:
    """Names of all lengths, one of them with letters of two bytes."""
    network = har_cnn("w8a8", widths=(4,))
    ops = [
        replace(op, name=name)
        for op, name in zip(network.ops, ("a", "größer", "x" * 33), strict=False)
    ]
    named = replace(network, ops=(*ops, *network.ops[len(ops) :]))
    _check(tmp_path, named, load_board("virt_rv32imc"), _vectors(named, 1, 0))
