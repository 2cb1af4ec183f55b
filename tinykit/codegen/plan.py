# SPDX-License-Identifier: Apache-2.0
"""The static memory plan: every tensor and scratch buffer gets an offset in one arena.

Two buffers may overlap only if no layer needs both; an addition is written over an input that
nothing reads any more. Offsets are found by best fit over several orders (by size as in Pisarchyk
and Lee, arXiv:2001.03288, and by size x life, by start, by the load of the fullest step), and the
smallest arena wins. No plan can be smaller than the step with the most live bytes; that bound is
part of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tinykit.codegen.kernels import Layer, choose_kernels, is_alias, tensor_bytes
from tinykit.codegen.names import short_name
from tinykit.network import Network
from tinykit.network.ops import Add, Op

ALIGNMENT = 4


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
class MemoryPlan:
    """Where everything lies.

    Attributes:
        buffers: in the order of `first`.
        offsets: byte offset by buffer name.
        size: bytes of the arena.
        lower_bound: the most bytes any step needs at once.
        tensor_buffer: which buffer each tensor lives in; reshapes share their input's, and so do
            additions where they may overwrite it.
        layers: names of the layers, for the picture.
    """

    buffers: tuple[Buffer, ...]
    offsets: dict[str, int]
    size: int
    lower_bound: int
    tensor_buffer: dict[str, str]
    layers: tuple[str, ...]

    def offset(self, tensor: str) -> int:
        """Byte offset of a tensor in the arena."""
        return self.offsets[self.tensor_buffer[tensor]]

    def scratch(self, layer: str) -> int | None:
        """Byte offset of a layer's scratch, or None if it has none."""
        return self.offsets.get(f"scratch:{layer}")

    def picture(self, width: int = 64) -> str:
        """The arena as text: one line a layer, offset 0 at the left; a letter a buffer.

        Args:
            width: characters for the whole arena.
        """
        return _draw(self, width)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _last_reads(network: Network) -> dict[str, int]:
    """Position of the last op that reads each tensor, reshaped or not; the output's is the end."""
    origin = {network.input: network.input}
    last: dict[str, int] = {}
    for at, op in enumerate(network.ops):
        last |= {origin[name]: at for name in op.inputs}
        alias = is_alias(op, network.tensor(op.inputs[0]), network.tensor(op.output))
        origin[op.output] = origin[op.inputs[0]] if alias else op.output
    last[origin[network.output]] = len(network.ops)
    return {name: last[first] for name, first in origin.items()}


def _overwritten(op: Op, at: int, last_read: dict[str, int]) -> str | None:
    """The input that the op at position `at` may write its output over."""
    free = (name for name in op.inputs if isinstance(op, Add) and last_read[name] == at)
    return next(free, None)


def _buffers(network: Network, layers: tuple[Layer, ...]) -> tuple[list[Buffer], dict[str, str]]:
    """Life spans, with aliases resolved."""
    step = {layer.op.name: layer.index for layer in layers}
    last_read = _last_reads(network)
    owner = {network.input: network.input}
    first = {network.input: -1}
    last = {network.input: -1}
    for position, op in enumerate(network.ops):
        for name in op.inputs:
            at = step.get(op.name)
            if at is not None:
                last[owner[name]] = max(last[owner[name]], at)
        over = _overwritten(op, position, last_read)
        if is_alias(op, network.tensor(op.inputs[0]), network.tensor(op.output)):
            owner[op.output] = owner[op.inputs[0]]
        elif over is not None:
            owner[op.output] = owner[over]
        else:
            owner[op.output] = op.output
            first[op.output] = last[op.output] = step[op.name]
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


def lower_bound(buffers: Iterable[Buffer]) -> int:
    """The most bytes that any step needs at once."""
    buffers = list(buffers)
    steps = {b.first for b in buffers}
    return max(
        (sum(b.size for b in buffers if b.first <= step <= b.last) for step in steps), default=0
    )


def _place(order: list[Buffer]) -> tuple[dict[str, int], int]:
    """Each buffer in turn into the tightest gap that is free for its whole life."""
    placed: list[tuple[int, Buffer]] = []
    size = 0
    for buffer in order:
        taken = sorted((at, at + b.size) for at, b in placed if b.meets(buffer))
        best, best_gap, end = None, None, 0
        for start, stop in taken:
            gap = start - end
            if gap >= buffer.size and (best_gap is None or gap < best_gap):
                best, best_gap = end, gap
            end = max(end, stop)
        at = end if best is None else best
        placed.append((at, buffer))
        size = max(size, at + buffer.size)
    return {b.name: at for at, b in placed}, size


def assign_offsets(buffers: Iterable[Buffer]) -> tuple[dict[str, int], int]:
    """Offsets and arena size; the best of several greedy orders, deterministic."""
    buffers = list(buffers)
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
    best: tuple[dict[str, int], int] | None = None
    for key in keys:
        # Bound by position, as the loop variable would change under a closure.
        order = sorted(buffers, key=lambda b, key=key: (*key(b), b.first, b.name))  # type: ignore[misc]
        found = _place(order)
        if best is None or found[1] < best[1]:
            best = found
    return best if best is not None else ({}, 0)


def plan_layers(network: Network, layers: tuple[Layer, ...]) -> MemoryPlan:
    """The plan for layers that have been chosen already."""
    buffers, owner = _buffers(network, layers)
    offsets, size = assign_offsets(buffers)
    return MemoryPlan(
        buffers=tuple(buffers),
        offsets=offsets,
        size=size,
        lower_bound=lower_bound(buffers),
        tensor_buffer=owner,
        layers=tuple(layer.op.name for layer in layers),
    )


def plan_memory(network: Network) -> MemoryPlan:
    """The arena of a Network; the same on every board.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    return plan_layers(network, choose_kernels(network, planes=False))


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
        lines.append(f"{name:<{name_width}} |{''.join(row)}| {sum(b.size for b in live)}")
    lines += [
        f"  {letters[b.name]} {short_name(b.name)}: {b.size} at {plan.offsets[b.name]}"
        for b in plan.buffers
    ]
    return "\n".join(lines)


def _letter(index: int, buffer: Buffer) -> str:
    return "s" if buffer.name.startswith("scratch:") else _LETTERS[index % len(_LETTERS)]
