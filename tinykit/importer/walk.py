# SPDX-License-Identifier: Apache-2.0
"""A model run node by node over a whole set of inputs, so that a layer can change before it runs.

A walk can round every activation to its 8-bit integers, so that layers further on see what they
would see in the Network, to the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.float_run import Call, FloatModel, Floats
from tinykit.importer.graph import Graph, Node
from tinykit.importer.real_graph import CHANNEL_AXIS


def rows_of(weight: Floats, kind: str) -> NDArray[np.float64]:
    """Weights of a layer as (output channels, weights of each), float64."""
    axis = CHANNEL_AXIS[kind]
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    return np.asarray(rows, np.float64)


def weights_of(rows: Floats, shape: tuple[int, ...], kind: str) -> Floats:
    """The inverse of `rows_of`: weights of `shape`, of the type of `rows`."""
    axis = CHANNEL_AXIS[kind]
    sides = [shape[axis], *(side for at, side in enumerate(shape) if at != axis)]
    return np.ascontiguousarray(np.moveaxis(rows.reshape(sides), 0, axis))


class Walk:
    """One model on one set of inputs.

    Args:
        model: the model.
        x: reals (n, *input shape).
        integers: a quantized graph whose scales and zero points the activations of the same names
            are rounded to; None for reals.
    """

    def __init__(self, model: FloatModel, x: Floats, integers: Graph | None = None) -> None:
        self.model = model
        self._integers = integers
        self._counts: list[int] = []
        self._parts: list[dict[str, Floats]] = []
        for part in model.parts(x):
            self._counts.append(len(part))
            self._parts.append(model.start(part))
        nodes = enumerate(model.graph.nodes)
        self._last_read = {name: at for at, node in nodes for name in node.inputs}
        self._at = 0
        for values in self._parts:
            self._round(values, model.graph.inputs[0])

    def step(self, node: Node, weight: Floats | None = None, bias: Floats | None = None) -> None:
        """Run the next node, with other weights and another bias where they are given.

        Args:
            node: of the model's graph; each once, in their order.
            weight: of the shape of the node's weights.
            bias: (output channels,).
        """
        for count, values in zip(self._counts, self._parts, strict=True):
            if weight is None:
                values[node.outputs[0]] = self.model.call(node, values, count).run()
            else:
                names = (f"{node.name}/weight", f"{node.name}/bias")
                constants = {names[0]: weight.astype(np.float32)}
                if bias is not None:
                    constants[names[1]] = bias.astype(np.float32)
                changed = replace(node, inputs=(node.inputs[0], *constants))
                call = self.model.call(changed, {**values, **constants}, count)
                values[node.outputs[0]] = call.run()
            self._round(values, node.outputs[0])
            for name in node.inputs:
                if self._last_read[name] == self._at and name not in self.model.graph.outputs:
                    values.pop(name, None)
        self._at += 1

    def calls(self, node: Node) -> Iterator[Call]:
        """The next node on each part, without its fused activation."""
        plain = replace(node, attributes={**node.attributes, "fused_activation": "NONE"})
        for count, values in zip(self._counts, self._parts, strict=True):
            yield self.model.call(plain, values, count)

    def _round(self, values: dict[str, Floats], name: str) -> None:
        tensor = None if self._integers is None else self._integers.tensors.get(name)
        if tensor is None or tensor.quantization is None or tensor.dtype not in ("int8", "uint8"):
            return
        scale = tensor.quantization.scale[0]
        zero = np.float32(tensor.quantization.zero_point[0])
        low, high = (-128, 127) if tensor.dtype == "int8" else (0, 255)
        # A quotient beyond float32 is clipped like any other beyond the levels.
        levels = np.clip(np.rint(values[name] / scale) + zero, low, high)
        values[name] = (levels - zero) * scale
