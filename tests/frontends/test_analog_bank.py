# SPDX-License-Identifier: Apache-2.0
"""Filters of the analog front end: as transfer functions, as parts, and as blocks of samples."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import signal
from sound_clips import voices

from tinykit.errors import TinykitError
from tinykit.frontends import Analog, from_config
from tinykit.frontends.analog import (
    Bank,
    Dac,
    Envelopes,
    Response,
    Tolerances,
    design,
    divide,
    exact,
    latched,
    mel_peaks,
    nominal_unit,
    sample_unit,
)
from tinykit.frontends.analog.series import SERIES, nearest

SIXTEEN = Analog().wanted
FREQUENCIES = np.geomspace(20.0, 7600.0, 400)


def _scipy(response: Response, index: int, frequency: np.ndarray) -> np.ndarray:
    w0, q, gain = (float(v[index]) for v in (response.centre, response.quality, response.gain))
    w0 *= 2 * np.pi
    return signal.freqs([gain * w0 / q, 0], [1, w0 / q, w0**2], 2 * np.pi * frequency)[1]


def test_centres_and_qualities_are_those_of_the_paper() -> None:
    assert SIXTEEN.centre[[0, -1]] == pytest.approx([166, 6761])
    assert SIXTEEN.quality[[0, -1]] == pytest.approx([1.3, 6.5], abs=0.25)
    assert np.all(np.diff(SIXTEEN.quality) > 0)
    octaves = np.diff(np.log2(Analog(spacing="log").wanted.centre))
    assert np.ptp(octaves) < 1e-9


@pytest.mark.parametrize("filters", [4, 16, 64])
def test_the_recursion_follows_the_transfer_function(filters: int) -> None:
    response = Analog(filters=filters).wanted
    b, a = response.biquads(16000)
    for index in range(filters):
        want = np.abs(_scipy(response, index, FREQUENCIES))
        got = np.abs(signal.freqz(b[index], a[index], worN=FREQUENCIES, fs=16000)[1])
        decibels = 20 * np.abs(np.log10(got / want))
        # Near half the rate it is hardest; prewarped bilinear filters miss by 20 dB there.
        low = response.centre[index] < 3000
        assert decibels.max() < (1.1 if low else 4.5)
        assert decibels[want > 0.5 * response.gain[index]].max() < (0.95 if low else 2.6)
        middle = signal.freqz(b[index], a[index], worN=response.centre[[index]], fs=16000)[1]
        assert abs(middle[0]) == pytest.approx(response.gain[index], rel=1e-6)


@pytest.mark.parametrize("hop", [160, 161, 67])
def test_blocks_equal_the_recursion_sample_by_sample(hop: int) -> None:
    x = np.random.default_rng(0).integers(-32768, 32768, (3, 5 * hop + 7)).astype(np.int16)
    tau, whole = 0.004, 5 * hop
    got = Bank(SIXTEEN, 16000, hop, tau).waveforms(x)
    left = np.exp(-1 / (16000 * tau))
    for index, (b, a) in enumerate(zip(*SIXTEEN.biquads(16000), strict=True)):
        y = np.abs(signal.lfilter(b, a, x[:, :whole] / 32768.0))
        want = signal.lfilter([1 - left], [1, -left], y)
        assert np.abs(got[:, index] - want).max() < 2e-6
    peaks = got.reshape(3, 16, 5, hop).max(axis=3).transpose(0, 2, 1)
    assert np.array_equal(Bank(SIXTEEN, 16000, hop, tau).peaks(x), peaks)


def test_series_are_those_of_the_standard() -> None:
    assert SERIES["E6"] == (1.0, 1.5, 2.2, 3.3, 4.7, 6.8)
    assert [SERIES["E96"][i] for i in (0, 1, 24, 48, 95)] == [1.0, 1.02, 1.78, 3.16, 9.76]
    assert nearest([9.9e3, 1.06e-9, 333e3], "E24") == pytest.approx([1e4, 1.1e-9, 330e3])


@pytest.mark.parametrize("filters", [4, 8, 16, 64])
def test_parts_make_the_filters(filters: int) -> None:
    wanted = Analog(filters=filters).wanted
    ideal = exact(wanted).ideal()
    assert ideal.centre == pytest.approx(wanted.centre, rel=1e-9)
    assert ideal.quality == pytest.approx(wanted.quality, rel=1e-9)
    assert ideal.gain == pytest.approx(wanted.gain, rel=1e-9)
    for series, width in (("E24", 0.25), ("E96", 0.1)):
        parts = design(wanted, series)
        made = parts.ideal()
        for part in (parts.r1, parts.r3, parts.r2[np.isfinite(parts.r2)]):
            assert nearest(part, series) == pytest.approx(part, rel=1e-12)
        # In shares of a filter's width: what moves a centre within its band.
        off = np.abs(made.centre / wanted.centre - 1) * wanted.quality
        assert off.max() < width, series
        assert np.abs(made.quality / wanted.quality - 1).max() < width, series


def _nodal(parts: object, index: int, hertz: float, gain_bandwidth: float) -> complex:
    """The circuit's node equations, solved; unknown: node, inverting input, output."""
    r1, r2, r3, c1, c2 = (getattr(parts, n)[index] for n in ("r1", "r2", "r3", "c1", "c2"))
    s = 2j * np.pi * hertz
    gain = 2 * np.pi * gain_bandwidth / s
    matrix = np.array(
        [
            [1 / r1 + 1 / r2 + s * (c1 + c2), -s * c2, -s * c1],
            [-s * c2, s * c2 + 1 / r3, -1 / r3],
            [0, gain, 1],
        ]
    )
    return complex(np.linalg.solve(matrix, [1 / r1, 0, 0])[2])


