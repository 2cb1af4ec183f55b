# SPDX-License-Identifier: Apache-2.0
"""A Layer: what one operator, or a convolution and its pool, become in C."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.binary import Binary
from tinykit.codegen.lines import Lines
from tinykit.codegen.overlap import NONE, Overlap
from tinykit.codegen.variants import Variant
from tinykit.network.ops import Op, Tensor
from tinykit.network.packing import activation_bytes

# Bias, multiplier and shift of a channel in the stream; or factor and offset.
_SCALING_BYTES = 12
_LINE_BYTES = 8
# Two biases of each gate of a cell.
_LSTM_BYTES = 32


@dataclass(frozen=True)
class Scaling:
    """What follows the accumulator.

    Attributes:
        bias: (channels,) int64, the input's zero point folded in; within int32.
        multiplier: (channels,) int32.
        shift: (channels,) int8, to the right.
        zero_point, low, high, bits: of the output.
        wide: the accumulators need the 64-bit form (TK_WIDE_ACCUMULATORS).
    """

    bias: NDArray[np.int64]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    zero_point: int
    low: int
    high: int
    bits: int
    wide: bool

    @property
    def whole(self) -> bool:
        """Whether outputs are clamped at their width only."""
        return self.high - self.low == (1 << self.bits) - 1

    @property
    def plain(self) -> bool:
        """Whether outputs are bytes, clamped at their width only, and every shift is 2 or more."""
        return self.bits == 8 and self.whole and bool(self.shift.min() >= 2)


@dataclass(frozen=True)
class Matmul:
    """How a layer that mixes channels is multiplied.

    Attributes:
        variant: the expander and the multiplier.
        length: values in a row, padding included.
        chunk: values after which shared sums are taken apart.
        lines: what makes its sums outputs, where they lie along lines; else None.
    """

    variant: Variant
    length: int
    chunk: int
    lines: Lines | None = None


@dataclass(frozen=True)
class Layer:
    """One call in `tk_model_invoke`.

    Attributes:
        index: position among the layers that execute code; the marks count these.
        op: the operator it came from.
        kind: what the call does; `tinykit.codegen.render` has a word for each, and
            `tinykit.codegen.counts` what its loops depend on.
        function: the C function.
        params_type: the C type of its constants.
        sources: C files below firmware/src that it needs.
        fields: scalar members of the params, those of a struct in it with a dot; the order is that
            of the C struct.
        stream: (words,) uint32, weights and scaling as the kernel reads them, or None.
        matmul: how it is multiplied, or None.
        binary: how its one-bit products are counted, or None.
        scaling: the requantisation, or None.
        arrays: tables that the params point to, by member: one axis, of int32, uint8 or uint16.
        scratch_bytes: scratch it needs, 0 if none.
        macs: multiply-accumulates, padding included.
        weight_bits: of the network's weights; flash may hold them wider.
        overlap: how its output may lie over its first input.
        others: how its output may lie over any other input.
        over_read: bytes behind its input that it may read, and ignores.
        parts: the convolution and the pool of a "conv2d_pool".
        calls: of a layer that takes a call for each of its inputs, these; the layer itself then has
            no params.
    """

    index: int
    op: Op
    kind: str
    function: str
    params_type: str
    sources: tuple[str, ...]
    fields: dict[str, int]
    stream: NDArray[np.uint32] | None = None
    matmul: Matmul | None = None
    binary: Binary | None = None
    scaling: Scaling | None = None
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    scratch_bytes: int = 0
    macs: int = 0
    weight_bits: int = 0
    overlap: Overlap = NONE
    others: Overlap = NONE
    over_read: int = 0
    parts: tuple[Layer, ...] = ()
    calls: tuple[Layer, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""
        return self.parts[0].op.inputs if self.parts else self.op.inputs

    @property
    def structs(self) -> tuple[Layer, ...]:
        """All that have params: its parts and itself, or its calls."""
        return self.calls or (*self.parts, self)

    @property
    def weight_bytes(self) -> int:
        """Bytes of packed weights in flash."""
        return 0 if self.stream is None else self.stream.nbytes - self.table_bytes

    @property
    def table_bytes(self) -> int:
        """Bytes of bias, multiplier and shift, of thresholds, or of other tables, in flash."""
        if self.binary is not None:
            return self.binary.table_bytes
        scaling = 0 if self.scaling is None else self._scaling_bytes() * len(self.scaling.bias)
        # The linker keeps tables on word boundaries.
        return scaling + sum(-(-one.nbytes // 4) * 4 for one in self.arrays.values())

    def _scaling_bytes(self) -> int:
        """Bytes of a channel beside its weights."""
        if self.kind == "lstm":
            return _LSTM_BYTES
        if self.function.startswith("tk_dsp_depthwise_folded"):
            return _LINE_BYTES
        if self.matmul is None:
            return _SCALING_BYTES
        if self.matmul.lines is not None:
            return 4 * (1 + len(self.matmul.lines.offset))
        return _SCALING_BYTES + (4 if self.matmul.variant.odd_bias else 0)


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor in the arena."""
    return activation_bytes(tensor.shape, tensor.bits)
