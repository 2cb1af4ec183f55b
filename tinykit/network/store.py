# SPDX-License-Identifier: Apache-2.0
"""A Network in one file: a zip of network.json and .npy arrays, sealed by a SHA-256.

A network without exits is of version 1, as it was before there were any; version 2 has exits and
modes besides. The archive is stored uncompressed with fixed time stamps, so the same network gives
the same bytes. `network.json` lists the SHA-256 of each array, and the archive's comment holds the
SHA-256 of every byte before it: no changed bit goes unseen. Nothing is unpickled, evaluated or
extracted to disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network.exits import Exit, Expected, Mode
from tinykit.network.network import Network
from tinykit.network.ops import KINDS, Op, Requantize, Rescale, Tensor, Threshold

FORMAT = "tinykit network"
PLAIN, ADAPTIVE = 1, 2
VERSIONS = (PLAIN, ADAPTIVE)
_OF_ADAPTIVE = {"exits", "modes"}
MAX_BYTES = 64 << 20

_MANIFEST = "network.json"
_SEAL = re.compile(rb"sha256:[0-9a-f]{64}")
_SEAL_BYTES = 71
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DTYPES = tuple(np.dtype(one) for one in (np.bool_, np.int8, np.int32, np.float64))
_KINDS: dict[str, type[Op]] = {kind.__name__: kind for kind in KINDS}

Json = Any
Arrays = dict[str, NDArray[Any]]


def save(network: Network, path: Path) -> None:
    """Write `network` to `path`, whole or not at all.

    Raises:
        TinykitError: the file cannot be written.
    """
    write_atomic(path, to_bytes(network))


def load(path: Path) -> Network:
    """Read what `save` wrote.

    Raises:
        TinykitError: the file is missing, damaged, of another version, or no network.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise TinykitError(
            f"cannot be read: {error.strerror or error}.",
            where=path,
            remedy="Name a network file that `tinykit train` wrote.",
        ) from error
    return from_bytes(data, where=path)


def to_bytes(network: Network) -> bytes:
    """The file's content."""
    described, arrays = describe(network)
    members = {name: _npy(array) for name, array in arrays.items()}
    manifest = {
        "format": FORMAT,
        "version": ADAPTIVE if network.exits else PLAIN,
        "digest": network.digest,
        "arrays": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
        "network": described,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_MANIFEST: text, **members}.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
        archive.comment = b" " * _SEAL_BYTES
    body = buffer.getvalue()[:-_SEAL_BYTES]
    return body + _seal(body)


