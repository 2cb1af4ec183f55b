# SPDX-License-Identifier: Apache-2.0
"""The Layer of an Lstm: its weights as firmware/src/kernels/lstm.c reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import overlap, pack
from tinykit.codegen.layer import Layer, Scaling
from tinykit.network.ops import Int8Array, Lstm, Tensor
from tinykit.network.shapes import macs

# Rows are read four values at a time.
_OVER_READ = 3


def lstm_layer(index: int, op: Lstm, x: Tensor, y: Tensor) -> Layer:
    """The Layer of an LSTM from `x` to `y`."""
    steps, _, features = x.shape
    cells = y.shape[2]
    last = op.requantize
    # The kernel keeps to 16 bits where it need not clip.
    least, greatest = (-op.clip, op.clip) if op.clip else (-(1 << 15), (1 << 15) - 1)
    return Layer(
        index=index,
        op=op,
        kind="lstm",
        function="tk_lstm",
        params_type="tk_lstm_params",
        sources=("kernels/lstm.c", "kernels/sigmoid.h"),
        fields={
            "steps": steps,
            "features": features,
            "cells": cells,
            "multiplier": int(last.multiplier[0]),
            "shift": int(-last.shift[0]),
            "cell_bits": op.cell_bits,
            "least": least,
            "greatest": greatest,
        },
        stream=_stream(op, x, y),
        scaling=Scaling(
            bias=np.zeros(cells, np.int64),
            multiplier=last.multiplier,
            shift=(-last.shift).astype(np.int8),
            zero_point=y.zero_point,
            low=last.low,
            high=last.high,
            bits=8,
            wide=False,
        ),
        arrays={"gates": _scales(op)},
        scratch_bytes=2 * cells,
        macs=macs(op, y.shape),
        weight_bits=8,
        # All of a step is read for each of its outputs.
        overlap=overlap.windowed(
            overlap.reach((steps, 1), (steps, 1), (1, 1), (1, 1), (0, 0), features),
            cells,
            0,
            backward=False,
        ),
        over_read=_OVER_READ,
    )


def _scales(op: Lstm) -> NDArray[np.int32]:
    """Of the sums over the input the multipliers and shifts, then of those over the output."""
    # Where nothing gets through, the shift does not matter and must not overflow.
    right = np.where(op.gate_multiplier == 0, 1, -op.gate_shift)
    both = np.stack([op.gate_multiplier, right], axis=1)
    return both.reshape(-1).astype(np.int32)


def _stream(op: Lstm, x: Tensor, y: Tensor) -> NDArray[np.uint32]:
    """Cell after cell: biases with the zero points folded in, and blocks of all gates in turn."""
    none = np.zeros_like(op.bias)
    parts = [
        part
        for rows, bias, source in ((op.weight, op.bias, x), (op.recurrent, none, y))
        for part in (_biases(rows, bias, source.zero_point), _blocks(rows))
    ]
    return np.concatenate(parts, axis=1).reshape(-1)


def _biases(rows: Int8Array, bias: NDArray[np.int32], zero_point: int) -> NDArray[np.uint32]:
    """(cells, 4) words."""
    folded = bias.astype(np.int64) - zero_point * rows.astype(np.int64).sum(axis=2)
    return pack.as_words(folded.T)


def _blocks(rows: Int8Array) -> NDArray[np.uint32]:
    """(cells, 4 * blocks) words of rows (4, cells, values)."""
    return pack.words_of(rows, 8).transpose(1, 2, 0).reshape(rows.shape[1], -1)
