# SPDX-License-Identifier: Apache-2.0
"""Small .tflite files of any scales, made without a converter: one operator each, or a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network.tflite_writer import FileGraph, FileTensor, serialise

_TYPES = {
    "int8": "INT8",
    "int16": "INT16",
    "uint8": "UINT8",
    "int32": "INT32",
    "float32": "FLOAT32",
    "int64": "INT64",
}


class File:
    """A .tflite file under construction."""

    def __init__(self) -> None:
        self.graph = FileGraph()

    def tensor(
        self,
        shape: Sequence[int],
        scale: float | Sequence[float] | None,
        zero_point: int = 0,
        *,
        data: NDArray[Any] | None = None,
        axis: int = 0,
        dtype: str = "int8",
        name: str = "",
        variable: bool = False,
    ) -> int:
        """The index of a tensor; a constant, if it has data."""
        return self.graph.add(
            FileTensor(
                name or f"t{len(self.graph.tensors)}",
                tuple(shape),
                _TYPES[str(data.dtype) if data is not None else dtype],
                None if scale is None else np.atleast_1d(np.array(scale, np.float32)),
                zero_point,
                axis,
                b"" if data is None else data.tobytes(),
                is_variable=variable,
            )
        )

    def constant(self, values: Any) -> int:
        """The index of an int32 constant."""
        return self.graph.constant(f"t{len(self.graph.tensors)}", values)

    def node(
        self, code: str, inputs: list[int], output: int, options: str = "", **values: Any
    ) -> int:
        """Append an operator; gives its output back."""
        self.graph.node(code, inputs, output, options, **values)
        return output

    def content(self, source: int, result: int) -> bytes:
        """The file."""
        return serialise(self.graph, inputs=[source], outputs=[result], name="main")


def every_value(zero: int = 0) -> NDArray[np.int8]:
    """All 256 of int8, as one sample."""
    return np.arange(-128, 128).astype(np.int8)[None]
