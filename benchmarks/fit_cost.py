# SPDX-License-Identifier: Apache-2.0
"""Fit the model of cost: measure random layers under QEMU, and solve for instructions a turn.

    python benchmarks/fit_cost.py --core m4 --core rv32imc --firmwares 20

Each firmware is a network of many layers with random shapes, strides, paddings and widths, each run
by a kernel drawn from all that can run it. What was counted stays in the folder --samples, so that
a fit can be repeated after a change of the model; --fit-only does nothing else. --missing fits only
pieces that the core has no coefficients of, and measures only firmwares that have such a piece:
what to do when one is new; --refit PATTERN fits those of such names as well. Coefficients go to
tinykit/codegen/cost.json, and the error of the fit by piece to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy.optimize import nnls

from tinykit.bench.cores import CORES
from tinykit.bench.measure import one_vector
from tinykit.boards import Board, load_board
from tinykit.boards.platformio import build, environment
from tinykit.codegen import elementwise
from tinykit.codegen.binary import KNOWN_WORDS
from tinykit.codegen.cost import FORMAT, core_of
from tinykit.codegen.counts import Core, Counts, counts_of
from tinykit.codegen.exits import closed_counts, exits_at, open_counts
from tinykit.codegen.isa import isa_of
from tinykit.codegen.kernels import choose_kernels, poolable
from tinykit.codegen.layer import Layer
from tinykit.codegen.plan import Layout, plan_layers
from tinykit.codegen.project import generate
from tinykit.emulators import select
from tinykit.emulators.measure import measure as measurement
from tinykit.emulators.qemu import plugin
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network import NEVER, Mode, Network, exit_logits
from tinykit.network.exits import full_mode
from tinykit.network.ops import Add, AvgPool2D, MaxPool2D, Sub
from tinykit.network.sample import Builder
from tinykit.workflow import Firmware, run_firmware

COEFFICIENTS = Path(__file__).resolve().parents[1] / "tinykit" / "codegen" / "cost.json"
WIDTHS = (8, 4, 2)
# Bytes of a feature map, multiply-accumulates of a layer, and bytes of its weights.
LARGEST = {"map": 8_192, "macs": 250_000, "weights": 24_000}
SMALLEST_CORE = {"map": 1_536, "macs": 60_000, "weights": 3_000}
BRANCHES, DEPTH = 30, 3
# Seeds from here on make networks of narrow layers only, one for each few others: kernels that need
# narrow inputs, weights and outputs at once are rare elsewhere.
NARROW, NARROW_SHARE = 1000, 4
# Seeds from here on make networks of the operators that imported models bring, one for each few.
IMPORTED, IMPORTED_SHARE = 2000, 2
# Seeds from here on make networks with exits, as many as there are numbers of classes.
EXITS, CLASSES = 3000, (3, 6, 12, 24)
# Seeds from here on make networks of layers that go over time.
RECURRENT, RECURRENT_FIRMWARES = 4000, 2
# Seeds from here on make networks of layers of one bit, one for each few: of each row length that
# has a function of its own several, with other numbers of channels, to tell calls from rows.
BINARY, BINARY_SHARE = 5000, 2
TIMEOUT = 300.0
# Held while kernels are chosen.
_ALONE = threading.Lock()


@dataclass(frozen=True)
class Sample:
    """A layer's turns and its instructions."""

    counts: Counts
    instructions: int
    what: str


# --- Random networks ------------------------------------------------------------------------------


