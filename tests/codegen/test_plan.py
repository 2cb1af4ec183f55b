# SPDX-License-Identifier: Apache-2.0
"""The memory plan: nothing that is needed at the same time overlaps, and little is wasted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.codegen.plan import ALIGNMENT, Buffer, assign_offsets, lower_bound, plan_memory
from tinykit.network.sample import (
    POLICIES,
    Builder,
    ds_cnn,
    har_cnn,
    mobilenet,
    random_network,
    resnet8,
)


def _overlap(buffers, offsets):
    """Pairs of buffers that share a step and a byte."""
    return [
        (a.name, b.name)
        for i, a in enumerate(buffers)
        for b in buffers[i + 1 :]
        if a.meets(b)
        and offsets[a.name] < offsets[b.name] + b.size
        and offsets[b.name] < offsets[a.name] + a.size
    ]


@st.composite
def _buffers(draw):
    count = draw(st.integers(1, 14))
    result = []
    for i in range(count):
        first = draw(st.integers(-1, 9))
        size = ALIGNMENT * draw(st.integers(1, 60))
        result.append(Buffer(f"b{i}", size, first, first + draw(st.integers(0, 4))))
    return result


@given(_buffers())
def test_live_buffers_never_overlap(buffers):
    offsets, size = assign_offsets(buffers)
    assert not _overlap(buffers, offsets)
    assert size >= lower_bound(buffers)
    assert all(offsets[b.name] % ALIGNMENT == 0 for b in buffers)
    assert size == max(offsets[b.name] + b.size for b in buffers)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("make", [ds_cnn, har_cnn, resnet8, mobilenet])
def test_real_models_are_within_five_percent_of_the_bound(make, policy):
    plan = plan_memory(make(policy=policy))
    assert plan.size <= 1.05 * plan.lower_bound
    assert not _overlap(plan.buffers, plan.offsets)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed):
    network = random_network(np.random.default_rng(seed), depth=6)
    plan = plan_memory(network)
    assert not _overlap(plan.buffers, plan.offsets)
    for op in network.ops:
        assert {*op.inputs, op.output} <= set(plan.tensor_buffer)


def test_a_reshape_shares_its_input():
    plan = plan_memory(ds_cnn())
    names = {b.name for b in plan.buffers}
    assert set(plan.tensor_buffer.values()) <= names
    assert len(set(plan.tensor_buffer.values())) < len(plan.tensor_buffer)


def _residual(*, shared: bool):
    """conv0, conv1, add2 and, where what was added is read again, add3."""
    builder = Builder(np.random.default_rng(0), (4, 4, 8)).conv(8, (3, 3))
    start = builder.keep()
    builder.conv(8, (3, 3), relu=False).add(start)
    if shared:
        builder.add(start)
    return builder.dense(2).build()


def test_a_shortcut_lives_until_it_is_added():
    plan = plan_memory(_residual(shared=False))
    kept = next(b for b in plan.buffers if b.name == plan.tensor_buffer["conv0_out"])
    assert (kept.first, kept.last) == (0, 2)
    between = next(b for b in plan.buffers if b.name == plan.tensor_buffer["conv1_out"])
    assert between.meets(kept)
    assert plan.lower_bound >= 2 * 4 * 4 * 8


def test_a_sum_overwrites_only_what_nothing_reads_any_more():
    plan = plan_memory(_residual(shared=True))
    at = plan.tensor_buffer
    assert at["add2_out"] == at["conv1_out"] != at["conv0_out"]
    # Either may go now, and the first does.
    assert at["add3_out"] == at["add2_out"]


def test_the_input_of_a_network_that_adds_it_to_itself():
    builder = Builder(np.random.default_rng(0), (3, 3, 4))
    network = builder.add(builder.keep()).dense(2).build()
    plan = plan_memory(network)
    assert plan.tensor_buffer["add0_out"] == "input"


def test_a_sum_that_is_the_output_stays():
    builder = Builder(np.random.default_rng(0), (5,)).dense(5)
    start = builder.keep()
    plan = plan_memory(builder.dense(5).add(start).build())
    last = next(b for b in plan.buffers if b.name == plan.tensor_buffer["add2_out"])
    assert last.last == len(plan.layers) - 1


def test_picture_has_a_line_for_each_layer():
    plan = plan_memory(har_cnn())
    lines = plan.picture(60).splitlines()
    assert f"arena {plan.size} bytes" in lines[0]
    assert [line.split()[0] for line in lines[1 : 1 + len(plan.layers)]] == list(plan.layers)
    assert all(line.count("|") == 2 for line in lines[1 : 1 + len(plan.layers)])
