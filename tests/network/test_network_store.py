# SPDX-License-Identifier: Apache-2.0
"""The network file: same bytes for the same network, and nothing damaged or foreign is read."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.errors import TinykitError
from tinykit.frontends import from_config
from tinykit.network import Network, interpret
from tinykit.network.sample import Builder, ds_cnn, har_cnn, random_input, random_network
from tinykit.network.store import from_bytes, to_bytes

NETWORK = har_cnn("mixed", widths=(4, 4), steps=32)
DATA = to_bytes(NETWORK)


def test_there_and_back(tmp_path: Path) -> None:
    network = ds_cnn(16, "mixed")
    network.save(tmp_path / "network.tkn")
    again = Network.load(tmp_path / "network.tkn")
    assert again.digest == network.digest
    assert again.tensors == network.tensors
    assert again.labels == network.labels
    x = random_input(np.random.default_rng(0), network.tensor("input"), 5)
    assert np.array_equal(interpret(again, x), interpret(network, x))
    assert (tmp_path / "network.tkn").read_bytes() == to_bytes(again)


@pytest.mark.parametrize("seed", range(20))
def test_any_network_survives(seed: int) -> None:
    network = random_network(np.random.default_rng(seed))
    data = to_bytes(network)
    again = from_bytes(data)
    assert again.digest == network.digest
    assert to_bytes(again) == data


def test_what_json_would_change_is_the_same_before_and_after() -> None:
    network = replace(NETWORK, metadata={10: (1, 2), 9: {"b": None, "a": 0.1}, "c": True})
    again = from_bytes(to_bytes(network))
    assert again.metadata == {"10": [1, 2], "9": {"b": None, "a": 0.1}, "c": True}
    assert again.digest == network.digest


@pytest.mark.parametrize("kind", ["mfcc", "logmel", "imu"])
def test_front_ends_travel_along(kind: str) -> None:
    frontend = from_config({"kind": kind})
    builder = Builder(np.random.default_rng(0), frontend.output_shape).mean().dense(2)
    plain = builder.build()
    tensors = tuple(
        replace(t, scale=frontend.scale, zero_point=frontend.zero_point)
        if t.scale == plain.tensor("input").scale
        else t
        for t in plain.tensors
    )
    network = replace(plain, tensors=tensors, frontend=frontend.to_config())
    again = from_bytes(to_bytes(network))
    assert again.digest == network.digest
    assert again.frontend is not None
    assert from_config(again.frontend) == frontend


def test_the_digest_sees_every_part() -> None:
    digests = {NETWORK.digest}
    digests.add(replace(NETWORK, name="other").digest)
    digests.add(replace(NETWORK, labels=tuple("abcdef")).digest)
    digests.add(replace(NETWORK, metadata={"epochs": 3}).digest)
    for index, op in enumerate(NETWORK.ops):
        for field in ("weight", "bias", "weight_scale"):
            if hasattr(op, field):
                array = getattr(op, field).copy()
                array.flat[0] = 0 if array.flat[0] == 1 else 1
                ops = list(NETWORK.ops)
                ops[index] = replace(op, **{field: array})
                digests.add(replace(NETWORK, ops=tuple(ops)).digest)
    assert len(digests) == 4 + 3 * 3


@settings(deadline=None, derandomize=True)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_seen(place: int, change: int) -> None:
    data = bytearray(DATA)
    data[place] ^= change
    with pytest.raises(TinykitError):
        from_bytes(bytes(data))


@settings(deadline=None, derandomize=True)
@given(st.integers(0, len(DATA) - 1))
def test_a_cut_file_is_seen(length: int) -> None:
    with pytest.raises(TinykitError):
        from_bytes(DATA[:length])


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.booleans())
def test_noise_is_no_network(noise: bytes, zipped: bool) -> None:
    body = b"PK\x03\x04" + noise if zipped else noise
    with pytest.raises(TinykitError):
        from_bytes(body)
    with pytest.raises(TinykitError):
        from_bytes(sealed(body))
    with pytest.raises(TinykitError):
        from_bytes(DATA + noise + b"!")


def sealed(body: bytes) -> bytes:
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode()


def forged(
    change: Callable[[dict[str, Any]], None] = lambda manifest: None,
    members: Callable[[dict[str, bytes]], None] = lambda members: None,
    compression: int = zipfile.ZIP_STORED,
    rehash: bool = True,
) -> bytes:
    """A file with a right seal whose description or members were changed."""
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content.pop("network.json"))
    members(content)
    if rehash:
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        manifest["arrays"] = hashes
    change(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in {"network.json": json.dumps(manifest).encode(), **content}.items():
            archive.writestr(name, data)
        archive.comment = b" " * 71
    return sealed(buffer.getvalue()[:-71])


def test_damage_under_a_right_seal_is_no_traceback() -> None:
    """Whoever can make a seal can make any zip; most are refused and none breaks the loader."""
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        body = bytearray(DATA[:-71])
        for place in rng.integers(0, len(body), rng.integers(1, 4)):
            body[place] = rng.integers(256)
        # Most of the bytes are content; the zip's own directory lies at the end.
        body[-int(rng.integers(1, 2000))] ^= int(rng.integers(1, 256))
        if rng.random() < 0.2:
            start = int(rng.integers(0, len(body)))
            del body[start : start + int(rng.integers(1, 50))]
        try:
            from_bytes(sealed(bytes(body)))
        except TinykitError:
            refused += 1
    assert refused > 1000


def test_forging_itself_works() -> None:
    assert from_bytes(forged()).digest == NETWORK.digest


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def huge_header() -> bytes:
    """A .npy header that claims a terabyte."""
    small = npy(np.zeros(2, np.int8))
    return small.replace(b"(2,), }" + b" " * 15, b"(1099511627776,), }   ")


def nested(manifest: dict[str, Any]) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    manifest["network"]["tensors"] = deep


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "version 2": lambda m: m.update(version=3),
    "another format": lambda m: m.update(format="other"),
    "the digest": lambda m: m.update(digest="0" * 64),
    "an extra field": lambda m: m.update(extra=1),
    "no network": lambda m: m.pop("network"),
    "no digest": lambda m: m.pop("digest"),
    "an array too many": lambda m: m["arrays"].update({"999_bias.npy": "0" * 64}),
    "an unknown operator": lambda m: m["network"]["ops"][0].update(op="Softmax"),
    "an operator without a kind": lambda m: m["network"]["ops"][0].pop("op"),
    "an unknown field": lambda m: m["network"]["ops"][0].update(groups=2),
    "a missing field": lambda m: m["network"]["ops"][0].pop("stride"),
    "text for a pair": lambda m: m["network"]["ops"][0].update(stride="11"),
    "a truth value": lambda m: m["network"]["ops"][0].update(stride=[True, True]),
    "a long pair": lambda m: m["network"]["ops"][0].update(stride=[1, 1, 1]),
    "a vast stride": lambda m: m["network"]["ops"][0].update(stride=[10**30, 1]),
    "no requantize": lambda m: m["network"]["ops"][0].update(requantize=None),
    "an array elsewhere": lambda m: m["network"]["ops"][0].update(weight="../../etc/passwd"),
    "another array": lambda m: m["network"]["ops"][0].update(weight="000_bias.npy"),
    "a vast tensor": lambda m: m["network"]["tensors"][0].update(shape=[65535] * 3),
    "infinite scale": lambda m: m["network"]["tensors"][0].update(scale=float("inf")),
    "an integer scale": lambda m: m["network"]["tensors"][0].update(scale=1),
    "a list for a tensor": lambda m: m["network"]["tensors"].append([]),
    "an integer label": lambda m: m["network"].update(labels=[1, 2, 3, 4, 5, 6]),
    "an unknown front end": lambda m: m["network"].update(frontend={"kind": "camera"}),
    "text for a front end": lambda m: m["network"].update(frontend="mfcc"),
    "an unhashable rounding": lambda m: m["network"].update(rounding=[]),
    "deep nesting": nested,
}

MEMBERS: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "an array missing": lambda f: f.pop("000_weight.npy"),
    "a path": lambda f: f.update({"../evil.npy": b""}),
    "an absolute path": lambda f: f.update({"/tmp/000_bias.npy": b""}),
    "a foreign file": lambda f: f.update({"notes.txt": b""}),
    "an array no one names": lambda f: f.update({"900_bias.npy": npy(np.zeros(1, np.int8))}),
    "no .npy": lambda f: f.update({"000_weight.npy": b"text"}),
    "a cut .npy": lambda f: f.update({"000_weight.npy": f["000_weight.npy"][:-1]}),
    "a pickle": lambda f: f.update({"000_weight.npy": npy(np.array([{}]), allow_pickle=True)}),
    "floats for weights": lambda f: f.update({"000_weight.npy": npy(np.zeros(3))}),
    "Fortran order": lambda f: f.update(
        {"000_weight.npy": npy(np.asfortranarray(np.zeros((4, 7, 2, 6), np.int8)))}
    ),
    "a terabyte": lambda f: f.update({"000_weight.npy": huge_header()}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_foreign_descriptions_are_refused(change: str) -> None:
    with pytest.raises(TinykitError) as caught:
        from_bytes(forged(CHANGES[change]), where="x.tkn")
    assert str(caught.value).startswith("x.tkn: ")
    assert caught.value.remedy


@pytest.mark.parametrize("change", MEMBERS)
def test_foreign_members_are_refused(change: str) -> None:
    with pytest.raises(TinykitError) as caught:
        from_bytes(forged(members=MEMBERS[change]))
    assert caught.value.remedy


def test_an_array_that_was_changed_is_named() -> None:
    def change(members: dict[str, bytes]) -> None:
        members["000_bias.npy"] = members["000_bias.npy"][:-1] + b"\x7f"

    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        hashes = json.loads(archive.read("network.json"))["arrays"]
    data = forged(lambda m: m.update(arrays=hashes), change)
    with pytest.raises(TinykitError, match=r"000_bias\.npy does not match"):
        from_bytes(data)


def test_compressed_members_are_refused() -> None:
    """Only stored members are read, so that no small file unfolds into a large one."""
    with pytest.raises(TinykitError, match="compressed"):
        from_bytes(forged(compression=zipfile.ZIP_DEFLATED))


def test_another_version_says_what_to_do() -> None:
    with pytest.raises(TinykitError, match=r"version 3; .* Update tinykit"):
        from_bytes(forged(lambda m: m.update(version=3)))


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    data = bytearray(DATA)
    data[len(data) // 2] ^= 1
    path = tmp_path / "network.tkn"
    path.write_bytes(data)
    with pytest.raises(TinykitError, match=r"network\.tkn: is damaged"):
        Network.load(path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "network.tkn"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(TinykitError, match="larger than"):
        Network.load(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="cannot be read"):
        Network.load(tmp_path / "none.tkn")
    with pytest.raises(TinykitError, match="cannot be read"):
        Network.load(tmp_path)
