# SPDX-License-Identifier: Apache-2.0
"""Layers that go over time: UNIDIRECTIONAL_SEQUENCE_LSTM.

TFLite keeps its state from one inference to the next unless it is told to start anew. A Network
starts each inference from a state of zero, as Keras trains such layers (stateful=False).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.frame import Frame, refuse
from tinykit.importer.graph import GraphTensor, Node
from tinykit.importer.lower_layers import bias_of, weights_of
from tinykit.network.lstm import GATE_BITS, MOST_CELL_BITS
from tinykit.network.ops import Lstm, Requantize, Tensor
from tinykit.network.requantize import quantize_multipliers

# Inputs of the node, four of a kind in the order of the gates.
_WEIGHTS, _RECURRENT, _BIASES = 1, 5, 12
_OUTPUT_STATE, _CELL_STATE = 18, 19
_LEAST_INPUTS, _MOST_INPUTS = 20, 24
# Of the node's intermediates, what has the scale of the output gate times the state.
_HIDDEN = 4
# What some LSTMs have besides, and at which inputs.
_UNKNOWN = {
    "peepholes": range(9, 12),
    "a projection": range(16, 18),
    "layer normalization": range(20, 24),
}
_UNIT = np.float32(2.0 ** (GATE_BITS - 15))


def lstm(frame: Frame) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM of 8 bits with a state of 16."""
    node = frame.node
    _check_inputs(node)
    _check_options(node)
    foreign = frame.foreign(node.inputs[0]).shape
    batch = 1 if node.attributes["time_major"] else 0
    if len(foreign) != 3 or foreign[batch] != 1:
        raise refuse(
            node,
            f"goes over {foreign}, whose axis {batch} is that of the batch.",
            "Convert the model with a batch of 1 (keras.Input(shape, batch_size=1)).",
        )
    steps, features = foreign[1 - batch], foreign[2]
    weights = [_weights(frame, _WEIGHTS + gate) for gate in range(4)]
    recurrent = [_weights(frame, _RECURRENT + gate) for gate in range(4)]
    cells = weights[0][0].shape[0]
    shapes = {value.shape for value, _ in weights}, {value.shape for value, _ in recurrent}
    if shapes != ({(cells, features)}, {(cells, cells)}):
        raise refuse(
            node,
            f"has weights of the shapes {sorted(shapes[0])} and {sorted(shapes[1])} "
            f"for {features} features.",
            "The file contradicts itself; convert the model again.",
        )
    like = replace(frame.like(node.outputs[0]), shape=(steps, 1, cells))
    _check_states(frame, like, cells)
    state = _state(frame, _CELL_STATE, "int16", cells)
    x = frame.reshaped(frame.source(node.inputs[0]), (steps, 1, features))
    fields = {
        "weight": np.stack([value for value, _ in weights]),
        "recurrent": np.stack([value for value, _ in recurrent]),
        "bias": np.stack([bias_of(frame, _BIASES + gate, cells) for gate in range(4)]),
        **_factors(frame, x, like, (weights, recurrent)),
        **_cell(frame, state),
    }
    frame.finish(frame.emit(Lstm, [x], like, **fields))


def _check_inputs(node: Node) -> None:
    if not _LEAST_INPUTS <= len(node.inputs) <= _MOST_INPUTS:
        raise refuse(node, f"has {len(node.inputs)} inputs.", "Convert the model again.")
    if not node.inputs[_WEIGHTS] or not node.inputs[_RECURRENT]:
        raise refuse(
            node,
            "couples its input gate to its forget gate (CIFG).",
            "Use a plain LSTM (keras.layers.LSTM).",
        )
    for what, places in _UNKNOWN.items():
        if any(node.inputs[place] for place in places if place < len(node.inputs)):
            raise refuse(node, f"has {what}.", "Use a plain LSTM (keras.layers.LSTM).")


def _check_options(node: Node) -> None:
    options = node.attributes
    if options["fused_activation"] != "TANH":
        raise refuse(
            node,
            f"has the activation {options['fused_activation']}.",
            "Use tanh for the cell, and sigmoid for the gates.",
        )
    if options["diagonal_recurrent_tensors"]:
        raise refuse(
            node, "has diagonal recurrent weights.", "Use a plain LSTM (keras.layers.LSTM)."
        )
    if not options["cell_clip"] >= 0:
        raise refuse(node, f"clips its state to {options['cell_clip']}.", "Convert it again.")


