# SPDX-License-Identifier: Apache-2.0
"""What all lowering stands on: shapes without a batch, and the growing Network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer.graph import Graph, GraphTensor, Node
from tinykit.network.ops import Constant, Op, Reshape, Tensor

Shape = tuple[int, ...]


@contextmanager
def beyond_float_is_infinite() -> Iterator[None]:
    """For what refuses or clips whatever is not finite, where it is used; may be nested."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def refuse(node: Node, what: str, remedy: str) -> TinykitError:
    """An error that names the layer and its output."""
    return TinykitError(what, where=f"layer {node.name} ({node.outputs[0][:80]})", remedy=remedy)


def places_of(node: Node, shape: Shape) -> list[int | None]:
    """For each axis of a foreign shape, the axis of the shape here; None for the batch and others.

    Raises:
        TinykitError: the tensor has more than three sides above 1 besides the batch, or a batch.
    """
    axes = list(range(len(shape)))
    if len(shape) > 1 and shape[0] == 1:
        axes = axes[1:]
    while len(axes) > 3:
        ones = [axis for axis in axes if shape[axis] == 1]
        if not ones:
            raise refuse(
                node,
                f"has a tensor of the shape {shape}.",
                "Use a batch of 1 and at most height, width and channels besides.",
            )
        axes.remove(ones[0])
    here = {1: (0,), 2: (0, 2), 3: (0, 1, 2), 0: ()}[len(axes)]
    return [here[axes.index(axis)] if axis in axes else None for axis in range(len(shape))]


def shape_here(node: Node, shape: Shape) -> Shape:
    """A foreign shape without its batch: (features,), (steps, 1, channels), or of an image."""
    places = places_of(node, shape)
    kept = [side for side, place in zip(shape, places, strict=True) if place is not None]
    if len(kept) == 2:
        return (kept[0], 1, kept[1])
    return tuple(kept) or (1,)