@pytest.mark.parametrize("gain_bandwidth", [3e5, 1e6, 1e9])
def test_a_slow_op_amp_shifts_a_stage_as_its_circuit_says(gain_bandwidth: float) -> None:
    parts = design(SIXTEEN, "E96")
    found = parts.response(gain_bandwidth)
    for index in (0, 7, 15):
        near = found.centre[index] * np.array([0.8, 1.0, 1.25])
        want = [abs(_nodal(parts, index, hertz, gain_bandwidth)) for hertz in near]
        assert np.abs(found.analog(near)[index]) == pytest.approx(want, rel=0.02)
    ideal = parts.ideal()
    fall = 1 - found.centre / ideal.centre
    assert fall == pytest.approx(ideal.quality * ideal.centre / gain_bandwidth, rel=0.2)


def test_units_stray_within_the_tolerances_and_repeat() -> None:
    parts = Analog().stages
    tolerances = Tolerances(gain_bandwidth=1e12)
    draws = [sample_unit(parts, tolerances, np.random.default_rng(seed)) for seed in range(40)]
    again = sample_unit(parts, tolerances, np.random.default_rng(0))
    assert np.array_equal(draws[0].response.centre, again.response.centre)
    ratio = np.array([one.response.centre for one in draws]) / parts.ideal().centre
    # Capacitors within 5 % and resistors within 1 % move a centre by 6 % and a little drift.
    assert 0.03 < np.abs(ratio - 1).max() < 0.065
    assert np.abs(ratio.mean(axis=0) - 1).max() < 0.015
    assert np.ptp([one.microphone for one in draws]) > 0.1
    none = Tolerances(gain_bandwidth=1e12, noise=0.0).times(0.0)
    exact_unit = sample_unit(parts, none, np.random.default_rng(1))
    assert exact_unit.response.centre == pytest.approx(parts.ideal().centre, rel=1e-6)


def test_noise_of_a_unit_appears_behind_its_filters() -> None:
    bank = Analog()
    unit = nominal_unit(bank.stages, Tolerances(noise=1e-6))
    silence = np.zeros((6, 16000), np.int16)
    assert bank.peaks(silence, unit).max() == 0.0
    y = bank.bank(unit).waveforms(silence, np.random.default_rng(0))[:, :, 1000:]
    # Rectified noise of density d behind a band-pass of noise bandwidth pi f0 / 2 Q.
    width = np.pi / 2 * unit.response.centre / unit.response.quality
    want = np.sqrt(2 / np.pi) * unit.noise * np.sqrt(width) * unit.response.gain
    assert y.mean(axis=(0, 2)) == pytest.approx(want, rel=0.12)


def test_thresholds_follow_the_sound_and_silence_fires_nothing() -> None:
    clips = voices(6)
    bank = Analog(threshold="adaptive").calibrate(clips)
    usual = bank.bits(clips)
    assert 0.05 < usual.mean() < 0.6
    for gain, least in ((0.5, 0.93), (2.0, 0.93)):
        other = bank.bits(np.clip(clips * gain, -32768, 32767).astype(np.int16))
        assert np.mean(other == usual) > least
    # Faint noise after a loud word stays below the floor, however small the reference has become.
    noise = np.random.default_rng(0).integers(-20, 21, (2, 16000)).astype(np.int16)
    noise[0, :1600] = clips[0, 7200:8800]
    assert not bank.bits(noise)[0, 30:].any()
    assert not bank.bits(noise)[1].any()
    assert not Analog().with_levels(np.zeros(16)).bits(noise)[1].any()


def test_adaptive_thresholds_are_causal() -> None:
    clips = voices(2)
    later = clips.copy()
    later[:, 8000:] = 0
    bank = Analog(threshold="adaptive", hysteresis=0.002)
    assert np.array_equal(bank.bits(clips)[:, :50], bank.bits(later)[:, :50])


