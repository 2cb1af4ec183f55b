# SPDX-License-Identifier: Apache-2.0
"""Operators that imported models bring: their arithmetic, their faults, and their way to a file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.errors import TinykitError
from tinykit.network import Network, interpret, interpret_all, to_tflite
from tinykit.network.ops import KINDS, Constant, Lstm, Op, PRelu, Softmax
from tinykit.network.sample import Builder, random_imported_network, random_input
from tinykit.network.softmax import softmax
from tinykit.network.store import from_bytes, to_bytes


def start(seed: int = 0, shape: tuple[int, ...] = (4, 3, 5)) -> Builder:
    return Builder(np.random.default_rng(seed), shape)


def outputs(builder: Builder) -> tuple[Network, dict[str, Any], str]:
    """The network, all its values for three inputs, and the last layer's output."""
    name = builder.last.name
    network = builder.build()
    x = random_input(np.random.default_rng(1), network.tensor("input"), 3)
    return network, interpret_all(network, x), name


def real(network: Network, values: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    tensor = network.tensor(name)
    return (values[name].astype(np.float64) - tensor.zero_point) * tensor.scale


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32))
def test_random_networks_survive_a_file(seed: int) -> None:
    network = random_imported_network(np.random.default_rng(seed))
    again = from_bytes(to_bytes(network))
    assert again.digest == network.digest
    x = random_input(np.random.default_rng(seed), network.tensor("input"), 2)
    assert np.array_equal(interpret(again, x), interpret(network, x))


def test_random_networks_have_every_operator() -> None:
    networks = [random_imported_network(np.random.default_rng(seed)) for seed in range(60)]
    found = {type(op) for network in networks for op in network.ops}
    plain = {"DepthwiseConv2D", "MaxPool2D"}
    assert {kind.__name__ for kind in set(KINDS) - found} == plain


@pytest.mark.parametrize("other", [(4, 3, 5), (1, 1, 5), (4, 3, 1), (4, 1, 5), (1, 1, 1), (1,)])
@pytest.mark.parametrize("verb", ["add", "subtract", "multiply", "prelu"])
def test_two_tensors_give_what_their_reals_give(verb: str, other: tuple[int, ...]) -> None:
    from tinykit.network import Sub

    builder = start(seed=len(other))
    constant = builder.constant(other)
    made: dict[str, Callable[[], Builder]] = {
        "add": lambda: builder.add(constant, relu=False),
        "subtract": lambda: builder.add(constant, relu=False, kind=Sub),
        "multiply": lambda: builder.multiply(constant),
        "prelu": lambda: builder.prelu(constant),
    }
    network, values, name = outputs(made[verb]())
    a, b = (real(network, values, one) for one in ("input", constant.tensor.name))
    b = b.reshape(3, *[1] * (4 - b.ndim), *b.shape[1:]) if b.ndim < 4 else b
    want = {
        "add": a + b,
        "subtract": a - b,
        "multiply": a * b,
        "prelu": np.where(a >= 0, a, a * b),
    }[verb]
    result = network.tensor(name)
    low, high = (result.scale * (q - result.zero_point) for q in (-128, 127))
    error = np.abs(real(network, values, name) - np.clip(want, low, high))
    # A PRELU rounds its small input twice.
    assert error.max() <= (0.76 if verb == "prelu" else 0.51) * result.scale


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_a_mean_counts_the_steps_that_its_sum_reaches(axes: tuple[int, ...]) -> None:
    network, values, name = outputs(start().reduce(axes))
    op = network.op(name.removesuffix("_out"))
    total = values["input"].astype(int).sum(axis=tuple(axis + 1 for axis in axes), keepdims=True)
    want = op.first + sum((total >= step).astype(int) for step in op.steps)
    assert np.array_equal(values[name], want)
    assert len(np.unique(values[name])) > 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.integers(1, 300), st.floats(0.001, 0.5))
def test_a_softmax_is_one_to_half_a_step(seed: int, channels: int, scale: float) -> None:
    distance = np.arange(256)
    exact = np.exp(-scale * distance)
    table = np.minimum(np.rint(exact * 2.0**31), 2**31 - 1).astype(np.int32)
    x = np.random.default_rng(seed).integers(-128, 128, (5, channels)).astype(np.int8)
    powers = np.exp(scale * (x.astype(float) - x.max(axis=1, keepdims=True)))
    want = np.minimum(256 * powers / powers.sum(axis=1, keepdims=True) - 128, 127)
    got = softmax(table, x)
    assert np.abs(got - want).max() <= 0.5 + 0.01 * math.sqrt(channels)


def test_a_softmax_gives_nothing_to_what_lies_below_its_table() -> None:
    x = np.array([[100, 97, 98]], np.int8)
    table = np.array([2**31 - 1, 2**30, 2**29], np.int32)
    assert softmax(table, x).tolist() == [[round(256 * 4 / 5) - 128, -128, round(256 / 5) - 128]]


