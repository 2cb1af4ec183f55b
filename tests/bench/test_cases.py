# SPDX-License-Identifier: Apache-2.0
"""The list of cases: complete, the shapes that were promised, the same at every call."""

from __future__ import annotations

import pytest

from tinykit.bench import ALL, CORES, Case, cases, cores
from tinykit.errors import TinykitError
from tinykit.network.ops import Weighted
from tinykit.network.shapes import macs

# Nominal MACs of the layer that counts, or of the network.
MACS = {
    "kws": 2_656_768,
    "pointwise": 25 * 5 * 64 * 64,
    "conv": 16 * 16 * 9 * 16 * 32,
    "depthwise": 25 * 5 * 64 * 9,
    "dense": 256 * 64,
    "conv-w1a1": 16 * 16 * 9 * 64 * 64,
    "dense-w1a1": 1024 * 128,
}


def counted_macs(case: Case) -> int:
    network = case.network()
    ops = network.ops if case.layer is None else network.ops[case.layer : case.layer + 1]
    return sum(macs(op, network.tensor(op.output).shape) for op in ops)


def test_every_layer_stands_at_every_width() -> None:
    names = [case.name for case in ALL]
    assert len(set(names)) == len(names)
    for layer in ("pointwise", "conv", "depthwise", "dense"):
        for policy in ("w8a8", "w4a8", "w4a4", "w2a8", "w2a4", "w2a2", "w4a2"):
            assert f"{layer}-{policy}" in names
    for network in ("kws", "ic", "vww", "ad", "har"):
        assert f"{network}-w8a8" in names
    for layer in ("pointwise", "conv", "dense"):
        assert f"{layer}-w1a1" in names


@pytest.mark.parametrize("case", [c for c in cases() if c.kind == "layer"], ids=lambda c: c.name)
def test_the_layer_that_counts_has_the_widths_and_the_work(case: Case) -> None:
    network = case.network()
    op = network.ops[0]
    assert isinstance(op, Weighted)
    bits = f"w{op.weight_bits}a{network.tensor(network.input).bits}"
    assert bits == case.policy
    assert network.tensor(op.output).bits == network.tensor(network.input).bits
    layer = case.name.removesuffix(f"-{case.policy}")
    assert counted_macs(case) == MACS.get(case.name, MACS[layer])
    # The firmware keeps its scores on the stack.
    assert network.tensor(network.output).shape == (4,)


def test_the_keyword_spotter_is_that_of_mlperf_tiny() -> None:
    (case,) = cases(["kws-w8a8"])
    assert counted_macs(case) == MACS["kws"]
    assert case.network().tensor(case.network().output).shape == (12,)


@pytest.mark.parametrize("name", ["dense-w2a4", "kws-w4a4"])
def test_a_case_is_the_same_at_every_call(name: str) -> None:
    (case,) = cases([name])
    assert case.maker(case.policy).digest == case.maker(case.policy).digest


def test_cases_are_chosen_by_pattern_in_the_order_of_the_list() -> None:
    chosen = [case.name for case in cases(["dense-w8a8", "pointwise-w?a4"])]
    assert chosen == ["pointwise-w4a4", "pointwise-w2a4", "dense-w8a8"]


@pytest.mark.parametrize("pattern", ["pointwise-w8a9", "nothing-*"])
def test_a_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(TinykitError, match="no case"):
        cases([pattern])


def test_cores_have_boards_that_qemu_knows() -> None:
    assert {board.id for board in cores(CORES).values()} == set(CORES.values())
    assert all(board.qemu for board in cores(CORES).values())
    assert list(cores(["rv32imc", "m4"])) == ["m4", "rv32imc"]
    assert "m0" not in cores()
    with pytest.raises(TinykitError, match="no core 'm5'"):
        cores(["m5"])
