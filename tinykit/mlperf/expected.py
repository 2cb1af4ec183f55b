# SPDX-License-Identifier: Apache-2.0
"""What the firmware must answer: bytes of an input to features, output integers to the text sent.

The twin of firmware/src/mlperf, number for number.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.mlperf import Task
from tinykit.network import Network, interpret
from tinykit.network.ops import Tensor

Int8Array = NDArray[np.int8]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """Of one inference.

    Attributes:
        results: what stands between the brackets of "m-results-[...]".
        crc: CRC-32 of the output integers, eight hexadecimal digits.
    """

    results: str
    crc: str

    @property
    def numbers(self) -> tuple[float, ...]:
        """The results as numbers."""
        return tuple(float(text) for text in self.results.split(","))


def features_of(task: Task, network: Network, pieces: Sequence[bytes]) -> Int8Array:
    """The network's input for each piece, which has the size of one: int8 (n, *input shape)."""
    source = network.tensor(network.input)
    raw = np.frombuffer(b"".join(pieces), np.uint8)
    if task.input == "int8":
        values = raw.view(np.int8)
    elif task.input == "uint8":
        values = (raw.astype(np.int16) - 128).astype(np.int8)
    else:
        values = quantize(raw.view("<f4"), source)
    return values.reshape(len(pieces), *source.shape)


def quantize(x: FloatArray, tensor: Tensor) -> Int8Array:
    """Singles to integers in single precision, rounded half away from zero, clamped.

    NaN becomes the least integer.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.nan_to_num(x / np.float32(tensor.scale), nan=-1024.0)
    # Exact in double precision, where adding one half cannot round.
    steps = np.clip(steps, -1024.0, 1024.0).astype(np.float64)
    rounded = np.trunc(steps + np.copysign(0.5, steps))
    return np.clip(rounded + tensor.zero_point, -128, 127).astype(np.int8)


def expect(task: Task, network: Network, pieces: Sequence[bytes]) -> list[Answer]:
    """What the firmware must answer to each piece, by the interpreter."""
    outputs = interpret(network, features_of(task, network, pieces)).reshape(len(pieces), -1)
    result = network.tensor(network.output)
    if task.result == "error":
        sent = np.frombuffer(b"".join(pieces), "<f4").reshape(len(pieces), -1)
        texts = [decimal(error) for error in errors(sent, outputs, result)]
    else:
        texts = [",".join(map(decimal, row)) for row in dequantize(outputs, result)]
    return [
        Answer(text, f"{zlib.crc32(row.tobytes()):08x}")
        for text, row in zip(texts, outputs, strict=True)
    ]


def dequantize(q: Int8Array, tensor: Tensor) -> FloatArray:
    """scale * (q - zero point), in single precision."""
    steps = (q.astype(np.int32) - tensor.zero_point).astype(np.float32)
    return np.asarray(steps * np.float32(tensor.scale), np.float32)


def errors(sent: FloatArray, outputs: Int8Array, tensor: Tensor) -> FloatArray:
    """Mean squared error of each row, (n,): summed in single precision from first to last."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.square(dequantize(outputs, tensor) - sent, dtype=np.float32)
        sums = np.cumsum(squares, axis=1, dtype=np.float32)[:, -1]
    return np.asarray(sums / np.float32(sent.shape[1]), np.float32)


def decimal(value: np.float32) -> str:
    """Three decimals of the exact value, rounded half to even; "inf" from 2^32 on."""
    number = float(value)
    if abs(number) >= 2.0**32:
        return "-inf" if number < 0 else "inf"
    return f"{number:.3f}"