def sigmoid(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("seed", range(4))
def test_an_lstm_gives_what_its_reals_give(seed: int) -> None:
    builder = start(seed, (6, 1, 5)).lstm(4)
    network, values, name = outputs(builder)
    op = network.op(name.removesuffix("_out"))
    assert isinstance(op, Lstm)
    factors = op.gate_multiplier * 2.0 ** (op.gate_shift - 31.0) / 2**12
    x = values["input"].astype(float) - network.tensor("input").zero_point
    h, c = np.zeros((3, 4)), np.zeros((3, 4))
    result = network.tensor(name)
    end = min(2.0**op.cell_bits, (op.clip or 2**15) / 2 ** (15 - op.cell_bits))
    for step in range(6):
        sums = np.einsum("nf,gcf->gnc", x[:, step, 0], op.weight) + op.bias[:, None]
        back = np.einsum("nd,gcd->gnc", h / result.scale, op.recurrent)
        i, f, g, o = (sums.T * factors[0] + back.T * factors[1]).T
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(g), -end, end)
        h = sigmoid(o) * np.tanh(c)
        low, high = (result.scale * (q - result.zero_point) for q in (-128, 127))
        h = np.clip(h, low, high)
        assert np.abs(real(network, values, name)[:, step, 0] - h).max() < 2 * result.scale


def test_moves_move() -> None:
    builder = start()
    builder.pad((1, 0, 0, 2, 0, 0)).slice((4, 0, 1), (-2, 1, 3), (3, 4, 2))
    builder.transpose((2, 0, 1)).resize(4, 2)
    first = builder.keep()
    _, values, name = outputs(builder.concat(first, 1))
    x = values["input"]
    zero = builder.tensors[0].zero_point
    padded = np.full((3, 5, 5, 5), zero)
    padded[:, 1:, :3] = x
    cut = padded[:, [4, 2, 0]][:, :, :4][..., [1, 4]]
    turned = np.moveaxis(cut, -1, 1)
    sized = turned[:, [0, 0, 1, 1]][:, :, [0, 1]]
    assert np.array_equal(values[name][:, :, :2], sized)
    assert values[name].shape == (3, 4, 4, 4)


FAULTS: dict[str, tuple[type[Op], dict[str, Any], str]] = {
    "short table": (KINDS[9], {"table": np.zeros(9, np.int8)}, "a table of 9"),
    "slopes": (PRelu, {"requantize": None}, "multiplier"),
    "descending steps": (KINDS[10], {"steps": np.array([3, 1], np.int32)}, "do not ascend"),
    "too many steps": (KINDS[10], {"first": 100}, "gives 100 to"),
    "no axes": (KINDS[10], {"axes": ()}, "is over the axes"),
    "rising exponentials": (
        Softmax,
        {"exponentials": np.array([2**31 - 1, 5, 6], np.int32)},
        "no table of exponentials",
    ),
    "gates": (Lstm, {"bias": np.zeros((3, 2), np.int32)}, "has weights"),
    "large gates": (Lstm, {"gate_shift": np.full((2, 4), 30, np.int32)}, "beyond 32 bits"),
    "bits of a state": (Lstm, {"cell_bits": 7}, "7 bits before the point"),
    "negative pad": (KINDS[12], {"padding": (0, -1, 0, 0, 0, 0)}, "pads"),
    "slice outside": (KINDS[13], {"begin": (99, 0, 0)}, "takes"),
    "resting slice": (KINDS[13], {"step": (0, 1, 1)}, "takes"),
    "concat axis": (KINDS[14], {"axis": 3}, "joins"),
    "permutation": (KINDS[15], {"permutation": (0, 1, 1)}, "permutation"),
    "rows outside": (KINDS[16], {"rows": np.array([77], np.int32)}, "takes rows"),
    "constant": (Constant, {"value": np.zeros((1, 1, 9), np.int8)}, "holds"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    kind, change, message = FAULTS[fault]
    for seed in itertools.count():
        network = random_imported_network(np.random.default_rng(seed))
        found = [op for op in network.ops if type(op) is kind]
        if found:
            break
    op = found[0]
    if change.get("requantize", op) is None:
        assert isinstance(op, PRelu)
        broken = op.requantize.multiplier[:1]
        change = {"requantize": replace(op.requantize, multiplier=broken)}
    ops = tuple(replace(one, **change) if one is op else one for one in network.ops)
    with pytest.raises(TinykitError, match=message) as caught:
        replace(network, ops=ops)
    assert op.name in str(caught.value)
    assert caught.value.remedy


def test_they_have_no_way_back() -> None:
    with pytest.raises(TinykitError, match=r"only imported models have.*imported from"):
        to_tflite(start().lookup().dense(2).build())
