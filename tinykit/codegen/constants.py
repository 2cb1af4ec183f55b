# SPDX-License-Identifier: Apache-2.0
"""Tensors that are known beforehand, as they lie in flash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinykit.codegen.layer import Layer
from tinykit.codegen.plan import MemoryPlan
from tinykit.network import Network
from tinykit.network.ops import Constant, Int8Array


@dataclass(frozen=True, eq=False)
class HeldConstant:
    """What some layer reads from flash.

    Attributes:
        op: the operator.
        values: its values in a row, and behind them zeros up to a whole word, and as many as
            kernels read beyond their input.
    """

    op: Constant
    values: Int8Array


def constants_of(network: Network, layers: Sequence[Layer], plan: MemoryPlan) -> list[HeldConstant]:
    """Constants that layers read, in the order of the Network."""
    beyond: dict[str, int] = {}
    for layer in layers:
        for name in layer.inputs:
            if name in plan.constants:
                held = plan.constants[name]
                beyond[held] = max(layer.over_read, beyond.get(held, 0))
    found = []
    for op in network.ops:
        if isinstance(op, Constant) and op.output in beyond:
            room = -op.value.size % 4 + beyond[op.output]
            found.append(HeldConstant(op, np.pad(op.value.reshape(-1), (0, room))))
    return found
