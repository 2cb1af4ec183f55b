# SPDX-License-Identifier: Apache-2.0
"""The static memory plan: every tensor and scratch buffer gets an offset in one arena.

Two buffers may share bytes only if no layer needs both, or if they are a layer's input and output
and the layer's kernel allows that distance (`tinykit.codegen.overlap`). Offsets are found by
fitting buffers in several orders (by size as in Pisarchyk and Lee, arXiv:2001.03288, by size x
life, by start, by the load of the fullest step) and by exchanges in the best of them; the smallest
arena wins. No plan can be smaller than the step that needs most; that bound is part of the plan.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tinykit.codegen.isa import Isa
from tinykit.codegen.kernels import Choose, choose_kernels, first_of, poolable
from tinykit.codegen.layer import Layer, tensor_bytes
from tinykit.codegen.moves import is_alias
from tinykit.codegen.names import short_name
from tinykit.codegen.overlap import NONE, Overlap
from tinykit.network import Network
from tinykit.network.ops import Constant

ALIGNMENT = 4
# Pairs of buffers that are tried in exchanged order where the plan is above its lower bound.
_EXCHANGES = 200


@dataclass(frozen=True)
class Buffer:
    """Bytes that must stay untouched from step `first` to step `last`, both inclusive.

    Attributes:
        name: the tensor that owns it, or "scratch:<layer>".
        size: bytes, a multiple of ALIGNMENT.
        first, last: indices of layers; the input is there from -1 on.
    """

    name: str
    size: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether a step needs both."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Handover:
    """A layer that reads `source` for the last time and writes `target`.

    Attributes:
        step: index of the layer.
        source, target: names of buffers.
        overlap: the distances target - source at which they may share bytes.
    """

    step: int
    source: str
    target: str
    overlap: Overlap


@dataclass(frozen=True)
class Requirements:
    """All that a plan must respect."""

    buffers: tuple[Buffer, ...]
    handovers: tuple[Handover, ...] = ()

    def forbidden(self, buffer: Buffer, other: Buffer, at: int) -> list[tuple[float, float]]:
        """Open intervals of offsets that `buffer` must not have while `other` lies at `at`."""
        if not buffer.meets(other):
            return []
        apart = (at - buffer.size, at + other.size)
        for h in self.handovers:
            if (h.source, h.target) == (other.name, buffer.name):
                return _holes(apart, at - h.overlap.forward, at + h.overlap.backward, at, h)
            if (h.source, h.target) == (buffer.name, other.name):
                return _holes(apart, at - h.overlap.backward, at + h.overlap.forward, at, h)
        return [apart]


def _holes(
    apart: tuple[float, float], low: float, high: float, at: int, handover: Handover
) -> list[tuple[float, float]]:
    """What remains of the interval `apart` where offsets <= low or >= high are allowed too."""
    start, end = max(apart[0], low), min(apart[1], high)
    if start >= end:
        return []
    if handover.overlap.same and start < at < end:
        return [(start, at), (at, end)]
    return [(start, end)]


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies.

    Attributes:
        buffers: in the order of `first`.
        offsets: byte offset by buffer name.
        size: bytes of the arena.
        lower_bound: the most bytes any step needs at once.
        tensor_buffer: which buffer each tensor lives in; reshapes share their input's.
        layers: names of the layers, for the picture.
        backward: indices of the layers that must compute their last pixels first.
        constants: of each tensor that lies in flash, the output of the Constant that holds it.
    """

    buffers: tuple[Buffer, ...]
    offsets: dict[str, int]
    size: int
    lower_bound: int
    tensor_buffer: dict[str, str]
    layers: tuple[str, ...]
    backward: frozenset[int] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)

    def offset(self, tensor: str) -> int:
        """Byte offset of a tensor in the arena."""
        return self.offsets[self.tensor_buffer[tensor]]

    def scratch(self, layer: str) -> int | None:
        """Byte offset of a layer's scratch, or None if it has none."""
        return self.offsets.get(f"scratch:{layer}")

    def occupied(self, step: int) -> int:
        """Bytes in use at a layer; those that its input and output share count once."""
        total = end = 0
        for start, stop in sorted(
            (self.offsets[b.name], self.offsets[b.name] + b.size)
            for b in self.buffers
            if b.first <= step <= b.last
        ):
            total += max(0, stop - max(start, end))
            end = max(end, stop)
        return total

    def picture(self, width: int = 64) -> str:
        """The arena as text: one line a layer, offset 0 at the left; a letter a buffer.

        Args:
            width: characters for the whole arena.
        """
        return _draw(self, width)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _constants(network: Network) -> dict[str, str]:
    """Of each tensor in flash, reshaped ones included, the output of its Constant."""
    found: dict[str, str] = {}
    for op in network.ops:
        if isinstance(op, Constant):
            found[op.output] = op.output
        elif op.inputs[0] in found and is_alias(network, op):
            found[op.output] = found[op.inputs[0]]
    return found


