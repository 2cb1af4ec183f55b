# SPDX-License-Identifier: Apache-2.0
"""A .tflite file as a `Graph`; every number in it is checked before it is used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer import flatbuffer
from tinykit.importer.flatbuffer import Table
from tinykit.importer.graph import Graph, GraphTensor, Node, Quantization
from tinykit.importer.tflite_schema import (
    ACTIVATIONS,
    DTYPES,
    IDENTIFIER,
    OPTIONS_OF,
    PADDINGS,
    SCHEMA,
)

MAX_TENSORS = 4096
MAX_ELEMENTS = 1 << 26
"""Of one tensor."""
MAX_RANK = 6
_STATES = {
    **dict.fromkeys(("UNIDIRECTIONAL_SEQUENCE_LSTM", "LSTM"), (18, 19)),
    **dict.fromkeys(("SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN"), (4,)),
}
"""At which of its inputs a layer keeps a state."""


def read_bytes(path: Path) -> bytes:
    """The content of a file, and not much more than the limit of one that is larger.

    Raises:
        TinykitError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(flatbuffer.MAX_BYTES + 1)
    except OSError as error:
        raise TinykitError(
            f"cannot be read: {error.strerror or error}.",
            where=path,
            remedy="Name a .tflite file.",
        ) from error


def read_tflite(path: Path) -> Graph:
    """The model in a file.

    Raises:
        TinykitError: the file cannot be read, or as `parse_tflite`.
    """
    return parse_tflite(read_bytes(path), path.name)


def parse_tflite(data: bytes, source: str = "model.tflite") -> Graph:
    """The model in a file's content.

    Args:
        data: the content.
        source: what messages call it.

    Raises:
        TinykitError: it is no .tflite file, is damaged, or has what no reader here can say:
            several subgraphs, sparse or variable tensors, sides that are not known.
    """
    try:
        model = flatbuffer.read(
            data, SCHEMA, "Model", identifier=IDENTIFIER, unions={"options": _option_tables()}
        )
        return _graph(model, source)
    except TinykitError as error:
        where = f"{source}: {error.where}" if error.where else source
        raise TinykitError(error.what, where=where, remedy=error.remedy) from error


@cache
def _names(enumeration: str) -> dict[int, str]:
    """Number to name of one of the schema's enumerations."""
    import tflite

    members = vars(getattr(tflite, enumeration)).items()
    return {value: name for name, value in members if isinstance(value, int)}


@cache
def _option_tables() -> dict[int, str]:
    return {number: name for number, name in _names("BuiltinOptions").items() if name in SCHEMA}


def _fail(what: str, place: str = "", remedy: str = "") -> TinykitError:
    remedy = remedy or "Convert the model again; the file is damaged."
    return TinykitError(what, where=place, remedy=remedy)


def _graph(model: Table, source: str) -> Graph:
    if model["version"] != 3:
        raise _fail(f"has the schema version {model['version']}, not 3.")
    subgraphs = model["subgraphs"]
    if len(subgraphs) != 1:
        raise _fail(
            f"has {len(subgraphs)} subgraphs.",
            remedy="Convert one signature without control flow (while, if).",
        )
    (subgraph,) = subgraphs
    if not 0 < len(subgraph["tensors"]) <= MAX_TENSORS:
        raise _fail(f"has {len(subgraph['tensors'])} tensors, not 1 to {MAX_TENSORS}.")
    names = _tensor_names(subgraph["tensors"])
    nodes = [
        _node(index, one, model["operator_codes"], names)
        for index, one in enumerate(subgraph["operators"])
    ]
    inputs, outputs = (_refer(subgraph[end], names, end) for end in ("inputs", "outputs"))
    used = Counter((*inputs, *outputs))
    for node in nodes:
        used.update((*node.inputs, *node.outputs))
    states = {one for node in nodes for one in _states_of(node) if used[one] == 1}
    aside = {one for node in nodes for one in _intermediates_of(node) if not used[one]}
    tensors = [
        _scale_only(one, name)
        if name in aside
        else _tensor(one, name, model["buffers"], is_state=name in states)
        for one, name in zip(subgraph["tensors"], names, strict=True)
    ]
    _check_order(nodes, tensors, inputs)
    return Graph(
        name=Path(source).stem,
        tensors={tensor.name: tensor for tensor in tensors},
        nodes=tuple(nodes),
        inputs=inputs,
        outputs=outputs,
        source=source,
    )