class Maker:
    """Draws networks: short branches from the input, whose ends are added up."""

    def __init__(self, seed: int, limits: dict[str, int]) -> None:
        self.rng, self.limits = np.random.default_rng(seed), limits
        # Of each combination enough, the widest and the narrowest included.
        self.widths = ((8, 4, 2), (8, 8, 4), (4, 2), (8, 4, 2), (2, 8))[seed % 5]
        self.branches = BRANCHES if limits is LARGEST else BRANCHES // 3

    def pick(self, *options: Any) -> Any:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def width(self) -> int:
        """Bits of weights or activations."""
        return int(self.pick(*self.widths))

    def size(self, most: int) -> int:
        """Evenly drawn in the logarithm, and often a multiple of four or a power of two."""
        drawn = int(np.exp(self.rng.uniform(0, np.log(most + 1))))
        way = self.rng.random()
        if way < 0.35:
            return min(most, max(4, -(-drawn // 4) * 4))
        return min(most, 1 << (drawn - 1).bit_length()) if way < 0.6 else max(drawn, 1)

    def network(self) -> Network:
        """One network."""
        while True:
            high, wide, deep = self.size(32), self.size(32), self.size(128)
            bits = self.width()
            if high * wide * deep * bits // 8 <= self.limits["map"]:
                break
        builder = Builder(self.rng, (high, wide, deep), bits=bits, name="samples")
        start, ends = builder.keep(), []
        for _ in range(self.branches):
            builder.back_to(start)
            if high * wide * deep <= 2048 and deep * bits % 8 == 0 and self.rng.random() < 0.15:
                for _ in range(DEPTH):
                    self.dense(builder, self.size(128), self.width())
            else:
                for _ in range(int(self.rng.integers(1, DEPTH + 1))):
                    self.layer(builder)
            self.close(builder)
            ends.append(builder.keep())
        builder.back_to(ends[0])
        for end in ends[1:]:
            builder.add(end, relu=bool(self.rng.random() < 0.5))
        return builder.build()

    def close(self, builder: Builder) -> None:
        """Ends a branch in a few values of 8 bits."""
        if len(builder.shape) > 1 and (np.prod(builder.shape) > 2048 or self.rng.random() < 0.5):
            builder.pool(self.pick(AvgPool2D, MaxPool2D), builder.shape[:2])
        if len(builder.shape) > 1 and builder.shape[-1] * builder.last.bits % 8:
            builder.conv(8, (1, 1), weight_bits=self.width())
        if self.rng.random() < 0.3:
            self.dense(builder, self.size(64), self.width())
        self.dense(builder, 6, 8)

    def dense(self, builder: Builder, units: int, bits: int) -> None:
        """A dense layer."""
        units = min(units, max(1, self.limits["weights"] // int(np.prod(builder.shape))))
        if bits == 8 and units < 6:
            units = 6
        relu, weights = bool(self.rng.random() < 0.4), self.width()
        builder.dense(units, weight_bits=weights, bits=bits, relu=relu)

    def window(self, builder: Builder) -> tuple[tuple[int, int], dict[str, Any]]:
        """A kernel that fits, and its stride, padding and dilation."""
        high, wide, _ = builder.shape
        kernel = self.pick((1, 1), (1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (3, 1), (7, 1), (2, 4))
        kernel = (min(kernel[0], high), min(kernel[1], wide))
        rest: dict[str, Any] = {"padding": self.pick("same", "same", "valid"), "stride": (1, 1)}
        if self.rng.random() < 0.25:
            rest["stride"] = self.pick((2, 2), (2, 1), (1, 2))
        elif self.rng.random() < 0.08:
            rest |= {"dilation": self.pick((2, 2), (1, 2)), "padding": "same"}
        return kernel, rest

    def layer(self, builder: Builder) -> None:
        """One layer of any kind."""
        high, wide, deep = builder.shape
        kind = self.rng.random()
        kernel, rest = self.window(builder)
        relu = bool(self.rng.random() < 0.7)
        common = {"bits": self.width(), "relu": relu, "weight_bits": self.width()}
        if kind > 0.9:
            self.block(builder)
        elif kind < 0.1:
            rest.pop("dilation", None)
            builder.pool(self.pick(AvgPool2D, MaxPool2D), kernel, **rest)
        elif kind < 0.18:
            self.residual(builder, common)
        elif kind < 0.45:
            if self.rng.random() < 0.6 and min(high, wide) >= 3:
                kernel = (3, 3)
            several = self.pick(1, 1, 1, 1, 2) if deep < 64 else 1
            if high * wide * deep * several * kernel[0] * kernel[1] <= self.limits["macs"]:
                builder.depthwise(kernel, multiplier=several, **rest, **common)
        else:
            self.convolution(builder, kernel, rest, common)

    def convolution(
        self,
        builder: Builder,
        kernel: tuple[int, int],
        rest: dict[str, Any],
        common: dict[str, Any],
    ) -> None:
        """A convolution of as many filters as the limits allow, and now and then a pool."""
        high, wide, deep = builder.shape
        row = kernel[0] * kernel[1] * deep
        most = min(
            256,
            self.limits["macs"] // (row * high * wide),
            self.limits["weights"] // row,
            self.limits["map"] // (high * wide),
        )
        if most < 1:
            return
        builder.conv(self.size(most), kernel, **rest, **common)
        high, wide, _ = builder.shape
        if self.rng.random() < 0.1 and high % 2 == 0 and (wide % 2 == 0 or wide == 1):
            builder.pool(self.pick(AvgPool2D, MaxPool2D), (2, 2 if wide > 1 else 1))

    def block(self, builder: Builder) -> None:
        """A pointwise and a depthwise convolution as networks have most, for the fastest paths."""
        high, wide, deep = builder.shape
        area = high * wide
        most = min(
            128,
            self.limits["macs"] // (deep * area),
            self.limits["weights"] // deep,
            self.limits["map"] // area,
        )
        if most < 2 or min(high, wide) < 3:
            return
        bits = int(self.pick(8, 8, 8, self.width()))
        layer = {"weight_bits": self.width(), "bits": bits}
        builder.conv(self.size(most // 2) * 2, (1, 1), **layer)
        if area * builder.shape[-1] * 9 <= self.limits["macs"]:
            builder.depthwise((3, 3), stride=self.pick((1, 1), (1, 1), (2, 2)), **layer)

    def residual(self, builder: Builder, common: dict[str, Any]) -> None:
        """A pointwise convolution whose input is added to its output."""
        high, wide, deep = builder.shape
        if high * wide * deep * deep > self.limits["macs"] or deep * deep > self.limits["weights"]:
            return
        start = builder.keep()
        same = {**common, "bits": start.tensor.bits}
        builder.conv(deep, (1, 1), **same).add(start, relu=bool(self.rng.random() < 0.5))


def binary_network(seed: int) -> Network:
    """Layers of one bit; of the row lengths that have a function of their own every other one."""
    rng = np.random.default_rng(seed)
    words = [*KNOWN_WORDS, 11, 22, 40][seed % 2 :: 2]
    rng.shuffle(words)
    # Wide layers between narrow ones keep the weights few.
    narrow = rng.integers(1, 4, len(words))
    order = [int(one) for pair in zip(words, narrow, strict=True) for one in pair]
    builder = Builder(rng, (int(rng.integers(1, 4)), 2, 32 * order[0]), bits=1, name="binary")
    ends = []
    for following in [*order[1:], 3]:
        start = builder.keep()
        for bits in (int(rng.choice(WIDTHS)), 1):
            if bits == 1:
                builder.conv(int(rng.integers(3, 25)), (1, 1), weight_bits=1, bits=1)
            filled = int(rng.integers(1, 4)) * 8 // (1 if bits == 1 else bits)
            builder.conv(filled, (1, 1), weight_bits=1, bits=8 if bits == 1 else bits)
            builder.mean().dense(6, weight_bits=int(rng.choice(WIDTHS)), relu=False)
            ends.append(builder.keep())
            builder.back_to(start)
        fewer = int(rng.integers(1, 24)) if rng.random() < 0.3 else 0
        builder.conv(32 * following - fewer, (1, 1), weight_bits=1, bits=1)
        if rng.random() < 0.2:
            builder.pool(MaxPool2D, (2, 2), stride=(1, 1), padding="same")
    for _ in range(3):
        kernel = ((2, 2), (2, 1), (1, 2))[int(rng.integers(3))]
        builder.conv(int(rng.integers(3, 100)), kernel, weight_bits=1, bits=8)
        builder.depthwise((1, 1), bits=1)
    builder.conv(32, (1, 1), weight_bits=1, bits=1).dense(6, weight_bits=1, relu=False)
    for end in ends:
        builder.add(end)
    return builder.build()


def exit_network(seed: int) -> Network:
    """Small layers with exits, at which the measured input does not leave in the second mode."""
    classes = CLASSES[seed - EXITS]
    builder = Builder(np.random.default_rng(seed), (8, 1, 4), name="exits")
    for _ in range(5):
        builder.conv(4, (1, 1)).exit(classes)
    network = builder.mean().dense(classes, relu=False).build()
    logits = exit_logits(network, one_vector(network).features)[:-1, 0]
    rows = np.full(logits.shape, NEVER - 1)
    np.put_along_axis(rows, logits.argmax(axis=1)[:, None], NEVER, axis=1)
    searched = Mode("searched", tuple(tuple(map(int, row)) for row in rows))
    return replace(network, modes=(full_mode(len(logits)), searched))


# --- Measuring ------------------------------------------------------------------------------------


class NarrowMaker(Maker):
    """Convolutions and depthwise layers of 4 and 2 bits as trained networks have them."""

    def __init__(self, seed: int, limits: dict[str, int]) -> None:
        super().__init__(seed, limits)
        self.widths = (4, 2)

    def layer(self, builder: Builder) -> None:
        """One layer, with a ReLU and channels in eights."""
        high, wide, deep = builder.shape
        common = {"bits": self.width(), "relu": True, "weight_bits": self.width()}
        if deep % 8 == 0 and min(high, wide) >= 3 and self.rng.random() < 0.25:
            builder.depthwise((3, 3), **common)
            return
        kernel = self.pick((1, 1), (min(3, high), min(3, wide)))
        row = kernel[0] * kernel[1] * deep
        most = min(self.limits["macs"] // (row * high * wide), self.limits["weights"] // row)
        filters = 8 * int(self.rng.integers(1, 9))
        if filters <= most and filters * high * wide <= self.limits["map"]:
            builder.conv(filters, kernel, **common)


class ImportedMaker(Maker):
    """Branches of operators that work on values of 8 bits and have no weights."""

    def __init__(self, seed: int, limits: dict[str, int]) -> None:
        super().__init__(seed, limits)
        self.widths = (8,)

    def layer(self, builder: Builder) -> None:
        """One operator, and the constant that it reads."""
        # What reads two tensors has most ways.
        self.pick(
            *[self.pair] * 4,
            self.look_up,
            self.reduce,
            self.softmax,
            self.pad,
            self.part,
            self.part,
            self.join,
            self.turn,
            self.resize,
        )(builder)

    def pair(self, builder: Builder) -> None:
        """An operator on two tensors, of which the second may be broadcast."""
        shape = builder.shape
        sides = tuple(side if self.rng.random() < 0.6 else 1 for side in shape)
        sides = self.pick(sides, shape, (1,))
        kind = int(self.rng.integers(6))
        if kind < 2:
            builder.add(builder.constant(sides), relu=kind == 0, kind=self.pick(Add, Sub))
        elif kind < 4:
            # Products of few steps have steep factors.
            builder.multiply(builder.constant(sides, reach=self.pick(255, 255, 1)))
        else:
            builder.prelu(builder.constant(sides))

    def look_up(self, builder: Builder) -> None:
        """A function of one value."""
        builder.lookup()

    def reduce(self, builder: Builder) -> None:
        """A mean over some axes."""
        axes = [axis for axis in range(3) if self.rng.random() < 0.5]
        builder.reduce(axes or [0, 1], jumps=bool(self.rng.random() < 0.3))

    def softmax(self, builder: Builder) -> None:
        """A softmax over the channels."""
        builder.softmax()

    def room(self, builder: Builder, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of `shape` may follow."""
        return int(np.prod(shape)) <= self.limits["map"]

    def pad(self, builder: Builder) -> None:
        """A border, of channels too now and then."""
        padding = [int(one) for one in self.rng.integers(0, 4, 6)]
        if self.rng.random() < 0.7:
            padding[4:] = [0, 0]
        sides = [side + sum(padding[2 * i : 2 * i + 2]) for i, side in enumerate(builder.shape)]
        if self.room(builder, tuple(sides)):
            builder.pad(tuple(padding))

    def part(self, builder: Builder) -> None:
        """A slice."""
        begin, steps, size = [], [], []
        for axis, side in enumerate(builder.shape):
            step = self.pick(1, 1, 1, 2, -1) if axis < 2 else self.pick(1, 1, 1, 1, 2)
            first = int(self.rng.integers(0, side)) if self.rng.random() < 0.5 else 0
            room = (first if step < 0 else side - 1 - first) // abs(step) + 1
            begin.append(first)
            steps.append(step)
            size.append(room if self.rng.random() < 0.6 else int(self.rng.integers(1, room + 1)))
        builder.slice(tuple(begin), tuple(steps), tuple(size))

    def join(self, builder: Builder) -> None:
        """A concatenation with a function of itself."""
        axis = int(self.rng.integers(3))
        sides = [side * (2 if i == axis else 1) for i, side in enumerate(builder.shape)]
        if self.room(builder, tuple(sides)):
            builder.concat(builder.keep(), axis)

    def turn(self, builder: Builder) -> None:
        """A transposition."""
        builder.transpose(tuple(int(one) for one in self.rng.permutation(3)))

    def resize(self, builder: Builder) -> None:
        """More or fewer pixels."""
        high, wide, deep = builder.shape
        sides = (self.pick(high, 2 * high, high + 1), self.pick(2 * wide, wide + 2, 1))
        if self.room(builder, (*sides, deep)):
            builder.resize(*sides)

    def close(self, builder: Builder) -> None:
        """Ends a branch in six values of 8 bits."""
        if len(builder.shape) > 1 and np.prod(builder.shape) > 512:
            builder.reduce([0, 1])
        if np.prod(builder.shape) > 512:
            builder.slice((0, 0, 0), (1, 1, 1), (1, 1, 512))
        self.dense(builder, 6, 8)


class RecurrentMaker(ImportedMaker):
    """Branches of LSTMs."""

    def layer(self, builder: Builder) -> None:
        """An LSTM, or a part of the steps and features for the next."""
        if self.rng.random() < 0.3:
            self.part(builder)
        high, wide, deep = builder.shape
        cells = self.size(48)
        weights = 4 * cells * (deep + cells)
        if weights > self.limits["weights"] or high * wide * weights > self.limits["macs"]:
            cells, weights = 1, 4 * (deep + 1)
        if high * wide * weights <= self.limits["macs"]:
            builder.lstm(cells)


def seeds_of(firmwares: int) -> list[int]:
    """Those of so many firmwares, and besides of narrow and of imported ones."""
    return [
        *range(firmwares),
        *range(NARROW, NARROW + firmwares // NARROW_SHARE),
        *range(IMPORTED, IMPORTED + firmwares // IMPORTED_SHARE),
        *range(EXITS, EXITS + len(CLASSES)),
        *range(RECURRENT, RECURRENT + RECURRENT_FIRMWARES),
        *range(BINARY, BINARY + firmwares // BINARY_SHARE),
    ]


def layers_of(network: Network, board: Board, seed: int) -> tuple[Layer, ...]:
    """Kernels drawn from all that can run each layer; some pools join the convolution before."""
    rng = np.random.default_rng(seed)

    def choose(layers: Sequence[Layer]) -> Layer:
        if NARROW <= seed < IMPORTED and rng.random() < 0.7:
            return layers[0]
        return layers[int(rng.integers(len(layers)))]

    pooled = frozenset(pool.name for _, pool in poolable(network) if rng.random() < 0.3)
    if seed < IMPORTED or seed >= EXITS or seed % 4:
        with _ALONE:
            return choose_kernels(network, isa_of(board), choose, pooled=pooled)
    # Hardly any sum needs the reference form, so some are made to take it.
    with _ALONE, mock.patch.object(elementwise, "linear_sum", return_value=None):
        return choose_kernels(network, isa_of(board), choose, pooled=pooled)


def network_of(seed: int, board: Board) -> Network:
    """The network of a firmware."""
    limits = LARGEST if board.ram_bytes > 64 * 1024 else SMALLEST_CORE
    if seed >= BINARY:
        return binary_network(seed)
    if seed >= RECURRENT:
        return RecurrentMaker(seed, limits).network()
    if seed >= EXITS:
        return exit_network(seed)
    if seed >= IMPORTED:
        return ImportedMaker(seed, limits).network()
    if seed >= NARROW:
        return NarrowMaker(seed, limits).network()
    return Maker(seed, limits).network()


def measure(seed: int, board: Board) -> list[tuple[str, int]]:
    """Build and run a firmware; of each layer what it is, and its exact instructions."""
    network = network_of(seed, board)
    with tempfile.TemporaryDirectory(prefix="tinykit-cost-") as aside:
        folder = Path(aside) / "project"
        layers = layers_of(network, board, seed)
        layout = Layout(layers, plan_layers(network, layers))
        project = generate(network, board, folder, vectors=one_vector(network), layout=layout)
        if any(layer.scaling is not None and layer.scaling.wide for layer in project.layers):
            # These are compiled otherwise.
            return []
        built = build(folder, board, jobs=1)
        if EXITS <= seed < RECURRENT:
            return measure_exits(network, board, project.layers, built.elf)
        firmware = Firmware(folder, board, project.metadata, None)
        ran = run_firmware(firmware, built, emulator="qemu", timeout=TIMEOUT)
    if ran.differences:
        raise SystemExit(f"seed {seed} on {board.id} is not exact: {ran.differences[0]}")
    return [
        (describe(network, layer), round(count.mean))
        for layer, count in zip(project.layers, ran.measurement.layers, strict=True)
    ]


def measure_exits(
    network: Network, board: Board, layers: Sequence[Layer], elf: Path
) -> list[tuple[str, int]]:
    """Layers of an inference with all exits closed, then of one that is checked at all."""
    found = []
    with select("qemu", board).start(elf, board, timeout=TIMEOUT) as session:
        session.self_test()
        for mode in range(2):
            session.set_mode(mode)
            session.send_features(one_vector(network).features[0])
        session.quit()
        marks = session.marks()
    begins = [i for i, mark in enumerate(marks) if mark.kind == "begin"]
    for part in (marks[begins[-2] : begins[-1]], marks[begins[-1] :]):
        counts = measurement(part).layers
        pairs = zip(layers, counts, strict=True)
        found += [(describe(network, layer), round(count.mean)) for layer, count in pairs]
    return found


def counts_with_exits(network: Network, layers: Sequence[Layer], core: Core) -> list[Counts]:
    """Turns of what `measure_exits` measures."""
    closed = [counts_of(layer, core) for layer in layers]
    checked = list(closed)
    classes = len(network.labels)
    for one in exits_at(network, layers):
        checked[one.last] = checked[one.last] | open_counts(classes)
        for index in range(one.head, one.last + 1):
            closed[index] = closed_counts(first=index == one.head)
    return [*closed, *checked]


def has_other_pieces(seed: int, board: Board, known: Collection[str]) -> bool:
    """Whether the model counts a piece in this firmware that is not `known`."""
    network = network_of(seed, board)
    layers, core = layers_of(network, board, seed), core_of(board)
    counts = [counts_of(layer, core) for layer in layers]
    if network.exits:
        counts = counts_with_exits(network, layers, core)
    return any(piece not in known for one in counts for piece in one)


def describe(network: Network, layer: Layer) -> str:
    """A layer for people."""
    x, y = network.tensor(layer.inputs[0]), network.tensor(layer.op.output)
    matmul = layer.parts[0].matmul if layer.parts else layer.matmul
    way = "" if matmul is None else f" {matmul.variant.multiply}"
    return f"{layer.function}{way} {x.shape}a{x.bits} -> {y.shape}a{y.bits} w{layer.weight_bits}"


def collect(core: str, seeds: Sequence[int], path: Path) -> None:
    """Add to `path` what is missing of the firmwares of `seeds`."""
    board = load_board(CORES[core])
    known = json.loads(path.read_text()) if path.exists() else {}
    wanted = [seed for seed in seeds if str(seed) not in known]

    def one(seed: int) -> tuple[int, list[tuple[str, int]]]:
        try:
            return seed, measure(seed, board)
        except TinykitError as error:
            print(f"{core} {seed}: {error}", file=sys.stderr)
            return seed, []

    with ThreadPoolExecutor(2) as pool:
        for seed, layers in pool.map(one, wanted):
            known[str(seed)] = layers
            write_atomic(path, json.dumps(known))
            print(f"{core} {seed}: {len(layers)} layers", file=sys.stderr)


def read(core: str, path: Path) -> list[Sample]:
    """What was measured, with the turns of each layer as the model now counts them.

    Raises:
        SystemExit: the layers have other kernels than when they were measured.
    """
    board, samples = load_board(CORES[core]), []
    for name, measured in json.loads(path.read_text()).items():
        if not measured:
            continue
        network = network_of(int(name), board)
        layers = layers_of(network, board, int(name))
        said = [describe(network, layer) for layer in layers] * (1 + bool(network.exits))
        if said != [what for what, _ in measured]:
            raise SystemExit(f"{path}, firmware {name}: kernels have changed; measure again")
        core = core_of(board)
        counts = [counts_of(layer, core) for layer in layers]
        if network.exits:
            counts = counts_with_exits(network, layers, core)
        samples += [Sample(c, n, w) for c, (w, n) in zip(counts, measured, strict=True)]
    return samples


# --- Fitting --------------------------------------------------------------------------------------


def fit(
    samples: Sequence[Sample], fixed: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Coefficients by piece and loop: least squares of the relative error, none negative.

    Those of `fixed` are known beforehand, and not in the result.
    """
    columns = sorted(
        {(p, loop) for s in samples for p in s.counts.keys() - fixed.keys() for loop in s.counts[p]}
    )
    place = {column: i for i, column in enumerate(columns)}
    matrix, share = np.zeros((len(samples), len(columns))), np.ones(len(samples))
    for row, sample in enumerate(samples):
        known = {p: loops for p, loops in sample.counts.items() if p in fixed}
        share[row] -= predicted(fixed, known) / sample.instructions
        for piece in sample.counts.keys() - fixed.keys():
            for loop, turns in sample.counts[piece].items():
                matrix[row, place[piece, loop]] = turns / sample.instructions
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12)
    solution, _ = nnls(matrix / scale, share, maxiter=50 * len(columns))
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (piece, loop), value in zip(columns, solution / scale, strict=True):
        found[piece]  # known, even if it costs nothing
        if value > 0:
            found[piece][loop] = float(f"{value:.4g}")
    return dict(found)


def predicted(coefficients: dict[str, dict[str, float]], counts: Counts) -> float:
    """Instructions of one layer."""
    return sum(
        turns * coefficients[piece].get(loop, 0.0)
        for piece, loops in counts.items()
        for loop, turns in loops.items()
    )


def report(core: str, samples: Sequence[Sample], found: dict[str, dict[str, float]]) -> None:
    """Error by piece, and the worst layers."""
    errors: dict[str, list[float]] = defaultdict(list)
    worst = []
    for sample in samples:
        error = predicted(found, sample.counts) / sample.instructions - 1.0
        worst.append((abs(error), error, sample))
        for piece in sample.counts:
            errors[piece].append(abs(error))
    print(f"\n{core}: {len(samples)} layers, {len(found)} pieces")
    for piece, some in sorted(errors.items()):
        middle, most = 100 * float(np.median(some)), 100 * max(some)
        print(f"  {piece:<32} {len(some):>4} layers  median {middle:5.1f} %  worst {most:5.1f} %")
    for _, error, sample in sorted(worst, key=lambda one: -one[0])[:8]:
        print(f"  {100 * error:+6.1f} % of {sample.instructions:>8}  {sample.what}")


def known_pieces(core: str) -> dict[str, dict[str, float]]:
    """The coefficients that the file has."""
    cores = json.loads(COEFFICIENTS.read_text())["cores"]
    pieces: dict[str, dict[str, float]] = cores[load_board(CORES[core]).core]["pieces"]
    return pieces


def save(core: str, found: dict[str, dict[str, float]]) -> None:
    """Put the coefficients of a core into the file; those of others stay."""
    document = {"format": FORMAT, "cores": {}}
    if COEFFICIENTS.exists():
        document = json.loads(COEFFICIENTS.read_text())
    board = load_board(CORES[core])
    paths = core_of(board)
    document["cores"][board.core] = {
        "isa": paths.isa,
        "thumb1": paths.thumb1,
        "features": sorted(board.features),
        "pieces": found,
    }
    lines = [f'{{"format": {FORMAT}, "cores": {{']
    for i, (name, one) in enumerate(sorted(document["cores"].items())):
        pieces = one.pop("pieces")
        lines.append(f'{"," if i else ""}"{name}": {{{json.dumps(one)[1:-1]}, "pieces": {{')
        rows = [f"{json.dumps(p)}: {json.dumps(pieces[p], sort_keys=True)}" for p in sorted(pieces)]
        lines.append(",\n".join(rows) + "}}")
    write_atomic(COEFFICIENTS, "\n".join(lines) + "\n}}\n")


def main() -> int:
    """Measure and fit each core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", action="append", choices=list(CORES), help="several: repeat")
    parser.add_argument("--firmwares", type=int, default=14)
    parser.add_argument("--samples", type=Path, default=Path("samples"), help="folder")
    parser.add_argument("--fit-only", action="store_true")
    parser.add_argument("--missing", action="store_true", help="leave known coefficients alone")
    parser.add_argument("--refit", action="append", default=[], help="with --missing: pieces")
    options = parser.parse_args()
    options.samples.mkdir(parents=True, exist_ok=True)
    environment()
    plugin()
    for core in options.core or CORES:
        path = options.samples / f"{core}.json"
        fixed = known_pieces(core) if options.missing else {}
        fixed = {
            piece: one
            for piece, one in fixed.items()
            if not any(fnmatchcase(piece, pattern) for pattern in options.refit)
        }
        if not options.fit_only:
            seeds, board = seeds_of(options.firmwares), load_board(CORES[core])
            if options.missing:
                seeds = [seed for seed in seeds if has_other_pieces(seed, board, fixed)]
            collect(core, seeds, path)
        rows = read(core, path)
        found = {**fixed, **fit(rows, fixed)}
        save(core, found)
        report(core, rows, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
