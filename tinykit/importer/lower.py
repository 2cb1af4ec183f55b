# SPDX-License-Identifier: Apache-2.0
"""From a quantized Graph to a Network that gives the integers of TFLite's reference kernels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinykit.errors import TinykitError
from tinykit.importer import lower_layers, lower_moves, lower_recurrent, lower_values
from tinykit.importer.fixed_point import EVERY
from tinykit.importer.frame import Frame, beyond_float_is_infinite, refuse
from tinykit.importer.graph import Graph, Node
from tinykit.network import Network
from tinykit.network.ops import Lookup, Weighted
from tinykit.network.prune import prune
from tinykit.network.shapes import same_padding
from tinykit.network.validate import MAX_SIDE

SUPPORTED: Mapping[str, Callable[[Frame], None]] = {
    "CONV_2D": lower_layers.conv_2d,
    "DEPTHWISE_CONV_2D": lower_layers.depthwise_conv_2d,
    "FULLY_CONNECTED": lower_layers.fully_connected,
    "AVERAGE_POOL_2D": lower_layers.pool,
    "MAX_POOL_2D": lower_layers.pool,
    "MEAN": lower_layers.mean,
    "ADD": lower_values.elementwise,
    "SUB": lower_values.elementwise,
    "MUL": lower_values.elementwise,
    "PRELU": lower_values.elementwise,
    "RELU": lower_values.activation,
    "RELU6": lower_values.activation,
    "RELU_N1_TO_1": lower_values.activation,
    "LEAKY_RELU": lower_values.activation,
    "LOGISTIC": lower_values.activation,
    "TANH": lower_values.activation,
    "HARD_SWISH": lower_values.activation,
    "QUANTIZE": lower_values.activation,
    "SOFTMAX": lower_values.softmax,
    "RESHAPE": lower_moves.reshape,
    "SQUEEZE": lower_moves.reshape,
    "EXPAND_DIMS": lower_moves.reshape,
    "PAD": lower_moves.pad,
    "PADV2": lower_moves.pad,
    "SLICE": lower_moves.slices,
    "STRIDED_SLICE": lower_moves.slices,
    "CONCATENATION": lower_moves.concatenation,
    "TRANSPOSE": lower_moves.transpose,
    "RESIZE_NEAREST_NEIGHBOR": lower_moves.resize_nearest,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lower_recurrent.lstm,
}
"""What each kind of node becomes; DEQUANTIZE besides, at the end."""

_INPUTS: Mapping[str, int] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), 2),
    **dict.fromkeys(("ADD", "SUB", "MUL", "PRELU", "MEAN", "PAD", "TRANSPOSE"), 2),
    **dict.fromkeys(("PADV2", "SLICE"), 3),
    "STRIDED_SLICE": 4,
}
"""Inputs that a node must have at least, where that is not one."""

_STATEFUL = {"SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN", "LSTM"}


@dataclass(frozen=True)
class Imported:
    """What became of a foreign model.

    Attributes:
        network: the Network.
        became: for each node of the graph, in order, its name and the operators that it gave;
            none where it vanished into another or was a mere shape.
        removed: how many output channels that say nothing were taken out, by operator of the
            Network; see `tinykit.network.prune`.
        quantization: what quantizing it here did and cost, for JSON; None where it came quantized
            and nothing was asked.
    """

    network: Network
    became: tuple[tuple[str, tuple[str, ...]], ...]
    removed: Mapping[str, int]
    quantization: Mapping[str, Any] | None = None


@beyond_float_is_infinite()
def lower(
    graph: Graph, *, labels: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
) -> Imported:
    """The Network of a quantized graph.

    Args:
        graph: of int8 activations and weights; its input and output may be float or uint8 with a
            QUANTIZE or DEQUANTIZE next to them.
        labels: one for each output; class0, class1, … by default.
        metadata: kept in the Network, with the types and scales of both ends.

    Raises:
        TinykitError: a layer is not supported; all such layers are named. Or the graph has
            several inputs or outputs, or a layer's numbers leave what a Network can express.
    """
    graph = pruned(graph)
    _check_kinds(graph)
    try:
        return _lowered(graph, labels, dict(metadata or {}))
    except TinykitError as error:
        where = f"{graph.source}: {error.where}" if error.where != graph.source else error.where
        raise TinykitError(error.what, where=where, remedy=error.remedy) from error


def with_weight_bits(imported: Imported, bits: Mapping[str, int]) -> Imported:
    """The same integers, with the weights of some nodes' layers packed at fewer bits.

    Args:
        imported: what was lowered.
        bits: by node; all weights of the node fit.
    """
    widths = {op: bits[node] for node, ops in imported.became for op in ops if node in bits}
    ops = tuple(
        replace(op, weight_bits=widths[op.name])
        if isinstance(op, Weighted) and op.name in widths
        else op
        for op in imported.network.ops
    )
    return replace(imported, network=replace(imported.network, ops=ops))


def _lowered(graph: Graph, labels: Sequence[str], metadata: dict[str, Any]) -> Imported:
    frame = Frame(graph)
    frame.folded, skipped = _folded_pads(graph)
    entry = _enter(frame)
    result = _leave(graph)
    for node in graph.nodes:
        frame.begin(node)
        if node.name in skipped:
            frame.at[node.outputs[0]] = frame.source(node.inputs[0])
        elif node.outputs[0] in frame.at or node.kind == "DEQUANTIZE":
            continue
        else:
            SUPPORTED[node.kind](frame)
    slim = prune(_network(frame, entry, result, labels, metadata))
    became = tuple((name, tuple(ops)) for name, ops in frame.became.items())
    return Imported(slim.network, became, slim.removed)


def pruned(graph: Graph) -> Graph:
    """Without nodes whose outputs nothing needs.

    Raises:
        TinykitError: there are several inputs or outputs, or one does not depend on the other.
    """
    for end, names in (("input", graph.inputs), ("output", graph.outputs)):
        if len(names) != 1 or not names[0]:
            raise TinykitError(
                f"has {len(names)} {end}s: {', '.join(name[:40] for name in names)}.",
                where=graph.source,
                remedy=f"Convert a model with one {end}, for instance a part of it.",
            )
    needed, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if needed & set(node.outputs):
            kept.append(node)
            needed |= set(node.inputs)
    if not kept or graph.inputs[0] not in {name for node in kept for name in node.inputs}:
        raise TinykitError(
            "has an output that does not depend on its input.",
            where=graph.source,
            remedy="Name another model.",
        )
    return replace(graph, nodes=tuple(reversed(kept)))


def _check_kinds(graph: Graph) -> None:
    """Name every layer that cannot be lowered, not only the first."""
    bad = []
    for node in graph.nodes:
        why = _unsupported(graph, node)
        if why:
            bad.append(f"layer {node.name} ({node.outputs[0][:80]}) {why}")
    if bad:
        listed = "; ".join(bad[:12]) + (f"; and {len(bad) - 12} more" if len(bad) > 12 else "")
        raise TinykitError(
            f"{len(bad)} layers are not supported: {listed}.",
            where=graph.source,
            remedy="Replace them in the model, and convert it with int8 operators only "
            f"({', '.join(sorted(SUPPORTED))}).",
        )


def _unsupported(graph: Graph, node: Node) -> str:
    if node.kind in _STATEFUL:
        return "keeps a state between inferences, which a Network does not"
    if node.kind == "DEQUANTIZE" and node.inputs[:1] not in ((), ("",)):
        inside = node.outputs[0] != graph.outputs[0]
        return "goes back to floats in the middle of the model" if inside else ""
    if node.kind not in SUPPORTED:
        return "is an operator that no kernel here computes"
    if len(node.outputs) != 1:
        return f"has {len(node.outputs)} outputs"
    least = _INPUTS.get(node.kind, 1)
    if len(node.inputs) < least or "" in node.inputs[:least]:
        return f"has fewer than {least} inputs"
    if node.kind in ("ADD", "SUB", "MUL", "PRELU") and len(node.inputs) != 2:
        return f"has {len(node.inputs)} inputs"
    dtype = graph.tensors[node.outputs[0]].dtype
    if dtype not in ("int8", "uint8"):
        return f"computes in {dtype}"
    return ""


def _enter(frame: Frame) -> str:
    """Place the input; gives the name of the graph's tensor that stands for it."""
    graph = frame.graph
    name = graph.inputs[0]
    readers = [node for node in graph.nodes if name in node.inputs]
    if graph.tensors[name].dtype == "float32":
        kinds = {node.kind for node in readers}
        ends = {_ends(graph, node.outputs[0]) for node in readers}
        if kinds != {"QUANTIZE"} or len(ends) != 1:
            raise refuse(
                readers[0],
                "reads floats.",
                "Convert the model with full integer quantization (int8), or give "
                "representative data with `tinykit import --data`.",
            )
        frame.begin(readers[0])
        first = replace(frame.like(readers[0].outputs[0]), name="input")
        for node in readers:
            frame.at[node.outputs[0]] = first
        name = readers[0].outputs[0]
    else:
        frame.begin(readers[0])
        first = replace(frame.like(name), name="input")
        frame.at[name] = first
    frame.tensors.append(first)
    return name


