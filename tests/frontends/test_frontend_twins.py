# SPDX-License-Identifier: Apache-2.0
"""The integers stay close to the float twin, piece by piece and as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from sound_clips import corner_clips, recordings, voices

from tinykit.frontends import Imu, LogMel, Mfcc, fft
from tinykit.frontends.fixed import fit_affine, log2_fixed, log2_table
from tinykit.frontends.mel import WEIGHT_SUM


@pytest.mark.parametrize("n_fft", [64, 128, 256, 512, 1024, 4096])
@pytest.mark.parametrize("kind", ["noise", "tone", "impulse"])
def test_spectrum_is_clean(n_fft: int, kind: str) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(n_fft)
    frames = {
        "noise": rng.integers(-32768, 32768, (n_fft, 20)),
        "tone": 32000 * np.cos(2 * np.pi * np.outer(time, rng.uniform(0.05, 0.45, 20))),
        "impulse": 32767 * (time[:, None] == rng.integers(0, n_fft, 20)),
    }[kind].astype(np.int32)
    power, shift = fft.power_spectrum(
        frames, fft.sine_table(n_fft), fft.bit_reversal(n_fft // 2), n_fft // 2
    )
    got = np.sqrt(power * 4.0**shift)[1:]
    want = np.abs(np.fft.rfft(frames, axis=0))[1 : n_fft // 2]
    noise = np.sum((got - want) ** 2) / np.sum(want**2)
    # A long transform spreads as much rounding over more bins, and a tone fills only one.
    assert 10 * np.log10(noise) < (-60 if n_fft <= 512 else -50)
    assert power.max() < 2**31


def test_logarithm() -> None:
    low = np.arange(1, 1 << 16)
    high = np.unique(np.geomspace(1 << 16, (1 << 48) - 1, 100_000).astype(np.int64))
    for value in (low, high):
        got = log2_fixed(value.astype(np.int64), log2_table()) / 512
        assert np.abs(got - np.log2(value)).max() < 0.0012


def test_filters_sum_to_one_and_cover_the_range() -> None:
    filters = LogMel().filters
    dense = filters.dense()
    assert np.array_equal(dense.sum(axis=1), np.full(40, WEIGHT_SUM))
    # Every bin from 31 Hz to 4 kHz counts somewhere.
    assert np.all(dense[:, 1:].sum(axis=0) > 0)
    assert filters.bins == 128


def test_affine_rounds_to_the_nearest() -> None:
    values = np.arange(-30000, 30001, dtype=np.int32)[:, None]
    affine = fit_affine((3.3,), (7.7,), units=512.0, scale=1 / 32, limit=30000)
    want = (values / 512.0 - 3.3) / 7.7 * 32
    error = affine.apply(values) - np.clip(want, -128, 127)
    # Half a step of rounding, and a gain of 12 bits.
    assert np.abs(error).max() < 0.5 + 128 / 4096 + 0.01


@pytest.mark.parametrize("frontend", [Mfcc(), LogMel(), LogMel(upper_hz=7600.0)])
def test_integers_follow_the_float_twin(frontend: Mfcc | LogMel) -> None:
    clips = recordings()[:500]
    fitted = frontend.calibrate(clips)
    steps = np.clip(fitted.reference(clips) / fitted.scale, -128, 127)
    error = np.abs(fitted.integer(clips) - steps)
    # Rounding to int8 alone makes 0.25.
    assert error.mean() < 0.35
    assert np.percentile(error, 99) < 2.0


def test_silence_is_the_floor_and_loudness_moves_only_the_level() -> None:
    frontend = LogMel()
    assert np.all(frontend.log_energies(np.zeros((1, 16000), np.int16)) == 0)
    clips = voices(4) // 8
    quiet, loud = frontend.log_energies(clips), frontend.log_energies(clips * 8)
    audible = quiet > 8 * 512
    assert audible.mean() > 0.3
    # Eight times the amplitude is six octaves of power.
    assert np.abs(loud - quiet - 6 * 512)[audible].max() < 20


def test_a_constant_offset_is_no_sound() -> None:
    energies = LogMel().log_energies(np.full((1, 16000), 1000, np.int16))
    # What is left is the skirt of the window in the lowest filters.
    assert np.all(energies[..., 9:] < 512)


def test_energies_stay_within_their_limit() -> None:
    for frontend in (LogMel(), LogMel(floor_bits=0), LogMel(n_fft=4096, window=4096)):
        for name, clips in corner_clips(16000).items():
            energies = frontend.log_energies(clips)
            assert energies.min() >= 0, name
            assert energies.max() <= frontend.energy_limit <= 32767, name


def test_imu_follows_the_float_twin() -> None:
    rng = np.random.default_rng(0)
    clips = (rng.normal(size=(20, 128, 6)) * 900 + [0, 4096, -50, 1, 2, 3]).astype(np.int16)
    frontend = Imu().calibrate(clips)
    steps = np.clip(frontend.reference(clips) / frontend.scale, -128, 127)
    assert np.abs(frontend.integer(clips) - steps).max() < 0.54


def test_the_order_of_clips_and_batches_does_not_matter() -> None:
    clips = voices(23)
    frontend = Mfcc()
    whole = frontend.integer(clips)
    single = np.concatenate([frontend.integer(clips[i : i + 1]) for i in range(len(clips))])
    assert np.array_equal(whole, single)
    assert frontend.integer(clips[:0]).shape == (0, 49, 10, 1)