def _tensor_names(tables: Sequence[Table]) -> list[str]:
    """One unique name each."""
    names: list[str] = []
    seen: set[str] = set()
    for index, table in enumerate(tables):
        name = table["name"] or f"tensor{index}"
        if name in seen:
            name = f"{name}#{index}"
        seen.add(name)
        names.append(name)
    return names


def _states_of(node: Node) -> tuple[str, ...]:
    """What a node may keep from one step to the next."""
    places = _STATES.get(node.kind, ())
    return tuple(node.inputs[place] for place in places if place < len(node.inputs))


def _intermediates_of(node: Node) -> tuple[str, ...]:
    names: tuple[str, ...] = node.attributes.get("intermediates", ())
    return names


def _scale_only(table: Table, name: str) -> GraphTensor:
    """A tensor that no layer reads or writes; its shape says nothing."""
    place = f"tensor {name[:80]}"
    return GraphTensor(name, (), _dtype(table, place), None, _quantization(table, (), place))


def _dtype(table: Table, place: str) -> str:
    dtype = DTYPES.get(table["type"])
    if dtype is None:
        raise _fail(f"has the type number {table['type']}.", place, "Convert it to int8 or float.")
    return dtype


def _tensor(table: Table, name: str, buffers: Sequence[Table], *, is_state: bool) -> GraphTensor:
    place = f"tensor {name[:80]}"
    dtype = _dtype(table, place)
    if table["sparsity"] is not None:
        raise _fail("is sparse.", place, "Convert the model with dense weights.")
    if table["is_variable"] and not is_state:
        raise _fail(
            "keeps a state between inferences, which a network here does not.",
            place,
            "Use convolutions, or an LSTM over a window.",
        )
    shape = _shape(table, place)
    data = _data(table, shape, dtype, buffers, place)
    if table["is_variable"] and data is not None:
        raise _fail("keeps a state that starts with values.", place, "Let it start at zero.")
    quantization = _quantization(table, shape, place)
    return GraphTensor(name, shape, dtype, data, quantization, table["is_variable"])


def _shape(table: Table, place: str) -> tuple[int, ...]:
    shape = [int(side) for side in table["shape"]]
    signature = [int(side) for side in table["shape_signature"]]
    if shape and shape[0] == -1:
        shape[0] = 1
    unknown = [i for i, side in enumerate(signature) if side < 0 and i > 0]
    if len(shape) > MAX_RANK or any(side < 1 for side in shape) or unknown:
        raise _fail(
            f"has the shape {signature or shape}.",
            place,
            "Convert the model with a fixed input shape and a batch of 1 "
            "(keras.Input(shape, batch_size=1)).",
        )
    if math.prod(shape) > MAX_ELEMENTS:
        raise _fail(f"has {math.prod(shape)} values; at most {MAX_ELEMENTS} are read.", place)
    return tuple(shape)


def _data(
    table: Table, shape: tuple[int, ...], dtype: str, buffers: Sequence[Table], place: str
) -> NDArray[Any] | None:
    """The values of a constant; None for an activation."""
    index = table["buffer"]
    if index >= max(len(buffers), 1):
        raise _fail(f"lies in buffer {index} of {len(buffers)}.", place)
    if not buffers or index == 0:
        return None
    buffer = buffers[index]
    if buffer["offset"] > 1 or buffer["size"] > 1:
        raise _fail("lies outside the flatbuffer.", place, "Convert a model below 2 GB.")
    raw = buffer["data"]
    if not len(raw):
        return None
    count = math.prod(shape)
    if dtype == "int4":
        return _unpacked(raw, shape, place)
    wanted = count * np.dtype(dtype).itemsize
    if len(raw) != wanted:
        raise _fail(f"has {len(raw)} bytes where {wanted} belong.", place)
    return raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)