def from_bytes(data: bytes, where: str | Path | None = None) -> Network:
    """The network in a file's content; `where` goes into errors.

    Raises:
        TinykitError: as `load`.
    """
    try:
        return _parse(data)
    except TinykitError as error:
        raise TinykitError(
            f"{error.where}: {error.what}" if error.where else error.what,
            where=where,
            remedy=error.remedy,
        ) from error
    except (
        # What zipfile, json and numpy raise on content that is sealed but not ours.
        zipfile.BadZipFile,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise TinykitError(
            f"is not a tinykit network: {str(error) or type(error).__name__}.",
            where=where,
            remedy=_REMEDY,
        ) from error


def content_digest(network: Network) -> str:
    """SHA-256 (hex) of the description and every array's type, shape and values."""
    described, arrays = describe(network)
    state = hashlib.sha256(_canonical(described))
    for name, array in sorted(arrays.items()):
        head = f"\n{name} {array.dtype.str} {array.shape}\n"
        state.update(head.encode() + array.tobytes())
    return state.hexdigest()


_REMEDY = "Copy the file again, or train or generate the network anew."


def _fail(what: str, remedy: str = _REMEDY) -> TinykitError:
    return TinykitError(what, remedy=remedy)


def _seal(body: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(body).hexdigest().encode()


def _canonical(content: Json) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


# Writing


def describe(network: Network) -> tuple[Json, Arrays]:
    """The network as JSON that names its arrays, and the arrays."""
    arrays: Arrays = {}
    described = {
        "name": network.name,
        "rounding": network.rounding,
        "input": network.input,
        "output": network.output,
        "labels": list(network.labels),
        "tensors": [_plain(tensor) for tensor in network.tensors],
        "ops": [_describe_op(op, f"{i:03d}", arrays) for i, op in enumerate(network.ops)],
        "frontend": network.frontend,
        "metadata": network.metadata,
    }
    if network.exits:
        described["exits"] = [_plain(one) for one in network.exits]
        described["modes"] = [_describe_mode(one) for one in network.modes]
    # Once through JSON, so that tuples and number keys already are what a reader will find.
    return json.loads(json.dumps(described, allow_nan=False)), arrays


def _plain(item: Any) -> dict[str, Json]:
    return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}


def _describe_mode(mode: Mode) -> dict[str, Json]:
    return _plain(mode) | {"expected": None if mode.expected is None else _plain(mode.expected)}


def _describe_op(op: Op, prefix: str, arrays: Arrays) -> Json:
    fields = _plain(op)
    if "requantize" in fields:
        fields["requantize"] = _plain(fields["requantize"])
        _set_aside(fields["requantize"], prefix, arrays)
    if "rescale" in fields:
        fields["rescale"] = _plain(fields["rescale"])
    _set_aside(fields, prefix, arrays)
    return {"op": type(op).__name__, **fields}


def _set_aside(fields: dict[str, Json], prefix: str, arrays: Arrays) -> None:
    """Move the arrays among `fields` to `arrays`, leaving their names."""
    for key, value in fields.items():
        if isinstance(value, np.ndarray):
            name = f"{prefix}_{key}.npy"
            arrays[name] = value.astype(value.dtype.newbyteorder("<"), copy=False)
            fields[key] = name


# Reading


def _parse(data: bytes) -> Network:
    if len(data) > MAX_BYTES:
        raise _fail(f"is larger than {MAX_BYTES >> 20} MiB.", "Name a tinykit network file.")
    if not data.startswith(b"PK"):
        raise _fail("is not a tinykit network.", "Name a file that `tinykit train` wrote.")
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if not _SEAL.fullmatch(seal):
        raise _fail("is cut short, or is not a tinykit network.")
    if seal != _seal(body):
        raise _fail("is damaged: its content does not match its SHA-256.")
    members = _members(data)
    manifest = _manifest(members)
    arrays = {}
    for name, expected in _mapping(manifest["arrays"]).items():
        if hashlib.sha256(members[name]).hexdigest() != expected:
            raise _fail(f"is damaged: {name} does not match its SHA-256.")
        arrays[name] = _array(name, members[name])
    network = _network(_mapping(manifest["network"]), arrays, manifest["version"])
    # What saving would write and nothing else: no stray member, no array under another's name.
    if not set(describe(network)[1]) == set(arrays) == set(members) - {_MANIFEST}:
        raise _fail("holds arrays that no layer has.")
    if network.digest != manifest["digest"]:
        raise _fail("is damaged: its content does not match its digest.")
    return network


def _members(data: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if not re.fullmatch(r"network\.json|[0-9]{3,6}_[a-z_]{1,32}\.npy", entry.filename):
                raise _fail(f"holds a file {entry.filename[:80]!r} that does not belong there.")
            if entry.compress_type != zipfile.ZIP_STORED or entry.filename in members:
                raise _fail(f"holds {entry.filename} compressed or twice.")
            # Stored members cannot unfold, but they could overlap.
            if sum(map(len, members.values())) + entry.file_size > len(data):
                raise _fail("claims to hold more than it does.")
            members[entry.filename] = archive.read(entry)
    return members


def _manifest(members: Mapping[str, bytes]) -> Mapping[str, Json]:
    if _MANIFEST not in members:
        raise _fail(f"has no {_MANIFEST}.")
    manifest = _mapping(json.loads(members[_MANIFEST], parse_constant=_no_constant))
    if manifest.get("format") != FORMAT:
        raise _fail("is not a tinykit network.", "Name a file that `tinykit train` wrote.")
    version = manifest.get("version")
    if type(version) is not int or version not in VERSIONS:
        raise _fail(
            f"has format version {version}; this tinykit reads versions up to {VERSIONS[-1]}.",
            "Update tinykit, or generate the network with this version.",
        )
    _only(manifest, {"format", "version", "digest", "arrays", "network"}, "the description")
    return manifest


def _no_constant(text: str) -> Json:
    raise _fail(f"{_MANIFEST} holds {text}.")


def _array(name: str, data: bytes) -> NDArray[Any]:
    """A .npy file, its header checked against its length before anything is allocated."""
    stream = io.BytesIO(data)
    head: Any = np.lib.format
    if head.read_magic(stream) != (1, 0):
        raise _fail(f"{name} is of another .npy version.")
    shape, fortran, dtype = head.read_array_header_1_0(stream)
    count = math.prod(shape)
    if fortran or dtype not in _DTYPES or count * dtype.itemsize != len(data) - stream.tell():
        raise _fail(f"{name} is not a plain integer or float64 array.")
    stream.seek(0)
    array: NDArray[Any] = np.load(stream, allow_pickle=False)
    if dtype == np.bool_ and (array.view(np.uint8) > 1).any():
        raise _fail(f"{name} holds what is neither true nor false.")
    return array


def _mapping(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _fail(f"has {type(value).__name__} where a JSON object belongs.")
    return value


def _only(fields: Mapping[str, Json], known: set[str], place: str) -> None:
    for name in sorted(set(fields) ^ known):
        what = "has an unknown" if name in fields else "lacks the"
        raise _fail(f"{place} {what} field {name[:80]!r}.", "Use the tinykit that wrote it.")


def _network(fields: dict[str, Json], arrays: Arrays, version: int) -> Network:
    known = {field.name for field in dataclasses.fields(Network)}
    _only(fields, known - (_OF_ADAPTIVE if version == PLAIN else set()), "the network")
    if version == ADAPTIVE and not fields["exits"]:
        raise _fail("is of the version for exits, but has none.")
    return Network(
        name=_text(fields["name"]),
        tensors=tuple(_tensor(_mapping(one)) for one in _list(fields["tensors"])),
        ops=tuple(_op(_mapping(one), arrays) for one in _list(fields["ops"])),
        input=_text(fields["input"]),
        output=_text(fields["output"]),
        labels=tuple(_text(one) for one in _list(fields["labels"])),
        frontend=None if fields["frontend"] is None else _mapping(fields["frontend"]),
        metadata=_mapping(fields["metadata"]),
        rounding=fields["rounding"],
        exits=tuple(_exit(_mapping(one)) for one in _list(fields.get("exits", []))),
        modes=tuple(_mode(_mapping(one)) for one in _list(fields.get("modes", []))),
    )


def _tensor(fields: dict[str, Json]) -> Tensor:
    _only(fields, {field.name for field in dataclasses.fields(Tensor)}, "a tensor")
    return Tensor(
        name=_text(fields["name"]),
        shape=_integers(fields["shape"]),
        bits=_integer(fields["bits"]),
        scale=_number(fields["scale"]),
        zero_point=_integer(fields["zero_point"]),
    )


def _exit(fields: dict[str, Json]) -> Exit:
    _only(fields, {field.name for field in dataclasses.fields(Exit)}, "an exit")
    return Exit(_text(fields["tensor"]))


def _mode(fields: dict[str, Json]) -> Mode:
    _only(fields, {field.name for field in dataclasses.fields(Mode)}, "a mode")
    expected = fields["expected"]
    return Mode(
        name=_text(fields["name"]),
        thresholds=tuple(_integers(one) for one in _list(fields["thresholds"])),
        expected=None if expected is None else _expected(_mapping(expected)),
    )


def _expected(fields: dict[str, Json]) -> Expected:
    _only(fields, {field.name for field in dataclasses.fields(Expected)}, "what is expected")
    return Expected(
        accuracy=_number(fields["accuracy"]),
        macro_f1=_number(fields["macro_f1"]),
        instructions=_number(fields["instructions"]),
        shares=tuple(_number(one) for one in _list(fields["shares"])),
        board=_text(fields["board"]),
    )


def _op(fields: dict[str, Json], arrays: Arrays) -> Op:
    kind = _KINDS.get(_text(fields.pop("op", None)))
    if kind is None:
        raise _fail("has an operator that this tinykit does not know.", "Update tinykit.")
    place = f"the {kind.__name__} {str(fields.get('name'))[:80]!r}"
    _only(fields, {field.name for field in dataclasses.fields(kind)}, place)
    values = {name: _READERS[name](value, arrays) for name, value in fields.items()}
    return kind(**values)


def _requantize(value: Json, arrays: Arrays) -> Requantize | Threshold:
    fields = _mapping(value)
    if "threshold" in fields:
        _only(fields, {field.name for field in dataclasses.fields(Threshold)}, "a threshold")
        return Threshold(
            threshold=_named_array(fields["threshold"], arrays),
            flip=_named_array(fields["flip"], arrays),
        )
    _only(fields, {field.name for field in dataclasses.fields(Requantize)}, "a requantize")
    return Requantize(
        multiplier=_named_array(fields["multiplier"], arrays),
        shift=_named_array(fields["shift"], arrays),
        low=_integer(fields["low"]),
        high=_integer(fields["high"]),
    )


def _rescale(value: Json, _: Arrays) -> Rescale:
    fields = _mapping(value)
    _only(fields, {field.name for field in dataclasses.fields(Rescale)}, "a rescale")
    return Rescale(
        input_multiplier=_pair(fields["input_multiplier"]),
        input_shift=_pair(fields["input_shift"]),
        output_multiplier=_integer(fields["output_multiplier"]),
        output_shift=_integer(fields["output_shift"]),
        left_shift=_integer(fields["left_shift"]),
        low=_integer(fields["low"]),
        high=_integer(fields["high"]),
    )


def _named_array(value: Json, arrays: Arrays) -> NDArray[Any]:
    name = _text(value)
    if name not in arrays:
        raise _fail(f"lacks the array {name[:80]!r}.")
    return arrays[name]


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _fail(f"has {type(value).__name__} where text belongs.")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise _fail(f"has {type(value).__name__} where a list belongs.")
    return value


def _integer(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _fail(f"has {type(value).__name__} where an integer belongs.")
    return value


def _number(value: Json) -> float:
    if not isinstance(value, float):
        raise _fail(f"has {type(value).__name__} where a real number belongs.")
    return value


def _integers(value: Json) -> tuple[int, ...]:
    return tuple(_integer(one) for one in _list(value))


def _pair(value: Json) -> tuple[int, int]:
    first, second = _integers(value)
    return first, second


_READERS: dict[str, Callable[[Json, Arrays], Any]] = {
    "name": lambda value, _: _text(value),
    "inputs": lambda value, _: tuple(_text(one) for one in _list(value)),
    "output": lambda value, _: _text(value),
    "stride": lambda value, _: _integers(value),
    "padding": lambda value, _: _integers(value),
    "kernel": lambda value, _: _integers(value),
    "dilation": lambda value, _: _integers(value),
    "depth_multiplier": lambda value, _: _integer(value),
    "weight": _named_array,
    "weight_bits": lambda value, _: _integer(value),
    "weight_scale": _named_array,
    "bias": _named_array,
    "requantize": _requantize,
    "rescale": _rescale,
    "table": _named_array,
    "recurrent": _named_array,
    "gate_multiplier": _named_array,
    "gate_shift": _named_array,
    "cell_bits": lambda value, _: _integer(value),
    "clip": lambda value, _: _integer(value),
    "axes": lambda value, _: _integers(value),
    "first": lambda value, _: _integer(value),
    "steps": _named_array,
    "exponentials": _named_array,
    "value": lambda value, arrays: value if isinstance(value, int) else _named_array(value, arrays),
    "begin": lambda value, _: _integers(value),
    "step": lambda value, _: _integers(value),
    "axis": lambda value, _: _integer(value),
    "permutation": lambda value, _: _integers(value),
    "rows": _named_array,
    "columns": _named_array,
}
