# SPDX-License-Identifier: Apache-2.0
"""Sub-byte integers in memory: little-end first, each pixel on a byte boundary.

Element i of a pixel lies in byte i * bits // 8 at bit (i * bits) % 8, in two's complement; the bits
that pad a pixel's last byte are 0. A tensor of one dimension is one pixel. A single bit is 1 for +1
and 0 for -1.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Int8Array, integer_range

UInt8Array = NDArray[np.uint8]


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` integers of `bits` bits take without gaps."""
    return -(-count * bits // 8)


def activation_bytes(shape: Sequence[int], bits: int) -> int:
    """Bytes of an activation of `shape`: pixels times the bytes of one."""
    return math.prod(shape[:-1]) * packed_bytes(shape[-1], bits)


def pack_bits(values: NDArray[np.integer[Any]], bits: int) -> UInt8Array:
    """Pack along the last axis: (..., n) signed integers to uint8 (..., ceil(n * bits / 8)).

    Raises:
        ValueError: `bits` is not 8, 4, 2 or 1, or a value does not fit in them.
    """
    if bits not in (1, 2, 4, 8):
        raise ValueError(f"cannot pack {bits} bits; 8, 4, 2 and 1 are known")
    low, high = integer_range(bits)
    if values.size and not (low <= values.min() and values.max() <= high):
        raise ValueError(f"values {values.min()} to {values.max()} do not fit in {bits} bits")
    per_byte = 8 // bits
    if bits == 1:
        if not values.all():
            raise ValueError("one bit holds -1 and 1, not 0")
        values = (values + 1) // 2
    fields = (values.astype(np.int16) & ((1 << bits) - 1)).astype(np.uint8)
    gap = -fields.shape[-1] % per_byte
    fields = np.pad(fields, [(0, 0)] * (fields.ndim - 1) + [(0, gap)])
    fields = fields.reshape(*fields.shape[:-1], fields.shape[-1] // per_byte, per_byte)
    shifts = (np.arange(per_byte) * bits).astype(np.uint8)
    return np.bitwise_or.reduce(fields << shifts, axis=-1).astype(np.uint8)


def unpack_bits(data: UInt8Array, bits: int, count: int) -> Int8Array:
    """The inverse of `pack_bits`: (..., bytes) uint8 to (..., count) int8.

    Raises:
        ValueError: `bits` is not 8, 4, 2 or 1, or the last axis has not the bytes for `count`.
    """
    if bits not in (1, 2, 4, 8):
        raise ValueError(f"cannot unpack {bits} bits; 8, 4, 2 and 1 are known")
    if data.shape[-1] != packed_bytes(count, bits):
        raise ValueError(f"{count} values of {bits} bits are not {data.shape[-1]} bytes")
    shifts = (np.arange(8 // bits) * bits).astype(np.uint8)
    fields = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    if bits == 1:
        signed = 2 * fields.astype(np.int8) - 1
    else:
        # Shifting the field to the top of the byte and back again extends its sign.
        signed = (fields << np.uint8(8 - bits)).astype(np.int8) >> np.int8(8 - bits)
    values = signed.reshape(*data.shape[:-1], data.shape[-1] * (8 // bits))
    return values[..., :count].astype(np.int8)


def pack_activations(values: NDArray[np.integer[Any]], bits: int) -> UInt8Array:
    """Pack each pixel: (..., channels) to uint8 (..., ceil(channels * bits / 8)).

    `.tobytes()` of the result is the tensor as it lies in the device's memory.
    """
    return pack_bits(values, bits)


def unpack_activations(data: bytes | UInt8Array, shape: Sequence[int], bits: int) -> Int8Array:
    """The int8 tensor of `shape` that lies packed in `data`.

    Raises:
        ValueError: `data` has not the bytes of such a tensor.
    """
    raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1)
    if raw.size != activation_bytes(shape, bits):
        raise ValueError(f"a tensor {tuple(shape)} of {bits} bits is not {raw.size} bytes")
    pixels = raw.reshape(*shape[:-1], packed_bytes(shape[-1], bits))
    return unpack_bits(pixels, bits, shape[-1])


def fingerprint(values: NDArray[np.integer[Any]], bits: int) -> int:
    """CRC-32 of the packed bytes; what the device reports of a tensor."""
    return zlib.crc32(pack_activations(values, bits).tobytes())
