# SPDX-License-Identifier: Apache-2.0
"""The table of code sizes: up to date, and read as the linker would."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tinykit.boards import list_boards, load_board
from tinykit.codegen import estimate_size
from tinykit.codegen.isa import isa_of
from tinykit.codegen.plan import lay_out
from tinykit.network.sample import ds_cnn, har_cnn

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "code_sizes.py"


@pytest.mark.parametrize("core", ["cortex-m0", "rv32imc"])
def test_the_table_is_up_to_date(core):
    command = [sys.executable, str(SCRIPT), "--check", "--only", core]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_flags_and_ports_of_ones_own_count_as_the_largest_known():
    network = ds_cnn(8, "w4a4", blocks=1)
    known = [b for b in list_boards() if b.arch == "arm" and isa_of(b) == "dsp"]
    flash = [estimate_size(network, replace(b, id="m4_of_mine")).flash_parts for b in known]
    mine = replace(known[0], id="m4_of_mine", cflags=("-mcpu=cortex-m35p",), port="mine")
    largest = max(parts["code"] for parts in flash)
    assert min(parts["code"] for parts in flash) < largest
    assert estimate_size(network, mine).flash_parts == flash[0] | {"code": largest}
    assert not estimate_size(network, mine).exact
    assert not estimate_size(network, replace(known[0], id="m4_of_mine")).exact
    assert estimate_size(network, known[0]).exact


def test_flags_that_are_known_for_other_kernels_do_not_count():
    network = ds_cnn(8, "w8a8", blocks=1)
    plain = replace(load_board("mps2_an386"), features=frozenset())
    assert isa_of(plain) == "thumb"
    assert estimate_size(network, plain).flash > 0


def test_a_kernel_is_counted_once_and_only_where_it_is_used():
    board = load_board("mps2_an386")

    def code(blocks: int) -> int:
        return estimate_size(ds_cnn(8, "w8a8", blocks=blocks), board).flash_parts["code"]

    one, two, three = code(1), code(2), code(3)
    # A further block costs data, and of the code what alignment adds between that.
    assert 0 <= two - one < 32
    assert 0 <= three - two < 32
    assert code(0) < one - 500


def test_weights_and_tables_add_up_to_the_stream():
    """Kernels for pairs of pixels keep two biases a channel, or a factor and two offsets."""
    layers = lay_out(har_cnn("w4a4"), "dsp").layers
    doubled = [x for x in layers if x.matmul is not None and x.matmul.variant.odd_bias]
    assert doubled
    for layer in doubled:
        channels = len(layer.scaling.bias)
        assert layer.table_bytes == (16 if layer.matmul.lines is None else 12) * channels
        bits = channels * layer.matmul.length * layer.matmul.variant.storage
        assert layer.weight_bytes == bits // 8
