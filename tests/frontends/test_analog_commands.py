# SPDX-License-Identifier: Apache-2.0
"""`tinykit frontend`: the netlist holds the design's parts, the page holds the recording's bits."""

from __future__ import annotations

import json
import re
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_clips import voices
from typer.testing import CliRunner

from tests.streaming.listening import network, speech, write_run
from tinykit.cli import app
from tinykit.errors import TinykitError
from tinykit.frontends import Analog
from tinykit.frontends.analog import Tolerances, render_netlist
from tinykit.report.frontend_plots import recording
from tinykit.yields import simulate


def _wav(path: Path, x: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(x.astype("<i2").tobytes())
    return path


def _subcircuits(text: str) -> dict[str, list[list[str]]]:
    found, name = {}, ""
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == ".subckt":
            name = words[1]
            found[name] = []
        elif words and not line.startswith(("*", ".")) and name:
            found[name].append(words)
        elif words and words[0] == ".ends":
            name = ""
    return found


@pytest.mark.parametrize("filters", [4, 16])
def test_the_netlist_is_the_design(tmp_path: Path, filters: int) -> None:
    path = tmp_path / "bank.cir"
    words = ["frontend", "netlist", "--channels", str(filters), "-o", str(path), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["filters"]) == filters
    front = Analog(filters=filters)
    text = path.read_text()
    assert text == render_netlist(front, gain_bandwidth=1e6, full_scale=1.0, supply=1.8)
    circuits = _subcircuits(text)
    for index in range(filters):
        lines = circuits[f"filter{index}"]
        parts = {line[0].lower(): float(line[3]) for line in lines if line[0] != "X1"}
        for name, value in parts.items():
            assert value == pytest.approx(getattr(front.stages, name)[index], rel=1e-5)
        assert ("r2" in parts) == np.isfinite(front.stages.r2[index])
        # No node hangs loose: all but input and ground meet twice or more.
        nodes = [node for line in lines for node in line[1 : 4 if line[0] == "X1" else 3]]
        assert all(nodes.count(node) > 1 for node in nodes if node not in ("in", "0"))
    assert all(f"Xcomparator{index} env{index}" in text for index in range(filters))


def test_the_page_shows_the_bits_of_a_recording(tmp_path: Path) -> None:
    sound = _wav(tmp_path / "voice.wav", voices(1)[0])
    page = tmp_path / "page.html"
    words = ["frontend", "show", str(sound), "-o", str(page), "--json", "--threshold", "adaptive"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert 0.02 < json.loads(done.stdout)["share_of_ones"] < 0.7
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "voice.wav" in text
    first = page.read_bytes()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert page.read_bytes() == first


def test_each_run_of_ones_is_one_bar() -> None:
    front = Analog(filters=4, input_length=1600)
    bits = np.zeros((10, 4), np.bool_)
    bits[2:5, 0] = bits[9, 0] = bits[0, 3] = True
    picture = recording(front, np.zeros(1600, np.int16), bits)
    assert len(re.findall('class="bar"', picture)) == 3


def test_bad_input_of_the_commands_is_named(tmp_path: Path) -> None:
    short = _wav(tmp_path / "short.wav", np.zeros(100, np.int16))
    for words, says in (
        (["frontend", "show", str(short)], "shorter than one hop"),
        (["frontend", "show", str(tmp_path / "none.wav")], "none.wav"),
        (["frontend", "netlist", "--channels", "3"], "filters"),
    ):
        done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out")])
        assert done.exit_code == 1
        assert says in done.stderr


def test_units_of_exact_parts_are_as_good_as_the_nominal_one() -> None:
    net = network()
    data = speech().part("test")
    exact = Tolerances(
        **dict.fromkeys(("resistor", "capacitor", "resistor_ppm", "capacitor_ppm"), 0.0),
        **dict.fromkeys(("gain_bandwidth_spread", "noise", "offset", "microphone_db"), 0.0),
        gain_bandwidth=np.inf,
        supply=(1.0, 1.0),
    )
    found = simulate(net, data.x[:40], data.y[:40], units=2, tolerances=exact)
    assert found.units == (found.nominal,) * 2
    assert found.gains[1.0] == found.nominal
    assert set(found.rounded) == {"a DAC of 8 bits", "dividers of E96"}
    strayed = simulate(net, data.x[:40], data.y[:40], units=2, tolerances=Tolerances(offset=0.05))
    assert strayed.units != found.units
    with pytest.raises(TinykitError, match="no analog parts"):
        simulate(replace(net, frontend=None), data.x, data.y, units=2, tolerances=exact)


def test_yield_of_a_run(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    words = ["frontend", "yield", str(tmp_path / "run"), "--units", "2", "--clips", "10"]
    done = CliRunner().invoke(app, [*words, "--accuracy", "0", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["clips"], len(told["units"]), told["yield"]) == (10, 2, 1.0)
    assert told["mean"] == pytest.approx(sum(told["units"]) / 2)
    done = CliRunner().invoke(app, [*words[:3], "--units", "0"])
    assert done.exit_code == 1
    assert "--units 0" in done.output