def test_peaks_are_what_a_latch_sees() -> None:
    clips = voices(3)
    bank = Analog().calibrate(clips)
    waveforms = bank.bank().waveforms(clips)
    levels = np.maximum(bank.levels, bank.floor)
    assert np.array_equal(latched(waveforms, levels, 0.0, bank.hop), bank.bits(clips))
    held = Analog(hysteresis=0.0005, levels=bank.levels)
    agree = np.mean(latched(waveforms, levels, 0.0005, bank.hop) == held.bits(clips))
    assert agree > 0.995


def test_an_offset_and_the_supply_move_bits() -> None:
    clips = voices(3)
    bank = Analog().calibrate(clips)
    unit = nominal_unit(bank.stages, Tolerances())
    usual = bank.bits(clips, unit).sum()
    low = type(unit)(unit.response, unit.noise, unit.offset - 0.002)
    droop = type(unit)(unit.response, unit.noise, unit.offset, supply=0.7)
    assert bank.bits(clips, low).sum() > usual
    assert bank.bits(clips, droop).sum() > usual


def test_a_dac_and_dividers_give_what_they_can() -> None:
    volts = np.array([0.0004, 0.01, 0.3, 0.99])
    dac = Dac(bits=8, vref=1.0)
    assert dac.codes(volts).tolist() == [1, 3, 77, 253]
    assert np.abs(dac.realise(volts) - volts).max() <= 0.5 / 256 + 1 / 256
    for series, bound in (("E24", 0.05), ("E96", 0.0125)):
        pair = divide(volts, 1.0, series)
        assert pair.volts == pytest.approx(pair.bottom / (pair.top + pair.bottom))
        assert pair.volts == pytest.approx(volts, rel=bound)
    for bad in (lambda: dac.codes(np.array([1.0])), lambda: divide(np.array([0.0]), 1.0, "E24")):
        with pytest.raises(TinykitError, match="between 0 V and the reference"):
            bad()


def test_mel_triangles_measure_a_sine_like_the_envelopes_do() -> None:
    bank = Analog()
    time = np.arange(16000) / 16000
    tones = [8000 * np.sin(2 * np.pi * hertz * time) for hertz in bank.wanted.centre[[2, 8, 15]]]
    clips = np.rint(tones).astype(np.int16)
    settings = {"filters": 16, "lower_hz": 166.0, "upper_hz": 6761.0, "rate": 16000, "hop": 160}
    ideal = mel_peaks(clips, **settings)
    real = bank.peaks(clips)
    for clip, index in enumerate((2, 8, 15)):
        want = real[clip, 50, index]
        assert ideal[clip, 50, index] == pytest.approx(want, rel=0.35)
        # Skirts: a triangle two steps away has nothing, a real filter does.
        assert ideal[clip, 50, index - 2] < 0.1 * real[clip, 50, index - 2]


def test_settings_of_the_analog_front_end_are_read_back() -> None:
    bank = Analog(filters=8, threshold="adaptive", series="E24").calibrate(voices(2))
    assert from_config(json.loads(json.dumps(bank.to_config()))) == bank
    assert bank.output_shape == (100, 1, 8)
    for field, value in (
        *(("filters", 3), ("spacing", "bark"), ("series", "E7"), ("hop", 1)),
        *(("levels", [0.1] * 3), ("upper_hz", 7900.0), ("threshold", "none")),
    ):
        with pytest.raises(TinykitError, match=f"'{field}'"):
            from_config({"kind": "analog", field: value})


@pytest.mark.parametrize("threshold", ["fixed", "adaptive"])
def test_thresholds_on_envelopes_are_levels_of_comparators(threshold: str) -> None:
    clips = voices(4)
    bank = Analog(filters=8, threshold=threshold, floor=0.004).calibrate(clips)
    envelopes = Envelopes(bank, units=1.0)
    features = envelopes.integer(clips)[:, :, 0]
    least = np.percentile(features, 70, axis=(0, 1)).round().clip(-126, None)
    bits = envelopes.with_thresholds(least * envelopes.scale).bits(clips)
    # Levels are rounded to six digits, a step of a feature is 1.7 %.
    assert np.mean(bits == (features >= least)) > 0.9995
    assert 0.05 < bits.mean() < 0.95
    unit = sample_unit(bank.stages, Tolerances(), np.random.default_rng(3))
    drawn = envelopes.drawn(clips, np.random.default_rng(3))[:, :, 0]
    heard = envelopes.with_thresholds(least * envelopes.scale).bits(clips, unit)
    assert np.mean(heard == (drawn >= least)) > 0.9995
    assert np.mean(drawn != features) > 0.1


def test_silence_is_the_least_envelope_whatever_the_threshold() -> None:
    envelopes = Envelopes(Analog(filters=8, threshold="adaptive", floor=0.004))
    assert np.all(envelopes.integer(np.zeros((1, 16000), np.int16)) == -128)
