# SPDX-License-Identifier: Apache-2.0
"""What quantization did to a model and what it cost, as plain values for JSON and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinykit.importer.compare import sqnr
from tinykit.importer.graph import Graph, Node
from tinykit.importer.lower import Imported, pruned
from tinykit.importer.narrowing import Layers
from tinykit.importer.real_graph import CHANNEL_AXIS, real_graph
from tinykit.network import shapes


def layer_rows(
    before: Graph,
    graph: Graph,
    imported: Imported,
    layers: Layers,
    sensitivity: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Of each layer with weights: bits, bytes, and how far its weights are from those given.

    Args:
        before: the model as it was given, in reals.
        graph: as it is now, quantized.
        imported: the Network of `graph`.
        layers: the narrow ones, by node.
        sensitivity: by node, where measured.
    """
    after = real_graph(pruned(graph))
    given = {node.name: before.tensors[node.inputs[1]].data for node in _layers(before)}
    bytes_of = {op.name: shapes.weight_bytes(op) for op in imported.network.ops}
    became = dict(imported.became)
    rows = []
    for node in _layers(after):
        old, new = given[node.name], after.tensors[node.inputs[1]].data
        assert old is not None
        assert new is not None
        narrow = layers.get(node.name)
        row = {
            "layer": node.name,
            "bits": 8 if narrow is None else narrow.bits,
            "rounding": "nearest" if narrow is None else narrow.rounding,
            "weights": int(old.size),
            "weight_bytes": sum(bytes_of[op] for op in became.get(node.name, ())),
            "mse": float(np.square(new.astype(np.float64) - old).mean()),
            "sqnr_db": sqnr(old, new),
        }
        if sensitivity:
            row["sensitivity"] = sensitivity.get(node.name)
        rows.append(row)
    return rows


def _layers(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.kind in CHANNEL_AXIS]


def stage_rows(
    rows: list[dict[str, Any]], *, given_bytes: int | None, narrow_bits: int | None
) -> list[dict[str, Any]]:
    """The stages that the model went through, and the bytes of its weights in each.

    Args:
        rows: of `layer_rows`.
        given_bytes: of a float model's weights; None for one of int8.
        narrow_bits: of the weights at the end, where they are not of 8 bits.
    """
    stages: list[dict[str, Any]] = []
    if given_bytes is not None:
        stages.append({"stage": "float", "weight_bytes": given_bytes})
    stages.append({"stage": "int8", "weight_bytes": sum(row["weights"] for row in rows)})
    if narrow_bits is not None:
        packed = sum(row["weight_bytes"] for row in rows)
        stages.append({"stage": f"w{narrow_bits}", "weight_bytes": packed})
    return stages


def weight_bytes(given: Graph, reals: Graph) -> int:
    """Bytes that the weights take in the file: fewer than floats, where it has dynamic range.

    Args:
        given: as it was read.
        reals: its `real_graph`.
    """
    weights = [given.tensors[node.inputs[1]].data for node in _layers(reals)]
    return sum(data.nbytes for data in weights if data is not None)
