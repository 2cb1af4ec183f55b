# SPDX-License-Identifier: Apache-2.0
"""The vector code of the Cortex-M55's kernels, which the host cannot run: in QEMU, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from growing import growing_network

from tinykit.boards import load_board
from tinykit.codegen.project import generate
from tinykit.codegen.vectors import make_vectors
from tinykit.network import Network
from tinykit.network.sample import Builder, random_input
from tinykit.workflow import Firmware, build_firmware, run_firmware


def _differences(network: Network, rng: np.random.Generator, folder: Path) -> list[str]:
    board = load_board("mps3_an547")
    vectors = make_vectors(network, random_input(rng, network.tensor(network.input), 2))
    project = generate(network, board, folder / "project", vectors=vectors)
    firmware = Firmware(project.directory, board, project.metadata, None)
    return run_firmware(firmware, build_firmware(firmware), emulator="qemu").differences


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_chains_of_all_widths(tmp_path: Path, seed: int) -> None:
    """Rows of several blocks, channels in fours and not, whole groups and not, tiles and not."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers((4, 2), (11, 9)))
    builder = Builder(rng, (*shape, 5), bits=8)

    def widths() -> dict[str, object]:
        weight, out = (int(n) for n in rng.choice([8, 4, 2], 2))
        return {"weight_bits": weight, "bits": out, "relu": bool(rng.random() < 0.5)}

    for filters in (int(rng.integers(13, 40)), 20, 16):
        builder.conv(filters, (2, 3), **widths()).depthwise((3, 3), **widths())
        builder.conv(4 * int(rng.integers(1, 9)), (1, 1), **widths())
        builder.depthwise((3, 3), **widths())
    builder.depthwise((3, 2), multiplier=2, stride=(2, 1), **widths())
    network = builder.mean().dense(7, weight_bits=4, relu=False).build()
    assert _differences(network, rng, tmp_path) == []


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_sums_that_grow(tmp_path: Path, bits: int) -> None:
    """Shifts by nothing and to the left."""
    rng = np.random.default_rng(bits)
    assert _differences(growing_network(rng, bits), rng, tmp_path) == []