def _buffers(
    network: Network, layers: tuple[Layer, ...], constants: Mapping[str, str]
) -> tuple[list[Buffer], dict[str, str]]:
    """Life spans, with aliases resolved; a tensor that no layer writes has none."""
    by_output = {layer.op.output: layer for layer in layers}
    owner = {network.input: network.input}
    first = {network.input: -1}
    last = {network.input: -1}
    for op in network.ops:
        if op.output in constants:
            continue
        if is_alias(network, op):
            owner[op.output] = owner[op.inputs[0]]
        elif op.output in by_output:
            layer = by_output[op.output]
            owner[op.output] = op.output
            first[op.output] = last[op.output] = layer.index
            for name in set(layer.inputs) - constants.keys():
                last[owner[name]] = max(last[owner[name]], layer.index)
    # The scores are read after the last layer.
    last[owner[network.output]] = max(len(layers) - 1, 0)
    buffers = [
        Buffer(name, _aligned(tensor_bytes(network.tensor(name))), first[name], last[name])
        for name in first
    ]
    buffers += [
        Buffer(f"scratch:{layer.op.name}", _aligned(layer.scratch_bytes), layer.index, layer.index)
        for layer in layers
        if layer.scratch_bytes
    ]
    return sorted(buffers, key=lambda b: (b.first, b.last, b.name)), owner


def _handovers(
    network: Network, layers: tuple[Layer, ...], buffers: list[Buffer], owner: dict[str, str]
) -> list[Handover]:
    """Each input that a layer is the last to read, with what its output may do to it."""
    last = {b.name: b.last for b in buffers}
    found = []
    for layer in layers:
        over: dict[str, Overlap] = {}
        for i, name in enumerate(layer.inputs):
            if name in owner:
                allowed = layer.overlap if i == 0 else layer.others
                # What is read in two ways must not be written over, unless both allow the same.
                same = over.setdefault(owner[name], allowed) == allowed
                over[owner[name]] = allowed if same else NONE
        found += [
            Handover(layer.index, source, owner[layer.op.output], allowed)
            for source, allowed in over.items()
            if last[source] == layer.index
        ]
    return found


def _shared(h: Handover, sizes: dict[str, int]) -> int:
    """The most bytes that a handover's buffers can have in common."""
    source, target = sizes[h.source], sizes[h.target]
    distances = [-source if source > target else -target]
    if h.overlap.same:
        distances.append(0)
    # The allowed distance next to complete overlap, from either side.
    for low, high in ((-math.inf, -h.overlap.forward), (h.overlap.backward, math.inf)):
        inner = min(max(0.0, low), high) if target <= source else max(min(0.0, high), low)
        distances += [
            int(d)
            for d in (inner, min(high, source - target), max(low, source - target))
            if math.isfinite(d) and low <= d <= high
        ]
    return max(0, *(min(source, d + target) - max(0, d) for d in distances))


def lower_bound(required: Requirements) -> int:
    """The most bytes that any step needs at once."""
    sizes = {b.name: b.size for b in required.buffers}
    steps = {b.first for b in required.buffers}

    def need(step: int) -> int:
        live = sum(b.size for b in required.buffers if b.first <= step <= b.last)
        shared = [_shared(h, sizes) for h in required.handovers if h.step == step]
        return live - max(shared, default=0)

    return max((need(step) for step in steps), default=0)


def _place(
    required: Requirements, order: list[Buffer], *, tight: bool
) -> tuple[dict[str, int], int]:
    """Each buffer in turn to the lowest offset that is free, or to the one with least room."""
    placed: list[tuple[int, Buffer]] = []
    size = 0
    for buffer in order:
        taken = sorted(
            interval for at, other in placed for interval in required.forbidden(buffer, other, at)
        )
        at = _free_offset(taken, tight=tight)
        placed.append((at, buffer))
        size = max(size, at + buffer.size)
    return {b.name: at for at, b in placed}, size


def _free_offset(taken: list[tuple[float, float]], *, tight: bool) -> int:
    """An offset in no open interval of `taken`, which is sorted."""
    best, best_gap, end = None, math.inf, 0
    for start, stop in [*taken, (math.inf, math.inf)]:
        if start >= end and start - end < best_gap:
            best, best_gap = end, start - end
            if not tight:
                break
        if math.isfinite(stop):
            end = max(end, _aligned(math.ceil(stop)))
    return end if best is None else best


def assign_offsets(required: Requirements) -> tuple[dict[str, int], int]:
    """Offsets and arena size; the best of several greedy orders, deterministic."""
    buffers = required.buffers
    steps = {b.first for b in buffers}
    load = {
        step: sum(b.size for b in buffers if b.first <= step <= b.last) for step in sorted(steps)
    }

    def breadth(b: Buffer) -> int:
        return max(load[s] for s in steps if b.first <= s <= b.last)

    keys: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
        lambda b: (-b.size,),
        lambda b: (-b.size * (b.last - b.first + 1),),
        lambda b: (-breadth(b), -b.size),
        lambda b: (b.first, -b.size),
        lambda b: (-b.last, -b.size),
        lambda b: (b.first - b.last, -b.size),
    )
    orders = [
        # Bound by position, as the loop variable would change under a closure.
        sorted(buffers, key=lambda b, key=key: (*key(b), b.first, b.name))  # type: ignore[misc]
        for key in keys
    ]
    found = [
        (_place(required, order, tight=tight), order, tight)
        for order in orders
        for tight in (True, False)
    ]
    placed, order, tight = min(found, key=lambda one: one[0][1])
    return _improve(required, placed, order, tight=tight)


