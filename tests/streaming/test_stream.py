# SPDX-License-Identifier: Apache-2.0
"""Sliding windows, majority and driver: the firmware's C gives what Python and batches give."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.end_to_end.conftest import attach_frontend, task_network
from tests.streaming.conftest import Feed
from tinykit.boards import load_board
from tinykit.codegen.stream import ImuStream
from tinykit.data import load_dataset
from tinykit.data.dataset import IMU_SCALE
from tinykit.data.hapt import find
from tinykit.data.places import search_roots
from tinykit.errors import TinykitError
from tinykit.frontends import Imu
from tinykit.network import Mode, Network, exit_logits, interpret
from tinykit.network.exits import margins
from tinykit.network.sample import adaptive_cnn, har_cnn
from tinykit.sensors import SENSORS, as_sensed
from tinykit.streaming import Majority

SENSOR = SENSORS["lsm6dso"]
OTHER_WORDS, LATE, OVERRUN, STRANGER, SILENT, STUCK = 1, 2, 4, 8, 16, 32


@cache
def recording() -> NDArray[np.int16]:
    """Some seconds of each activity as the sensor gives them: (1500, 6)."""
    x = load_dataset("synthetic_gait").part("test").x
    mixed = x[np.linspace(0, len(x) - 1, 12).astype(int)]
    return as_sensed(mixed.reshape(-1, x.shape[2])[:1500], IMU_SCALE, SENSOR)


@cache
def network(policy: str = "w8a8") -> Network:
    """Random weights behind a front end that is calibrated on real steps."""
    return task_network("har", policy)


@cache
def with_exits() -> Network:
    """One with exits; its first mode, which counts unless another is set, takes none."""
    return attach_frontend(adaptive_cnn(steps=128), "har")


@cache
def without_gyroscope() -> Network:
    """The same for acceleration alone."""
    plain, six = har_cnn(widths=(4, 6), channels=3), network()
    config = dict(six.frontend or {})
    three = {name: config[name][:3] for name in ("centre", "spread")}  # type: ignore[index]
    tensors = tuple(
        replace(t, scale=Imu().scale, zero_point=0) if t.name == plain.input else t
        for t in plain.tensors
    )
    return replace(plain, tensors=tensors, frontend={**config, **three, "channels": 3})


def told(app: ImuStream, net: Network, samples: NDArray[np.int16]) -> list[dict[str, object]]:
    """What the firmware must say of the windows."""
    stream = app.twin(net)
    left = {"mode": stream.mode_number} if net.exits else {}
    return [
        {
            **{"t": "decision", "i": one.index, "class": one.label, "smoothed": one.smoothed},
            **{"features": f"{one.features:08x}", "scores": list(one.scores)},
            **left,
            **({} if one.exit is None else {"exit": one.exit}),
        }
        for one in stream.push(samples)
    ]


@pytest.mark.parametrize(
    ("app", "make"),
    [
        (ImuStream(SENSOR, 32, 3), network),
        (ImuStream(SENSOR, 50, 1, "i2c"), without_gyroscope),
        (ImuStream(SENSOR, 200, 2), partial(network, "w4a4")),
        (ImuStream(SENSOR, 64, 3), with_exits),
    ],
)
def test_the_firmware_decides_what_python_decides(
    feed: Feed, app: ImuStream, make: Callable[[], Network]
) -> None:
    net, hop = make(), app.hop
    channels = app.frontend(net).channels
    records, status = feed(net, app, recording())
    assert status == 0
    assert [one["t"] for one in records[:2]] == ["boot", "ready"]
    expected = told(app, net, recording()[:, :channels])
    assert len(expected) == 1 + (1500 - 128) // hop
    assert records[2:] == expected
    # Random weights of that one answer the same to everything.
    assert channels == 3 or len({str(one["scores"]) for one in expected}) > 1
    # Overlapping windows, cut from the recording at once.
    frontend = app.frontend(net)
    starts = range(0, 1500 - 127, hop)
    features = frontend.integer(np.stack([recording()[i : i + 128, :channels] for i in starts]))
    assert [one["scores"] for one in records[2:]] == interpret(net, features).tolist()
    assert [int(str(one["features"]), 16) for one in records[2:]] == [
        zlib.crc32(one.tobytes()) for one in features
    ]


def test_exits_and_mode_are_said_and_are_those_of_python(feed: Feed) -> None:
    # Of most seeds, random weights answer the same to everything.
    made = adaptive_cnn(rng=np.random.default_rng(1), widths=(8, 12), steps=128)
    net = attach_frontend(made, "har")
    # A middling margin, so that some windows leave and others go on.
    logits = exit_logits(net, windows(net, ImuStream(SENSOR, 32)))[:-1]
    middle = np.median(margins(logits), axis=1).astype(int)
    mode = Mode("some", tuple((int(one) + 1,) for one in middle))
    net = replace(net, modes=(net.modes[0], mode))
    for name, number in (("", 0), ("some", 1)):
        app = ImuStream(SENSOR, 32, 3, mode=name)
        records, status = feed(net, app, recording())
        assert status == 0
        assert records[2:] == told(app, net, recording())
        assert {one["mode"] for one in records[2:]} == {number}
        taken = {one["exit"] for one in records[2:]}
        assert taken == ({0, 1} if number else {1})
    with pytest.raises(TinykitError, match="no mode 'other'"):
        ImuStream(SENSOR, 32, mode="other").check(net, load_board("nrf52840dk"))


def windows(net: Network, app: ImuStream) -> NDArray[np.int8]:
    """Features of the recording's windows."""
    starts = range(0, 1500 - 127, app.hop)
    return app.frontend(net).integer(np.stack([recording()[i : i + 128] for i in starts]))


