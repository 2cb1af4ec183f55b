# SPDX-License-Identifier: Apache-2.0
"""The memory plan: nothing that is needed at the same time overlaps, and little is wasted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.codegen import overlap
from tinykit.codegen.isa import ISAS
from tinykit.codegen.kernels import choose_kernels
from tinykit.codegen.overlap import Overlap
from tinykit.codegen.plan import (
    ALIGNMENT,
    Buffer,
    Handover,
    Requirements,
    assign_offsets,
    lower_bound,
    plan_layers,
    plan_memory,
)
from tinykit.network.sample import (
    POLICIES,
    Builder,
    ds_cnn,
    har_cnn,
    mobilenet,
    random_network,
    resnet8,
)


def _allowed(distance: int, over: Overlap) -> bool:
    """Whether an output may lie so far from its input where they share bytes."""
    return distance <= -over.forward or distance >= over.backward or (over.same and distance == 0)


def _collisions(required: Requirements, offsets):
    """Pairs of buffers that share a step and a byte, and may not."""
    handovers = {(h.source, h.target): h.overlap for h in required.handovers}
    found = []
    for i, a in enumerate(required.buffers):
        for b in required.buffers[i + 1 :]:
            at, bt = offsets[a.name], offsets[b.name]
            if not (a.meets(b) and at < bt + b.size and bt < at + a.size):
                continue
            if (a.name, b.name) in handovers and _allowed(bt - at, handovers[a.name, b.name]):
                continue
            if (b.name, a.name) in handovers and _allowed(at - bt, handovers[b.name, a.name]):
                continue
            found.append((a.name, b.name))
    return found


_DISTANCES = st.one_of(st.just(float("inf")), st.just(-float("inf")), st.integers(-64, 128))


@st.composite
def _required(draw):
    count = draw(st.integers(1, 14))
    buffers = []
    for i in range(count):
        first = draw(st.integers(-1, 9))
        size = ALIGNMENT * draw(st.integers(1, 60))
        buffers.append(Buffer(f"b{i}", size, first, first + draw(st.integers(0, 4))))
    handovers = []
    for step in range(10):
        ends = [b.name for b in buffers if b.last == step and b.first < step]
        starts = [b.name for b in buffers if b.first == step]
        if ends and starts and draw(st.booleans()):
            over = Overlap(draw(_DISTANCES), draw(_DISTANCES), draw(st.booleans()))
            handovers.append(Handover(step, ends[0], starts[0], over))
    return Requirements(tuple(buffers), tuple(handovers))


@given(_required())
def test_live_buffers_overlap_only_where_their_layer_allows_it(required):
    offsets, size = assign_offsets(required)
    assert not _collisions(required, offsets)
    assert size >= lower_bound(required)
    assert all(offsets[b.name] % ALIGNMENT == 0 for b in required.buffers)
    assert size == max(offsets[b.name] + b.size for b in required.buffers)


def test_a_handover_that_allows_everything_costs_nothing():
    buffers = (Buffer("in", 400, -1, 0), Buffer("out", 400, 0, 1))
    assert assign_offsets(Requirements(buffers))[1] == 800
    free = Requirements(buffers, (Handover(0, "in", "out", overlap.ANYWHERE),))
    assert assign_offsets(free)[1] == lower_bound(free) == 400


def test_rows_between_input_and_output():
    """A 3x3 convolution that keeps the size needs the row behind the one it writes."""
    seen = overlap.reach((8, 4), (8, 4), (3, 3), (1, 1), (1, 1), 2)
    row = 4 * 2
    found = overlap.windowed(seen, 2, 4, backward=True)
    assert found == Overlap(forward=row, backward=row)
    narrow = overlap.windowed(seen, 1, 4, backward=True)
    assert narrow.forward < found.forward


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("make", [ds_cnn, har_cnn, resnet8, mobilenet])
def test_real_models_are_within_five_percent_of_the_bound(make, policy, isa):
    plan = plan_memory(make(policy=policy), isa)
    assert plan.size <= 1.05 * plan.lower_bound + ALIGNMENT


def test_the_keyword_spotter_needs_one_feature_map_and_a_few_rows():
    plan = plan_memory(ds_cnn(64), "dsp")
    assert 25 * 5 * 64 < plan.size < 1.2 * 25 * 5 * 64


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed):
    network = random_network(np.random.default_rng(seed), depth=6)
    plan = plan_layers(network, choose_kernels(network, "dsp"))
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
    size = 4 * 4 * 8
    assert abs(plan.offset("add2_out") - plan.offset("conv0_out")) >= size


def test_the_input_of_a_network_that_adds_it_to_itself():
    builder = Builder(np.random.default_rng(0), (3, 3, 4))
    network = builder.add(builder.keep()).dense(2).build()
    plan = plan_memory(network)
    assert plan.offset("add0_out") == plan.offset("input")


def test_constants_take_no_memory():
    builder = Builder(np.random.default_rng(0), (6, 5, 4))
    held = builder.constant((6, 5, 4))
    plan = plan_memory(builder.multiply(held).dense(3).build())
    assert plan.constants == {held.tensor.name: held.tensor.name}
    assert held.tensor.name not in plan.tensor_buffer
    # The product lies over the only input that is in memory.
    assert plan.offset("mul1_out") == plan.offset("input")
    assert plan.occupied(0) == 6 * 5 * 4


def test_a_reshaped_constant_is_the_same_constant():
    builder = Builder(np.random.default_rng(0), (8,))
    start = builder.keep()
    builder.back_to(builder.constant((2, 2, 2))).flatten()
    shaped = builder.keep()
    plan = plan_memory(builder.back_to(start).multiply(shaped).dense(3).build())
    assert plan.constants[shaped.tensor.name] == "constant0_out"
    assert {b.name for b in plan.buffers} >= {"input", "mul2_out"}


def test_what_is_broadcast_is_not_written_over():
    """The output of a product may replace the first input, but not a mask."""
    builder = Builder(np.random.default_rng(0), (6, 5, 4)).conv(4, (1, 1))
    full = builder.keep()
    mask = builder.reduce([0, 1]).keep()
    plan = plan_memory(builder.back_to(full).multiply(mask).dense(3).build())
    assert plan.offset("mul2_out") == plan.offset(full.tensor.name)
    place = plan.offset(mask.tensor.name) - plan.offset(full.tensor.name)
    assert not -4 < place < 6 * 5 * 4


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