def _ends(graph: Graph, name: str) -> tuple[str, float, int]:
    tensor = graph.tensors[name]
    if tensor.quantization is None:
        return tensor.dtype, 0.0, 0
    return tensor.dtype, float(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])


def _leave(graph: Graph) -> str:
    """The graph's tensor that stands for the output: what a last DEQUANTIZE reads."""
    name = graph.outputs[0]
    makers = [node for node in graph.nodes if node.outputs[0] == name]
    if makers and makers[0].kind == "DEQUANTIZE":
        return makers[0].inputs[0]
    return name


def _folded_pads(graph: Graph) -> tuple[dict[str, tuple[int, int, int, int]], set[str]]:
    """PADs that become the border of the convolution behind them: their outputs, their names."""
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    behind = {name: node for node in graph.nodes for name in node.inputs[:1]}
    folded, skipped = {}, set()
    for node in graph.nodes:
        following = behind.get(node.outputs[0])
        if node.kind != "PAD" or following is None or readers[node.outputs[0]] != 1:
            continue
        amounts = graph.tensors[node.inputs[1]].data
        if amounts is None or amounts.shape != (4, 2) or amounts.dtype.kind != "i":
            continue
        border = _border(graph, following, amounts.tolist())
        if border is not None:
            folded[node.outputs[0]] = border
            skipped.add(node.name)
    return folded, skipped


