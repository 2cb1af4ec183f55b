# SPDX-License-Identifier: Apache-2.0
"""A foreign model, as plainly as it can be said: what every reader makes, and all later steps take.

A reader of another format (see `tinykit.importer.tflite_reader`) fills a `Graph` and needs to know
nothing of Networks; `tinykit.importer.lower` turns a quantized Graph into one and knows nothing of
files. Nodes are named and mean what TFLite's operators of that name mean, with activations fused
into them kept as an attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Quantization:
    """`real = scale * (q - zero_point)`.

    Attributes:
        scale: (n,) float32, positive and finite; n is 1, or the sides of `axis`.
        zero_point: (n,) int64.
        axis: of the tensor that the scales belong to; 0 where there is one.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0


@dataclass(frozen=True, eq=False)
class GraphTensor:
    """A tensor of a foreign model.

    Attributes:
        name: unique in its Graph.
        shape: with the batch axis, as in the file; every side known and at least 1.
        dtype: "float32", "int8", "uint8", "int16", "int32", "int64", "bool", …
        data: of `shape`, for constants; None for activations.
        quantization: None for floats.
        is_variable: whether it is what a layer keeps from one step to the next.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Array | None = None
    quantization: Quantization | None = None
    is_variable: bool = False


@dataclass(frozen=True, eq=False)
class Node:
    """One operator.

    Attributes:
        kind: as in TFLite's schema, such as "CONV_2D".
        name: for messages, such as "3 CONV_2D"; unique in its Graph.
        inputs: names of tensors; "" for an optional one that is missing.
        outputs: names of tensors.
        attributes: options by snake_case name as in the schema ("stride_h", "padding": "SAME",
            "fused_activation": "RELU6", …); only plain values.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """A foreign model.

    Attributes:
        name: of the model.
        tensors: by name.
        nodes: in an order in which every input is ready before it is read.
        inputs, outputs: names of the tensors that enter and leave.
        source: the file, for messages.
    """

    name: str
    tensors: Mapping[str, GraphTensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = ""

    @property
    def is_quantized(self) -> bool:
        """Whether all activations but those at the borders are integers."""
        inner = [
            self.tensors[name]
            for node in self.nodes
            if node.kind not in ("QUANTIZE", "DEQUANTIZE")
            for name in node.outputs
        ]
        return all(tensor.dtype != "float32" for tensor in inner)