def _improve(
    required: Requirements, placed: tuple[dict[str, int], int], order: list[Buffer], *, tight: bool
) -> tuple[dict[str, int], int]:
    """Exchange pairs in the order, at random but always the same, and keep what is no worse."""
    chance, bound = random.Random(0), lower_bound(required)
    for _ in range(_EXCHANGES):
        if placed[1] <= bound or len(order) < 2:
            break
        tried = list(order)
        i, j = chance.sample(range(len(order)), 2)
        tried[i], tried[j] = tried[j], tried[i]
        found = _place(required, tried, tight=tight)
        if found[1] <= placed[1]:
            placed, order = found, tried
    return placed


def _backward(required: Requirements, offsets: dict[str, int]) -> frozenset[int]:
    """Steps whose output lies over their input from above."""
    sizes = {b.name: b.size for b in required.buffers}
    found = set()
    for h in required.handovers:
        distance = offsets[h.target] - offsets[h.source]
        apart = distance <= -sizes[h.target] or distance >= sizes[h.source]
        fits = distance <= -h.overlap.forward or (h.overlap.same and distance == 0)
        if not apart and not fits:
            found.add(h.step)
    return frozenset(found)


def plan_layers(network: Network, layers: tuple[Layer, ...]) -> MemoryPlan:
    """The plan for layers that have been chosen already."""
    constants = _constants(network)
    buffers, owner = _buffers(network, layers, constants)
    handovers = _handovers(network, layers, buffers, owner)
    required = Requirements(tuple(buffers), tuple(handovers))
    offsets, size = assign_offsets(required)
    return MemoryPlan(
        buffers=required.buffers,
        offsets=offsets,
        size=size + max((layer.over_read for layer in layers), default=0),
        lower_bound=lower_bound(required),
        tensor_buffer=owner,
        layers=tuple(layer.op.name for layer in layers),
        backward=_backward(required, offsets),
        constants=constants,
    )


@dataclass(frozen=True)
class Layout:
    """The kernels of a Network and where their data lies.

    Attributes:
        layers: in the order in which they run.
        plan: the arena.
    """

    layers: tuple[Layer, ...]
    plan: MemoryPlan


def lay_out(network: Network, isa: Isa, choose: Choose = first_of) -> Layout:
    """Choose kernels and plan the arena; pools join the convolution before them where that saves.

    A pool that need not have joined runs alone, which is faster, unless that takes a kernel more.

    Args:
        network: a valid Network.
        isa: what the core can do.
        choose: picks where there are several kernels; see `tinykit.codegen.choice`.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    alone = _laid_out(network, isa, choose, frozenset())
    pooled = frozenset(pool.name for _, pool in poolable(network))
    best = _laid_out(network, isa, choose, pooled)
    if not pooled or best.plan.size >= alone.plan.size:
        return alone
    for name in sorted(pooled):
        without = _laid_out(network, isa, choose, pooled - {name})
        if without.plan.size <= best.plan.size and _kernels(without) <= _kernels(best):
            best, pooled = without, pooled - {name}
    return best


def _kernels(layout: Layout) -> set[str]:
    """The C functions that a firmware needs for its layers."""
    return {layer.function for layer in layout.layers}


def _laid_out(network: Network, isa: Isa, choose: Choose, pooled: frozenset[str]) -> Layout:
    layers = choose_kernels(network, isa, choose, pooled=pooled)
    return Layout(layers, plan_layers(network, layers))


def plan_memory(network: Network, isa: Isa = "riscv") -> MemoryPlan:
    """The arena of a Network for one kind of core.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    return lay_out(network, isa).plan


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _draw(plan: MemoryPlan, width: int) -> str:
    scale = max(plan.size, 1) / width
    letters = {b.name: _letter(i, b) for i, b in enumerate(plan.buffers)}
    names = [short_name(name, 20) for name in plan.layers]
    name_width = max((len(name) for name in names), default=0)
    lines = [f"arena {plan.size} bytes, lower bound {plan.lower_bound}; one column is {scale:.0f}"]
    for step, name in enumerate(names):
        row = ["."] * width
        live = [b for b in plan.buffers if b.first <= step <= b.last]
        for b in live:
            start = int(plan.offsets[b.name] / scale)
            stop = max(start + 1, int((plan.offsets[b.name] + b.size) / scale))
            row[start : min(stop, width)] = letters[b.name] * (min(stop, width) - start)
        lines.append(f"{name:<{name_width}} |{''.join(row)}| {plan.occupied(step)}")
    lines += [
        f"  {letters[b.name]} {short_name(b.name)}: {b.size} at {plan.offsets[b.name]}"
        for b in plan.buffers
    ]
    return "\n".join(lines)


def _letter(index: int, buffer: Buffer) -> str:
    return "s" if buffer.name.startswith("scratch:") else _LETTERS[index % len(_LETTERS)]
