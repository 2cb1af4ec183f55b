# SPDX-License-Identifier: Apache-2.0
"""The C of every front end gives the integers of the Python, bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from frontend_host import build, build_cortex_m4, emulate, push
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_clips import corner_clips, recordings, voices

from tinykit.frontends import Frontend, Imu, LogMel, Mfcc

SOUND = {
    "mfcc": Mfcc(),
    "mfcc to 7.6 kHz": Mfcc(upper_hz=7600.0, n_mels=80, n_fft=1024, n_coefficients=13),
    "logmel": LogMel(),
    "8 kHz": LogMel(rate=8000, input_length=8000, window=240, hop=160, n_fft=256, n_mels=20),
    "no overlap": LogMel(window=400, hop=400, n_mels=32),
    "whole window": LogMel(window=512, hop=1, input_length=700, lower_hz=0.0, upper_hz=8000.0),
    "no floor": LogMel(floor_bits=0),
    "high floor": LogMel(floor_bits=24),
    "smallest transform": LogMel(n_fft=64, window=18, hop=17, n_mels=3, input_length=400),
    "largest transform": Mfcc(n_fft=4096, window=4094, hop=2000, n_mels=128, n_coefficients=128),
}


@pytest.mark.parametrize("name", SOUND)
def test_c_equals_python(name: str, tmp_path: Path) -> None:
    groups = corner_clips(SOUND[name].input_length)
    frontend = SOUND[name].calibrate(np.concatenate([groups["noise"], groups["fading"]]))
    program = build(frontend, tmp_path)
    for group, clips in groups.items():
        got = push(program, frontend, clips, [frontend.hop])
        assert np.array_equal(got, frontend.integer(clips)), group


@pytest.mark.parametrize(
    ("frontend", "flags"),
    [(Mfcc(), ()), (Mfcc(), ("-DTK_EMULATE_DSP",)), (LogMel(), ())],
    ids=["mfcc", "mfcc with DSP", "logmel"],
)
def test_c_equals_python_on_all_test_recordings(
    frontend: Mfcc | LogMel, flags: tuple[str, ...], tmp_path: Path
) -> None:
    clips = recordings()
    fitted = frontend.calibrate(clips[:200])
    got = push(build(fitted, tmp_path, *flags), fitted, clips, [320])
    assert np.array_equal(got, fitted.integer(clips))


@cache
def _program(frontend: Frontend) -> Path:
    return build(frontend, Path(mkdtemp(prefix="tinykit-frontend-")))


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=20),
    seed=st.integers(0, 2**32 - 1),
    level=st.integers(0, 15),
)
def test_how_samples_are_cut_does_not_matter(sizes: list[int], seed: int, level: int) -> None:
    frontend = Mfcc()
    rng = np.random.default_rng(seed)
    clips = rng.integers(-(2**level), 2**level, (2, 16000)).astype(np.int16)
    got = push(_program(frontend), frontend, clips, sizes)
    assert np.array_equal(got, frontend.integer(clips))


@settings(deadline=None, max_examples=20)
@given(
    channels=st.integers(1, 9),
    length=st.integers(1, 300),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_imu_equals_python(
    channels: int,
    length: int,
    sizes: list[int],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.integers(-32768, 32768, (2, channels)), axis=0)
    clips = rng.integers(low, high + 1, (4, length, channels)).astype(np.int16)
    frontend = Imu(channels=channels, input_length=length).calibrate(clips)
    program = build(frontend, tmp_path_factory.mktemp("imu"))
    got = push(program, frontend, clips, sizes)
    assert np.array_equal(got, frontend.integer(clips))


def test_the_dsp_path_of_a_cortex_m4_equals_python(tmp_path: Path) -> None:
    frontend = Mfcc(n_mels=39).calibrate(voices(4))
    groups = corner_clips(frontend.input_length)
    clips = np.concatenate([*groups.values(), voices(4, seed=1)])
    got = emulate(build_cortex_m4(frontend, tmp_path), frontend, clips, [320])
    assert np.array_equal(got, frontend.integer(clips))
