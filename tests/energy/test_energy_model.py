# SPDX-License-Identifier: Apache-2.0
"""The power of two ways to listen: sums that can be done by hand, and a file that can be edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinykit.cli import app
from tinykit.energy import Setup, acquisition, lifetimes, load_parts, powers, sensitivities
from tinykit.energy.model import choose, ratio
from tinykit.energy.parts import DEFAULT
from tinykit.errors import TinykitError
from tinykit.frontends import Analog

SETUP = Setup(Analog(filters=8), joules_per_instruction=2e-10, watts_running=0.01)


def test_powers_are_the_sums_of_their_parts() -> None:
    parts = load_parts()
    digital = powers(parts, SETUP, 0.25)["digital"]
    assert digital["microphone"] == pytest.approx(230e-6 * 1.8 / 0.85)
    assert digital["network"] == pytest.approx(0.25 * 3_528_260 * 2e-10)
    assert digital["sleep"] == pytest.approx(4.5e-6)
    analog = powers(parts, SETUP, 0.25)["analog"]
    assert analog["comparators"] == pytest.approx(8 * 335e-9 * 1.8 / 0.85)
    assert analog["other work"] == pytest.approx(0.25 * 100 * 200 * 2e-10)
    assert analog["waking up"] == pytest.approx(0.25 * 100 * 5e-6 * 0.01)


def test_acquisition_is_all_before_the_network() -> None:
    of = powers(load_parts(), SETUP, 0.25)["digital"]
    expected = of["microphone"] + of["sampling"] + of["features"]
    assert acquisition(of) == pytest.approx(expected)


def test_power_grows_with_sound_only_where_something_waits_for_it() -> None:
    parts = load_parts()
    quiet, loud = (powers(parts, SETUP, share)["analog"] for share in (0.0, 1.0))
    assert quiet["network"] == quiet["other work"] == quiet["waking up"] == 0.0
    assert sum(loud.values()) > sum(quiet.values())
    always = Setup(SETUP.front, 2e-10, 0.01, gated=False)
    assert powers(parts, always, 0.0) == powers(parts, always, 1.0)


def test_every_stage_has_the_most_frugal_amplifier_that_is_fast_enough() -> None:
    parts = load_parts()
    assert choose(parts, 200.0).part == "MCP6041"
    assert choose(parts, 1401.0).part == "MCP6231"
    assert choose(parts, 55e3).part == "MCP6241"
    with pytest.raises(TinykitError, match="no amplifier"):
        choose(parts, 56e3)
    integrated = Setup(SETUP.front, 2e-10, 0.01, integrated=True)
    assert powers(parts, integrated, 0.5)["analog"]["filters"] < 1e-6


def test_sensitivities_are_what_the_changed_figure_gives() -> None:
    parts = load_parts()
    found = sensitivities(parts, SETUP, 0.1)
    low, high = found["digital_microphone.current"]
    usual = ratio(parts, SETUP, 0.1)
    assert low < usual < high
    watts = powers(parts, SETUP, 0.1)
    analog = sum(watts["analog"].values())
    assert high - usual == pytest.approx(0.5 * watts["digital"]["microphone"] / analog)
    # What the comparison does not use cannot change it; an efficiency stays below 1.
    assert "adc.energy" not in found
    assert parts.changed("regulator.efficiency", 1.5)["regulator.efficiency"] == 1.0


def test_a_battery_lasts_its_energy_over_the_power() -> None:
    days = lifetimes(load_parts(), 100e-6)
    assert days["CR2032, 225 mAh"] == pytest.approx(0.225 * 3 / 100e-6 / 24)


def test_the_command_takes_an_edited_file_and_writes_a_page(tmp_path: Path) -> None:
    text = CliRunner().invoke(app, ["energy", "--show-parts"]).stdout
    assert text == DEFAULT.read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("value = 230e-6", "value = 460e-6"))
    page = tmp_path / "energy.html"
    found = []
    for more in ([], ["--parts", str(mine), "--html", str(page)]):
        done = CliRunner().invoke(app, ["energy", "--json", "--digital-instructions", "1e6", *more])
        assert done.exit_code == 0, done.output
        found.append(json.loads(done.stdout)["watts"]["digital"])
    assert found[1]["microphone"] == pytest.approx(2 * found[0]["microphone"])
    assert found[1]["network"] == pytest.approx(0.1 * 1e6 * 1.35 * 156e-12)
    assert "assumption:" in page.read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("value = 230e-6", "value = -1.0", "digital_microphone.current"),
        ('"adc.energy"', '"adc.enrgy"', "adc.energy"),
        ("[batteries]", "[battery]", "batteries"),
        ('source = "nominal"', "source = 3", "battery.voltage"),
        ("[figures]", "[figures", "no file of parts"),
    ],
)
def test_a_broken_file_of_parts_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(DEFAULT.read_text().replace(old, new))
    with pytest.raises(TinykitError, match=says):
        load_parts(path)
