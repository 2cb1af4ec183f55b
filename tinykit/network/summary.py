# SPDX-License-Identifier: Apache-2.0
"""A Network at a glance: one row a layer, for the command line and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tinykit.network import shapes
from tinykit.network.network import Network
from tinykit.network.ops import Op, Weighted
from tinykit.network.packing import activation_bytes


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        name, op: of the layer and of its kind.
        input_shape, output_shape: without the batch axis.
        weight_bits: None for a layer without weights.
        activation_bits: of the output.
        macs: multiply-accumulates of one inference.
        weight_bytes: the weights packed at their width.
        parameter_bytes: weights and int32 biases, constants and tables.
        activation_bytes: the packed output.
    """

    name: str
    op: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weight_bits: int | None
    activation_bits: int
    macs: int
    weight_bytes: int
    parameter_bytes: int
    activation_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def summary(network: Network) -> list[Row]:
    """One row a layer, in the order in which they run."""
    return [_row(network, op) for op in network.ops]


def _row(network: Network, op: Op) -> Row:
    result = network.tensor(op.output)
    # What has no input is its own.
    source = network.tensor(op.inputs[0]) if op.inputs else result
    return Row(
        name=op.name,
        op=type(op).__name__,
        input_shape=source.shape,
        output_shape=result.shape,
        weight_bits=op.weight_bits if isinstance(op, Weighted) else None,
        activation_bits=result.bits,
        macs=shapes.macs(op, result.shape),
        weight_bytes=shapes.weight_bytes(op),
        parameter_bytes=shapes.parameter_bytes(op),
        activation_bytes=activation_bytes(result.shape, result.bits),
    )