def _weights(frame: Frame, place: int) -> tuple[NDArray[Any], np.float32]:
    """int8 (cells, inputs) and their scale."""
    shape = frame.foreign(frame.node.inputs[place]).shape
    if len(shape) != 2:
        raise refuse(frame.node, f"has weights of the shape {shape}.", "Convert the model again.")
    values, scales = weights_of(frame, place, 0, shape[0])
    if len(scales) != 1:
        raise refuse(
            frame.node,
            f"has {len(scales)} scales in the weights of one gate.",
            "TFLite's kernel reads one; convert the model again.",
        )
    return values, np.float32(scales[0])


def _check_states(frame: Frame, like: Tensor, cells: int) -> None:
    """What is kept of the last step has the output's scale, as has what the gates give."""
    node = frame.node
    given = node.attributes.get("intermediates", ())
    state = _state(frame, _OUTPUT_STATE, "int8", cells)
    hidden = (
        frame.graph.tensors[given[_HIDDEN]] if len(given) > _HIDDEN and given[_HIDDEN] else None
    )
    for what, tensor in (("last output", state), ("hidden state", hidden)):
        found = None if tensor is None else _ends(tensor)
        if found != (like.scale, like.zero_point):
            raise refuse(
                node,
                f"has the (scale, zero point) {found} for its {what}, but "
                f"{(like.scale, like.zero_point)} for its output.",
                "Convert the model again with full integer quantization (int8).",
            )


def _state(frame: Frame, place: int, dtype: str, cells: int) -> GraphTensor:
    """A variable tensor of the node."""
    tensor = frame.foreign(frame.node.inputs[place])
    if not tensor.is_variable or tensor.dtype != dtype or math.prod(tensor.shape) != cells:
        raise refuse(
            frame.node,
            f"keeps {tensor.name[:80]}, {tensor.dtype} {tensor.shape}.",
            f"Convert the model with full integer quantization (int8), which keeps {cells} "
            f"of {dtype}.",
        )
    return tensor


def _ends(tensor: GraphTensor) -> tuple[float, int] | None:
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1:
        return None
    return float(quantization.scale[0]), int(quantization.zero_point[0])


def _factors(
    frame: Frame,
    x: Tensor,
    like: Tensor,
    weights: tuple[list[tuple[NDArray[Any], np.float32]], ...],
) -> dict[str, Any]:
    """The multipliers and shifts that TFLite derives; products and quotients are float32."""
    with frame.calibrated():
        pairs = [
            quantize_multipliers(
                [float(scale * np.float32(source.scale) / _UNIT) for _, scale in gates]
            )
            for source, gates in zip((x, like), weights, strict=True)
        ]
        half = np.float32(2.0**-15)
        multiplier, shift = quantize_multipliers(float(half / np.float32(like.scale) * half))
    return {
        "gate_multiplier": np.stack([one for one, _ in pairs]),
        "gate_shift": np.stack([one for _, one in pairs]),
        "requantize": Requantize(multiplier=multiplier, shift=shift, low=-128, high=127),
    }


def _cell(frame: Frame, state: GraphTensor) -> dict[str, int]:
    """How the state is scaled, and where it is clipped."""
    ends = _ends(state)
    scale = 0.0 if ends is None else ends[0]
    fraction, exponent = math.frexp(scale)
    bits = exponent + 14
    if fraction != 0.5 or not 0 <= bits <= MOST_CELL_BITS:
        raise refuse(
            frame.node,
            f"has the scale {scale:g} for its state.",
            f"It must be a power of two from 2^-15 to 2^{MOST_CELL_BITS - 15}; calibrate the "
            "model with inputs that are like real ones.",
        )
    clip = np.float32(frame.node.attributes["cell_clip"]) / np.float32(scale)
    return {"cell_bits": bits, "clip": int(min(clip, np.float32((1 << 15) - 1)))}
