# SPDX-License-Identifier: Apache-2.0
"""Pictures of the analog front end: its filters with their tolerances, a recording and its bits."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tinykit.frontends.analog import Analog, Tolerances, nominal_unit, sample_unit
from tinykit.frontends.analog.channels import points
from tinykit.frontends.fixed import FloatArray, Int16Array
from tinykit.frontends.spectral import hann
from tinykit.report.plots import _line, _rect, _svg, _text, short

_WIDTH, _LEFT, _RIGHT = 976.0, 56.0, 12.0
_WIDE = _WIDTH - _LEFT - _RIGHT
_LOWEST_DB = -30.0
#: Rows of the spectrogram, and how far below its loudest point it fades out, dB.
_ROWS, _DEPTH = 96, 60.0
#: The red, green and blue of the spectrogram; its loudness is its opacity.
_INK = (0x17, 0x67, 0x7F)


def tolerance_bands(front: Analog, tolerances: Tolerances, units: int, seed: int) -> Markup:
    """Gain of every filter over frequency, with the range of nine in ten manufactured units."""
    rng = np.random.default_rng(seed)
    hertz = np.geomspace(60.0, 0.5 * front.rate, 160)
    nominal = _decibels(nominal_unit(front.stages, tolerances).response.analog(hertz))
    drawn = [sample_unit(front.stages, tolerances, rng).response for _ in range(units)]
    low, high = np.percentile([_decibels(one.analog(hertz)) for one in drawn], [5, 95], axis=0)
    height, top, bottom = 300.0, 8.0, 30.0

    def x_of(f: float) -> float:
        return _LEFT + _WIDE * float(np.log(f / hertz[0]) / np.log(hertz[-1] / hertz[0]))

    def y_of(db: float) -> float:
        return top + (6.0 - max(db, _LOWEST_DB)) / (6.0 - _LOWEST_DB) * (height - top - bottom)

    parts = []
    for db in (0, -10, -20, -30):
        parts.append(_line(_LEFT, y_of(db), _WIDTH - _RIGHT, y_of(db), "grid"))
        parts.append(_text(_LEFT - 6, y_of(db) + 4, f"{db} dB", "tick", "end"))
    for f in (100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0):
        parts.append(_line(x_of(f), top, x_of(f), height - bottom, "grid"))
        parts.append(_text(x_of(f), height - bottom + 16, _hertz(f), "tick", "middle"))
    for index in range(front.filters):
        shown = high[index] > _LOWEST_DB
        edge = [f"{x_of(f):.1f},{y_of(v):.1f}" for f, v in zip(hertz, high[index], strict=True)]
        back = [f"{x_of(f):.1f},{y_of(v):.1f}" for f, v in zip(hertz, low[index], strict=True)]
        edge = [p for p, one in zip(edge, shown, strict=True) if one]
        back = [p for p, one in zip(back, shown, strict=True) if one]
        parts.append(f'<polygon points="{" ".join([*edge, *back[::-1]])}" class="band"/>')
        curve = " ".join(
            f"{x_of(f):.1f},{y_of(v):.1f}"
            for f, v in zip(hertz, nominal[index], strict=True)
            if v > _LOWEST_DB
        )
        parts.append(f'<polyline points="{curve}" class="curve validation"/>')
    return _svg(_WIDTH, height, "gain of the filters", parts)


def _decibels(response: NDArray[np.complex128]) -> FloatArray:
    return np.asarray(20.0 * np.log10(np.maximum(np.abs(response), 1e-6)), np.float64)


def recording(front: Analog, x: Int16Array, bits: NDArray[np.bool_]) -> Markup:
    """The spectrogram of a recording above its bits, on one axis of time and of filters.

    Args:
        front: the front end.
        x: (samples,) int16.
        bits: (hops, filters).
    """
    high, gap, bottom = 192.0, 14.0, 24.0
    row = high / front.filters
    picture = b64encode(_png(_loudness(front, x))).decode()
    parts = [
        _rect(_LEFT, 0, _WIDE, high, "track"),
        f'<image x="{_LEFT}" y="0" width="{_WIDE}" height="{high}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{picture}"/>',
        _rect(_LEFT, high + gap, _WIDE, high, "track"),
    ]
    wide = _WIDE / len(bits)
    for index in range(front.filters):
        y = high + gap + (front.filters - 1 - index) * row
        for first, end in _runs(bits[:, index]):
            parts.append(_rect(_LEFT + first * wide, y, (end - first) * wide, row, "bar"))
    for index in (0, front.filters // 3, 2 * front.filters // 3, front.filters - 1):
        name = _hertz(float(front.wanted.centre[index]))
        for top in (0.0, high + gap):
            y = top + (front.filters - 0.5 - index) * row + 4
            parts.append(_text(_LEFT - 6, y, name, "tick", "end"))
    seconds = len(bits) * front.hop / front.rate
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x_at, y = _LEFT + share * _WIDE, 2 * high + gap + 16
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        parts.append(_text(x_at, y, f"{share * seconds:.2f} s", "tick", anchor))
    return _svg(_WIDTH, 2 * high + gap + bottom, "a recording and its bits", parts)


def _runs(column: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, end) of each run of ones."""
    edges = np.flatnonzero(np.diff(np.pad(column.astype(np.int8), 1)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _loudness(front: Analog, x: Int16Array) -> NDArray[np.uint8]:
    """(rows, hops): opacity, the highest frequency first, on the axis of the filters."""
    window, n_fft = 3 * front.hop, 2048
    padded = np.pad(x.astype(np.float64), (front.hop, 2 * front.hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: front.hop]
    hops = len(x) // front.hop
    size = max(n_fft, 1 << (window - 1).bit_length())
    spectrum = np.abs(np.fft.rfft(frames[:hops] * hann(window), size)) ** 2
    half = 0.5 / (front.filters - 1)
    at = points(
        np.linspace(1.0 + half, -half, _ROWS), front.lower_hz, front.upper_hz, front.spacing
    )
    bins = np.clip(np.rint(at / front.rate * size).astype(np.int64), 0, size // 2)
    db = 10.0 * np.log10(spectrum[:, bins].T + 1.0)
    return np.rint(np.clip((db - db.max() + _DEPTH) / _DEPTH, 0.0, 1.0) * 255.0).astype(np.uint8)


def _png(opacity: NDArray[np.uint8]) -> bytes:
    """An image of one colour in 256 opacities (PNG, ISO/IEC 15948, with a palette)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows, columns = opacity.shape
    lines = b"".join(b"\0" + line.tobytes() for line in opacity)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", bytes(_INK) * 256),
            chunk(b"tRNS", bytes(range(256))),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        )
    )


def _hertz(value: float) -> str:
    space = "" if value >= 1000.0 else "\N{NO-BREAK SPACE}"
    return f"{short(value)}{space}Hz"
