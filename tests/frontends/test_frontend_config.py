# SPDX-License-Identifier: Apache-2.0
"""Settings of a front end: round trips, calibration, and errors that name the field."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sound_clips import voices

from tinykit.errors import TinykitError
from tinykit.frontends import Analog, Frontend, Imu, LogMel, Mfcc, from_config
from tinykit.frontends.render import c_headers, c_sources, render_frontend

IMU_CLIPS = np.random.default_rng(0).normal(0, 500, (9, 128, 6)).astype(np.int16)


def test_shapes_of_the_defaults() -> None:
    assert Mfcc().output_shape == (49, 10, 1)
    assert LogMel().output_shape == (49, 40, 1)
    assert Imu().output_shape == (128, 1, 6)


@pytest.mark.parametrize(
    "frontend",
    [Mfcc(), LogMel(n_mels=32).calibrate(voices(3)), Imu().calibrate(IMU_CLIPS)],
    ids=["mfcc", "logmel", "imu"],
)
def test_config_round_trip(frontend: Frontend) -> None:
    config = json.loads(json.dumps(frontend.to_config()))
    assert from_config(config) == frontend


@pytest.mark.parametrize("clip", [0.35, 0.5, 2.3])
@pytest.mark.parametrize("kind", [Mfcc, LogMel, Imu])
def test_scales_are_those_of_a_network(kind: type[Mfcc | LogMel | Imu], clip: float) -> None:
    scale = kind(clip=clip).scale
    assert scale == float(np.float32(scale))


def test_fields_left_out_take_their_defaults() -> None:
    assert from_config({"kind": "mfcc", "upper_hz": 7000}) == Mfcc(upper_hz=7000.0)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("kind", {"kind": "cepstrum"}),
    ("kind", {}),
    ("colour", {"kind": "mfcc", "colour": 3}),
    ("rate", {"kind": "mfcc", "rate": 16000.5}),
    ("rate", {"kind": "mfcc", "rate": True}),
    ("n_fft", {"kind": "mfcc", "n_fft": 500}),
    ("n_fft", {"kind": "mfcc", "n_fft": 8192}),
    ("window", {"kind": "mfcc", "window": 513}),
    ("window", {"kind": "mfcc", "window": 479}),
    ("hop", {"kind": "mfcc", "hop": 481}),
    ("hop", {"kind": "mfcc", "hop": 0}),
    ("input_length", {"kind": "mfcc", "input_length": 479}),
    ("n_mels", {"kind": "mfcc", "n_mels": 128}),
    ("n_mels", {"kind": "logmel", "n_mels": "40"}),
    ("n_coefficients", {"kind": "mfcc", "n_coefficients": 41}),
    ("upper_hz", {"kind": "mfcc", "upper_hz": 8001.0}),
    ("upper_hz", {"kind": "mfcc", "upper_hz": float("nan")}),
    ("lower_hz", {"kind": "mfcc", "lower_hz": 4000.0}),
    ("floor_bits", {"kind": "logmel", "floor_bits": 25}),
    ("clip", {"kind": "logmel", "clip": 0.0}),
    ("centre", {"kind": "mfcc", "centre": [0.0] * 9, "spread": [1.0] * 10}),
    ("spread", {"kind": "mfcc", "centre": [0.0] * 10}),
    ("spread[1]", {"kind": "mfcc", "centre": [0.0] * 10, "spread": [1.0, 0.0] * 5}),
    ("centre[0]", {"kind": "imu", "channels": 1, "centre": ["x"], "spread": [1.0]}),
    ("channels", {"kind": "imu", "channels": 0}),
    ("input_length", {"kind": "imu", "input_length": None}),
]


@pytest.mark.parametrize(("field", "config"), BAD)
def test_errors_name_the_field(field: str, config: dict[str, Any]) -> None:
    with pytest.raises(TinykitError, match=f"'{field}'".replace("[", r"\[")):
        from_config(config)


@pytest.mark.parametrize(
    "clips",
    [np.zeros((2, 15999), np.int16), np.zeros((2, 16000), np.int32), np.zeros(16000, np.int16)],
)
def test_clips_of_another_shape_are_refused(clips: np.ndarray) -> None:
    with pytest.raises(TinykitError, match="int16"):
        Mfcc().integer(clips)


def test_calibration_uses_the_int8_range() -> None:
    clips = voices(40)
    frontend = Mfcc().calibrate(clips)
    features = frontend.integer(clips).astype(np.float64) * frontend.scale
    assert np.abs(features.mean(axis=(0, 1))).max() < 0.02
    assert np.abs(features.std(axis=(0, 1)) - 1.0).max() < 0.03


def test_calibration_survives_a_feature_that_never_changes() -> None:
    silent = np.zeros((3, 16000), np.int16)
    assert np.all(Mfcc().calibrate(silent).integer(silent) == 0)
    still = np.full((3, 128, 6), 1000, np.int16)
    frontend = Imu().calibrate(still)
    assert np.all(frontend.integer(still) == 0)
    # Whatever differs from the constant clamps instead of wrapping.
    assert np.all(frontend.integer(still + np.int16(20000)) == 127)
    assert np.all(frontend.integer(still - np.int16(20000)) == -128)


def test_calibration_needs_clips() -> None:
    with pytest.raises(TinykitError, match="no recordings"):
        Mfcc().calibrate(np.zeros((0, 16000), np.int16))
    with pytest.raises(TinykitError, match="no recordings"):
        Imu().calibrate(np.zeros((0, 128, 6), np.int16))


@pytest.mark.parametrize(
    "frontend", [Mfcc(), LogMel(), Imu(), Analog()], ids=["mfcc", "logmel", "imu", "analog"]
)
def test_rendered_c_is_the_same_each_time_and_within_100_columns(frontend: Frontend) -> None:
    files = render_frontend(frontend)
    assert files == render_frontend(frontend)
    assert set(files) == {"frontend.h", "frontend.c"}
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100
    assert f"{frontend.kind}.c" in c_sources(frontend)
    assert f"{frontend.kind}.h" in c_headers(frontend)


def test_state_is_small() -> None:
    assert Mfcc().c_state_bytes < 2200
