# SPDX-License-Identifier: Apache-2.0
"""`tinykit search` as a user meets it: a small search whole, and one clear error for bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinykit.cli import app
from tinykit.network import Network
from tinykit.search.har import load_front


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("runs") / "search"
    words = ["search", "har", "--data", "synthetic_gait", "--trials", "2", "--steps", "20"]
    done = CliRunner().invoke(app, [*words, "--workers", "2", "--out", str(home)])
    assert done.exit_code == 0, done.output
    assert "macro F1" in done.output
    return home


def test_networks_of_the_front_are_run_folders(folder: Path) -> None:
    for row in load_front(folder):
        network = Network.load(folder / row["folder"] / "network.tkn")
        assert network.frontend is not None
        done = CliRunner().invoke(
            app, ["fits", str(folder / row["folder"]), "--board", "nrf52840dk", "--json"]
        )
        assert done.exit_code == 0
        (fit,) = json.loads(done.output)["boards"]
        assert (fit["arena"], fit["flash_parts"]["weights"]) == (row["arena"], row["weights"])
        assert fit["predicted_instructions"] == row["instructions"]


def test_show_gives_the_front_again(folder: Path) -> None:
    done = CliRunner().invoke(app, ["search", "show", str(folder), "--json"])
    shown = json.loads(done.output)["front"]
    for row, kept in zip(shown, load_front(folder), strict=True):
        # nrf52840dk: 64 MHz.
        assert row.pop("estimated_ms") > kept["instructions"] / 64e3
        assert row == kept


def test_the_page_has_every_network_and_baseline(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "search"
    shutil.copytree(folder, home)
    forests = [
        {"name": "5 trees <of> 6", "memory": 3000, "macro_f1": 1.0},
        {"name": "none", "memory": 1e6, "macro_f1": 0.0},
    ]
    (home / "baselines.json").write_text(json.dumps(forests))
    done = CliRunner().invoke(app, ["search", "show", str(home)])
    assert done.exit_code == 0
    assert "not beaten within its 3,000 bytes: 5 trees <of> 6, 100.00 %" in done.output
    assert "none" not in done.output
    page = (home / "search.html").read_text()
    assert page.count("<svg") == 4
    assert page.count("5 trees &lt;of&gt; 6: 100.00 %") == 1
    assert "beats: 5 trees &lt;of&gt; 6 (3\N{NARROW NO-BREAK SPACE}000 bytes" in page
    for row in load_front(home):
        assert page.count(f"{row['folder']}: {100 * row['macro_f1']:.2f} %") == 4
    (home / "baselines.json").write_text("[{}]")
    done = CliRunner().invoke(app, ["search", "show", str(home)])
    assert done.exit_code != 0
    assert "baselines.json" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "kapt"], "hapt"),
        (["--board", "nrf"], "nrf52840dk"),
        (["--board", "host"], "microcontroller"),
        (["--workers", "0"], "--workers"),
        (["--trials", "0"], "--trials"),
        (["--steps", "0"], "--steps"),
        (["--phase", "3"], "--phase"),
        (["--most-memory", "1"], "--most-memory"),
        (["--storage", "nosql://x/y"], "--storage"),
        (["--phase", "2"], "tinykit search"),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], said: str, tmp_path: Path) -> None:
    base = ["search", "har", "--data", "synthetic_gait", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*base, *words])
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_show_of_no_search(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["search", "show", str(tmp_path)])
    assert done.exit_code == 1
    assert "tinykit search" in done.output