def test_words_that_make_no_sample_are_left_out(feed: Feed) -> None:
    """Other words, and what the accelerometer says before the gyroscope has started."""
    app, net = ImuStream(SENSOR, 32, 3), network()
    records, status = feed(net, app, recording(), OTHER_WORDS | LATE)
    assert status == 0
    assert records[2:] == told(app, net, recording()[2:])


def test_after_an_overrun_it_starts_again(feed: Feed) -> None:
    app, net = ImuStream(SENSOR, 32, 3), network()
    records, status = feed(net, app, recording(), OVERRUN)
    assert status == 0
    (at,) = [i for i, one in enumerate(records) if one["t"] == "error"]
    assert "lost" in records[at]["what"]
    before, after = records[2:at], records[at + 1 :]
    assert before == told(app, net, recording())[: len(before)]
    assert len(after) > 5
    # 404 samples have passed: 104 before the long sleep, 300 while it lasted.
    expected = told(app, net, recording()[404:])
    keys = ("class", "smoothed", "features", "scores")
    assert [[one[k] for k in keys] for one in after] == [[one[k] for k in keys] for one in expected]


@pytest.mark.parametrize(
    ("flag", "what"), [(STRANGER, "another sensor"), (SILENT, "not answer"), (STUCK, "reset")]
)
def test_a_sensor_that_cannot_be_started_is_said(feed: Feed, flag: int, what: str) -> None:
    records, status = feed(network(), ImuStream(SENSOR, 32, 3), recording(), flag)
    assert status == 1
    assert [one["t"] for one in records] == ["boot", "ready", "error"]
    assert what in records[2]["what"]


def test_a_majority_keeps_its_decision_where_votes_are_even() -> None:
    votes = Majority(4)
    assert [votes.push(one) for one in (3, 1, 1, 3, 3, 0, 0, 2, 2)] == [3, 3, 1, 1, 1, 3, 3, 0, 0]


@pytest.mark.skipif(
    not any(find(root) for root in search_roots()), reason="HAPT is not on this machine"
)
def test_a_real_recording_gives_the_same_in_c(feed: Feed) -> None:
    from tinykit.data import hapt

    real = hapt.recordings()[0].signal[2000:4000]
    app, net = ImuStream(SENSOR, 32, 3), network()
    sensed = as_sensed(real, IMU_SCALE, SENSOR)
    records, status = feed(net, app, sensed)
    assert status == 0
    assert records[2:] == told(app, net, sensed)


def test_only_suitable_networks_and_boards_are_taken() -> None:
    app, net, board = ImuStream(SENSOR, 64), network(), load_board("nrf52840dk")
    app.check(net, board)
    with pytest.raises(TinykitError, match="no SPI for it"):
        app.check(net, load_board("mps2_an386"))
    with pytest.raises(TinykitError, match="takes 20 samples a second"):
        app.check(replace(net, frontend={**(net.frontend or {}), "rate": 20}), board)
    with pytest.raises(TinykitError, match="acceleration and angular rate"):
        app.check(replace(net, metadata={"channels": ["x", "y", "z", "a", "b", "c"]}), board)
    with pytest.raises(TinykitError, match="smooth is 300"):
        ImuStream(SENSOR, 64, 300).check(net, board)
