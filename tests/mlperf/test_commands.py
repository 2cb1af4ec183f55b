# SPDX-License-Identifier: Apache-2.0
"""`tinykit mlperf` and `tinykit generate --app mlperf` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.mlperf.devices import NETWORKS
from tests.mlperf.test_boards import write_inputs
from tinykit.cli import app
from tinykit.runs import Run

RunOf = Callable[[str], Run]


def tinykit(*words: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, f"{done.exit_code}: {done.output}\n{done.exception!r}"
    return done


def test_generate(run_of: RunOf) -> None:
    run = run_of("kws01").directory
    words = ("generate", run, "-b", "mps2_an386", "--app", "mlperf", "--task", "kws01")
    made = json.loads(tinykit(*words, "--json").stdout)
    assert made["app"] == {
        "name": "mlperf",
        "task": "kws01",
        "mode": "performance",
        "baud": 115200,
    }
    assert Path(made["project"]) == run / "firmware" / "mps2_an386-mlperf-kws01"
    saving = json.loads(tinykit(*words, "--energy", "--json").stdout)
    assert saving["app"]["mode"] == "energy"
    assert Path(saving["project"]) == run / "firmware" / "mps2_an386-mlperf-kws01-energy"
    sources = {path.name for path in Path(made["project"]).glob("src/mlperf/*.c")}
    assert {"serve.c", "buffer.c"} <= sources
    assert "anomaly.c" not in sources
    assert not (Path(made["project"]) / "src" / "vectors.c").exists()


def test_the_self_test_stays_what_is_generated(run_of: RunOf) -> None:
    run = run_of("kws01").directory
    made = json.loads(tinykit("generate", run, "-b", "host", "--json").stdout)
    assert made["app"] == {"name": "selftest"}
    assert (Path(made["project"]) / "src" / "vectors.c").exists()
    assert not (Path(made["project"]) / "src" / "mlperf").exists()


@pytest.mark.parametrize(
    "words",
    [("--app", "mlperf"), ("--task", "kws01"), ("--energy",), ("--app", "selftest", "--energy")],
)
def test_options_that_go_together(run_of: RunOf, words: tuple[str, ...]) -> None:
    done = tinykit("generate", run_of("kws01").directory, "-b", "host", *words, status=1)
    assert "go together" in done.stderr


def test_run_refuses_a_firmware_without_a_self_test(run_of: RunOf) -> None:
    run = run_of("kws01").directory
    words = ("generate", run, "-b", "host", "--app", "mlperf", "--task", "kws01", "--json")
    project = json.loads(tinykit(*words).stdout)["project"]
    assert "has no self-test" in tinykit("run", project, status=1).stderr


def test_performance_accuracy_and_energy(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of("ic01")
    write_inputs(tmp_path / "ic01", "ic01", run.network)
    words = ("mlperf", run.directory, "-b", "mps2_an386", "--task", "ic01", "-e", "qemu")
    timed = json.loads(tinykit(*words, "--iterations", "3", "--limit", "2", "--json").stdout)
    assert [w["inferences"] for w in timed["windows"]] == [3, 3]
    assert timed["estimates"]["throughput"] > 0
    right = json.loads(tinykit(*words, "--mode", "accuracy", "--inputs", tmp_path, "--json").stdout)
    assert right["exact"]
    assert right["metric"] == "top-1"
    # A softmax takes a few instructions more or less.
    assert right["inference"]["mean"] == pytest.approx(timed["inference"]["mean"], rel=0.01)
    shown = tinykit(*words, "--mode", "energy", "--limit", "1").stdout
    assert "uJ" in shown
    assert {path.name for path in (run.directory / "mlperf").iterdir()} == {
        f"mps2_an386-ic01-{mode}.json" for mode in ("performance", "accuracy", "energy")
    }


def test_accuracy_needs_inputs(run_of: RunOf) -> None:
    run = run_of("kws01").directory
    words = ("mlperf", run, "-b", "host", "--task", "kws01", "--mode", "accuracy")
    assert "input set" in tinykit(*words, status=1).stderr
    assert "input set" in tinykit(*words, "--inputs", run, status=1).stderr


def test_an_unknown_task(run_of: RunOf) -> None:
    done = tinykit("mlperf", run_of("kws01").directory, "-b", "host", "--task", "sww01", status=1)
    assert "kws01, ic01, vww01, ad01" in done.stderr
    assert set(NETWORKS) == {"kws01", "ic01", "vww01", "ad01"}