def _unpacked(raw: NDArray[np.uint8], shape: tuple[int, ...], place: str) -> NDArray[np.int8]:
    """Values of 4 bits, two in a byte, the first one low."""
    count = math.prod(shape)
    if len(raw) != (count + 1) // 2:
        raise _fail(f"has {len(raw)} bytes where {(count + 1) // 2} belong.", place)
    both = np.stack([raw << 4, raw & 0xF0], axis=1).astype(np.uint8).view(np.int8) >> 4
    return both.reshape(-1)[:count].reshape(shape)


def _quantization(table: Table, shape: tuple[int, ...], place: str) -> Quantization | None:
    described = table["quantization"]
    if described is None or not len(described["scale"]):
        return None
    scale, zero_point = described["scale"], described["zero_point"]
    if not len(zero_point):
        zero_point = np.zeros(len(scale), np.int64)
    axis = described["quantized_dimension"] if len(scale) > 1 else 0
    if len(scale) > 1 and not (0 <= axis < len(shape) and len(scale) == shape[axis]):
        raise _fail(f"has {len(scale)} scales along axis {axis} of {shape}.", place)
    if described["details_type"] or len(zero_point) != len(scale):
        raise _fail("is quantized in a way that is not linear.", place)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise _fail("has a scale that is not positive.", place)
    return Quantization(scale.astype(np.float32), zero_point.astype(np.int64), axis)


def _refer(indices: NDArray[np.int32], names: Sequence[str], what: str) -> tuple[str, ...]:
    """Names of tensors; "" for the index -1."""
    found = []
    for index in indices.tolist():
        if not -1 <= index < len(names):
            raise _fail(f"refers to tensor {index} of {len(names)} in its {what}.")
        found.append(names[index] if index >= 0 else "")
    return tuple(found)


def _node(index: int, table: Table, codes: Sequence[Table], names: Sequence[str]) -> Node:
    if table["opcode_index"] >= len(codes):
        raise _fail(f"uses operator code {table['opcode_index']} of {len(codes)}.")
    code = codes[table["opcode_index"]]
    number = max(code["builtin_code"], code["deprecated_builtin_code"])
    kind = _names("BuiltinOperator").get(number, f"operator {number}")
    if kind == "CUSTOM":
        kind = f"CUSTOM {code['custom_code'][:80]}"
    inputs, outputs = (_refer(table[end], names, f"layer {index}") for end in ("inputs", "outputs"))
    if not outputs or "" in outputs:
        raise _fail("has no output.", f"{index} {kind}")
    options = _options(kind, table, f"layer {index} ({kind})")
    attributes = options | _words(options)
    if len(table["intermediates"]):
        place = f"layer {index}"
        attributes["intermediates"] = _refer(table["intermediates"], names, place)
    return Node(kind, f"{index} {kind}", inputs, outputs, attributes)


def _options(kind: str, table: Table, place: str) -> Table:
    """The options of an operator; those of a kind that needs none are left out."""
    wanted = OPTIONS_OF.get(kind)
    if wanted is None:
        return {}
    found = _option_tables().get(table["builtin_options_type"])
    options: Table | None = table["builtin_options"]
    if found != wanted or options is None:
        raise _fail(f"has no {wanted}.", place)
    return options


def _words(options: Table) -> dict[str, Any]:
    """Enumerations by their names, vectors as tuples."""
    words: dict[str, Any] = {}
    for name, known in (("padding", PADDINGS), ("fused_activation", ACTIVATIONS)):
        if name in options:
            number = options[name]
            if not 0 <= number < len(known):
                raise _fail(f"has the {name} number {number}.")
            words[name] = known[number]
    return words | {
        name: tuple(value.tolist())
        for name, value in options.items()
        if isinstance(value, np.ndarray)
    }


def _check_order(
    nodes: Sequence[Node], tensors: Sequence[GraphTensor], inputs: Sequence[str]
) -> None:
    known = (one for one in tensors if one.data is not None or one.is_variable)
    ready = {tensor.name for tensor in known} | set(inputs) | {""}
    for node in nodes:
        for name in node.inputs:
            if name not in ready:
                raise _fail(f"reads {name[:80]!r} before it is computed.", node.name)
        for name in node.outputs:
            if name in ready:
                raise _fail(f"writes {name[:80]!r}, which is there already.", node.name)
            ready.add(name)