class Frame:
    """A Network under construction.

    Attributes:
        graph: what it is made of.
        tensors, ops: of the Network, so far.
        at: where each tensor of the graph lies, by name.
        became: for each node that gave operators, their names.
        folded: for the output of each PAD that vanished, the border (top, bottom, left, right)
            of the convolution that reads it.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.at: dict[str, Tensor] = {}
        self.became: dict[str, list[str]] = {}
        self.folded: dict[str, tuple[int, int, int, int]] = {}
        self._node: Node | None = None

    def begin(self, node: Node) -> None:
        """Operators from here on come of `node`."""
        self._node = node
        self.became[node.name] = []

    @property
    def node(self) -> Node:
        """The node that is being lowered."""
        assert self._node is not None
        return self._node

    def foreign(self, name: str) -> GraphTensor:
        """A tensor of the graph.

        Raises:
            TinykitError: an input that the node needs is left out.
        """
        if not name:
            raise refuse(self.node, "lacks an input.", "The file is damaged; convert it again.")
        return self.graph.tensors[name]

    def like(self, name: str) -> Tensor:
        """What a tensor of the graph is here, under no name yet.

        Raises:
            TinykitError: it is not int8 of one scale.
        """
        tensor = self.foreign(name)
        quantization = tensor.quantization
        if tensor.dtype not in ("int8", "uint8") or quantization is None:
            raise refuse(
                self.node,
                f"computes with {tensor.dtype} ({name[:80]}).",
                "Convert the model with full integer quantization (int8), or give "
                "representative data with `tinykit import --data`.",
            )
        if len(quantization.scale) != 1:
            raise refuse(
                self.node,
                f"has {len(quantization.scale)} scales in {name[:80]}.",
                "Activations have one scale; convert the model again.",
            )
        zero_point = int(quantization.zero_point[0]) - (128 if tensor.dtype == "uint8" else 0)
        if not -128 <= zero_point <= 127:
            raise refuse(
                self.node,
                f"has the zero point {zero_point} in {name[:80]}.",
                "It must be one of int8; convert the model again.",
            )
        scale = float(quantization.scale[0])
        return Tensor("", shape_here(self.node, tensor.shape), 8, scale, zero_point)

    def values(self, name: str, what: str) -> NDArray[Any]:
        """A constant of the graph.

        Raises:
            TinykitError: it is computed, or missing.
        """
        data = self.foreign(name).data if name else None
        if data is None:
            raise refuse(
                self.node,
                f"has {what} that is no constant.",
                "Convert the model with that argument fixed.",
            )
        return data

    def integers(self, name: str, what: str) -> NDArray[np.int64]:
        """A constant of the graph that says where or how far, in one row.

        Raises:
            TinykitError: it is computed, missing, or no int32 or int64.
        """
        data = self.values(name, what)
        if data.dtype not in (np.int32, np.int64):
            raise refuse(self.node, f"has {what} of {data.dtype}.", "Convert the model again.")
        return data.reshape(-1).astype(np.int64)

    def bytes_of(self, name: str) -> NDArray[np.int8]:
        """A constant int8 operand of the graph.

        Raises:
            TinykitError: it is computed, missing, or of another type.
        """
        data = self.values(name, f"an input ({name[:80]})")
        if data.dtype != np.int8:
            raise refuse(self.node, f"has a constant of {data.dtype}.", "Convert it to int8.")
        return data

    def source(self, name: str) -> Tensor:
        """Where a tensor of the graph lies here; a constant is brought in."""
        if name not in self.at:
            like, data = self.like(name), self.bytes_of(name)
            self.at[name] = self.constant(like, data.reshape(like.shape))
        return self.at[name]

    def constant(self, like: Tensor, value: NDArray[Any]) -> Tensor:
        """A tensor of known values."""
        name = self._name("constant")
        tensor = replace(like, name=f"{name}_out", shape=value.shape)
        op = Constant(name=name, inputs=(), output=tensor.name, value=value.astype(np.int8))
        self._append(op, tensor)
        return tensor

    def emit(self, kind: type[Op], inputs: Sequence[Tensor], like: Tensor, **fields: Any) -> Tensor:
        """Append an operator; gives its output, which is like `like`."""
        name = self._name(kind.__name__.lower().removesuffix("2d"))
        tensor = replace(like, name=f"{name}_out")
        names = tuple(one.name for one in inputs)
        self._append(kind(name=name, inputs=names, output=tensor.name, **fields), tensor)
        return tensor

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """The same values under another shape."""
        if tensor.shape == shape:
            return tensor
        return self.emit(Reshape, [tensor], replace(tensor, shape=shape))

    @contextmanager
    def calibrated(self) -> Iterator[None]:
        """Refuse the node where a constant cannot be derived from its scales (ValueError)."""
        try:
            yield
        except ValueError as error:
            raise refuse(self.node, f"{error}.", "Calibrate the model again.") from error

    def image(self, tensor: Tensor) -> Tensor:
        """With three axes: a row becomes one pixel."""
        shape = tensor.shape if len(tensor.shape) == 3 else (1, 1, *tensor.shape)
        return self.reshaped(tensor, shape)

    def image_places(self, foreign: Shape, tensor: Tensor) -> list[int | None]:
        """As `places_of`, for the image that `tensor` becomes."""
        places = places_of(self.node, foreign)
        if len(tensor.shape) == 3:
            return places
        return [None if place is None else 2 for place in places]

    def finish(self, tensor: Tensor) -> None:
        """`tensor` is the node's output."""
        name = self.node.outputs[0]
        like = self.like(name)
        if math.prod(like.shape) != math.prod(tensor.shape):
            raise refuse(
                self.node,
                f"gives {self.foreign(name).shape}, where {tensor.shape} follows from its input.",
                "The file contradicts itself; convert the model again.",
            )
        if (like.scale, like.zero_point) != (tensor.scale, tensor.zero_point):
            raise refuse(
                self.node,
                f"changes (scale, zero point) from {(tensor.scale, tensor.zero_point)} to "
                f"{(like.scale, like.zero_point)}, which it cannot.",
                "Convert the model again with a recent TensorFlow.",
            )
        self.at[name] = self.reshaped(tensor, like.shape)

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def _append(self, op: Op, tensor: Tensor) -> None:
        self.ops.append(op)
        self.tensors.append(tensor)
        if self._node is not None:
            self.became[self._node.name].append(op.name)
