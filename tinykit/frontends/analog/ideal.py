# SPDX-License-Identifier: Apache-2.0
"""What real filter skirts cost: the same bits from ideal mel triangles on short spectra."""

from __future__ import annotations

import numpy as np

from tinykit.frontends.analog.bank import FULL_SCALE
from tinykit.frontends.analog.recursion import Float32Array
from tinykit.frontends.fixed import FloatArray, Int16Array
from tinykit.frontends.mel import mel, mel_to_hertz, triangles
from tinykit.frontends.spectral import hann

_FRAMES_AT_ONCE = 4096


def mel_peaks(
    x: Int16Array, *, filters: int, lower_hz: float, upper_hz: float, rate: int, hop: int
) -> Float32Array:
    """Amplitudes under mel triangles, in the place of `Analog.peaks`.

    A frame of two hops around each hop, under a Hann window, gives a power spectrum; what lies
    under a triangle is a power, and its root times 2 sqrt(2) / pi is the rectified mean of a sine
    of that power.

    Args:
        x: (clips, samples) int16.
        filters, lower_hz, upper_hz: number of triangles, first and last centre, as in `Analog`.
        rate: Hz.
        hop: samples.

    Returns:
        (clips, hops, filters) float32, in full scales.
    """
    hops, window = x.shape[1] // hop, 2 * hop
    n_fft = 1 << max(window - 1, 1).bit_length()
    # A quarter of a bin is finer than the narrowest of 64 triangles.
    n_fft *= 4
    weights = _heights(filters, lower_hz, upper_hz, rate, n_fft)
    taper = hann(window)
    # A sine of power P gives this much under a triangle's top.
    energy = (taper**2).sum() * n_fft / 2.0
    padded = np.pad(x[:, : hops * hop], ((0, 0), (hop // 2, window)))
    view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop][:, :hops]
    frames = view.reshape(-1, window)
    found = np.empty((len(frames), filters), np.float32)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        part = frames[first : first + _FRAMES_AT_ONCE] / FULL_SCALE * taper
        spectrum = np.abs(np.fft.rfft(part, n_fft)[:, : n_fft // 2]) ** 2
        power = spectrum @ weights.T / energy
        found[first : first + len(part)] = 2.0 * np.sqrt(2.0) / np.pi * np.sqrt(power)
    return found.reshape(len(x), hops, filters)


def _heights(filters: int, lower_hz: float, upper_hz: float, rate: int, n_fft: int) -> FloatArray:
    """(filters, n_fft // 2): triangles of height 1 whose centres are those of `spaced`."""
    low, high = float(mel(lower_hz)), float(mel(upper_hz))
    step = (high - low) / (filters - 1)
    rows = triangles(
        n_mels=filters,
        n_fft=n_fft,
        rate=rate,
        lower_hz=float(mel_to_hertz(low - step)),
        upper_hz=float(mel_to_hertz(high + step)),
    )
    return np.asarray(rows / np.maximum(rows.max(axis=1, keepdims=True), 1e-12))