def _border(graph: Graph, node: Node, amounts: list[list[int]]) -> tuple[int, int, int, int] | None:
    if node.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return None
    padded, shape = (graph.tensors[name].shape for name in node.inputs[:2])
    if len(padded) != 4 or len(shape) != 4 or any(one < 0 for pair in amounts for one in pair):
        return None
    options = node.attributes
    extent = (
        (shape[1] - 1) * max(1, options["dilation_h"]) + 1,
        (shape[2] - 1) * max(1, options["dilation_w"]) + 1,
    )
    if options["padding"] == "SAME":
        sides = zip(padded[1:3], extent, (options["stride_h"], options["stride_w"]), strict=True)
        if any(any(same_padding(*one)) for one in sides if one[2] > 0):
            return None
    if not lower_moves.is_foldable(amounts, extent):
        return None
    (top, bottom), (left, right) = amounts[1], amounts[2]
    return (top, bottom, left, right)


def _network(
    frame: Frame, entry: str, result: str, labels: Sequence[str], metadata: dict[str, Any]
) -> Network:
    graph = frame.graph
    last = frame.at[result]
    row = math.prod(last.shape)
    if row > MAX_SIDE:
        raise TinykitError(
            f"has {row} outputs; at most {MAX_SIDE} can be had.",
            where=graph.source,
            remedy="Convert a model that ends earlier, or in a pool.",
        )
    if last.name == "input":
        identity = EVERY.astype("int8")
        last = frame.emit(Lookup, [last], last, table=identity)
    last = frame.reshaped(last, (row,))
    if labels and len(labels) != row:
        raise TinykitError(
            f"has {row} outputs, but there are {len(labels)} labels.",
            where=graph.source,
            remedy="Give one label a line for each output.",
        )
    for end, name, inner in (
        ("input", graph.inputs[0], entry),
        ("output", graph.outputs[0], result),
    ):
        dtype, scale, zero_point = _ends(graph, inner)
        metadata[end] = {
            "dtype": graph.tensors[name].dtype,
            "shape": list(graph.tensors[name].shape),
            "scale": scale,
            "zero_point": zero_point - (128 if dtype == "uint8" else 0),
        }
    return Network(
        name=graph.name,
        tensors=tuple(frame.tensors),
        ops=tuple(frame.ops),
        input="input",
        output=last.name,
        labels=tuple(labels) or tuple(f"class{i}" for i in range(row)),
        metadata=metadata,
    )
