# SPDX-License-Identifier: Apache-2.0
"""The report: self-contained, escaped, complete, honest about what is missing or synthetic.

All figures in the run folders below are made up, which is why their data set is marked synthetic
unless a test is about that mark.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.network import Expected, Mode, Network
from tinykit.network.sample import adaptive_cnn, ds_cnn
from tinykit.report import collect, load_report, render_html, write_report

LABELS = ("yes", "no", "up", "down", "left", "right", "stop", "go", "silence", "unknown")
HOSTILE = '<script>alert("x")</script>&\'{{ 7*7 }}'
BOARDS = {
    "mps2_an386": ("MPS2 AN386", "cortex-m4f", "qemu", 1.0),
    "nrf52840dk": ("nRF52840 DK", "cortex-m4f", "renode", 1.0),
    "virt_rv32imc": ("Generic RV32IMC", "rv32imc", "qemu", 1.55),
}


def network(**metadata: Any) -> Network:
    made = ds_cnn(16, "w4a8", blocks=2)
    return Network(
        name="made_up_kws",
        tensors=made.tensors,
        ops=made.ops,
        input=made.input,
        output=made.output,
        labels=LABELS[: len(made.labels)],
        metadata={"task": "kws", "policy": "w4a8", "synthetic": True, **metadata},
    )


def figures(labels: tuple[str, ...], right: int) -> dict[str, Any]:
    from tinykit.quantize.metrics import classification

    rng = np.random.default_rng(right)
    y = np.repeat(np.arange(len(labels)), 100)
    wrong = rng.integers(len(labels), size=len(y))
    taken = np.where(rng.integers(100, size=len(y)) < right, y, wrong)
    return classification(np.eye(len(labels))[taken], y, labels)


def epochs(count: int, start: float, end: float) -> list[dict[str, float]]:
    rows = []
    for i in range(count):
        part = 1 - np.exp(-4.0 * (i + 1) / count)
        accuracy = start + (end - start) * part + 0.004 * np.sin(5.0 * i)
        rows.append(
            {
                "epoch": i,
                "loss": 2.3 - 2.0 * part * accuracy,
                "train_accuracy": accuracy - 0.03,
                "validation_loss": 2.2 - 1.95 * part * accuracy,
                "validation_accuracy": accuracy,
            }
        )
    return rows


def metrics(net: Network, *, synthetic: bool = True) -> dict[str, Any]:
    return {
        "recipe": "made_up_kws",
        "seed": 3,
        "data": {
            "name": "synthetic_speech" if synthetic else "speech_commands",
            "synthetic": synthetic,
            "counts": [[480] * len(net.labels), [60] * len(net.labels), [100] * len(net.labels)],
            "labels": list(net.labels),
            "licence": "Apache-2.0",
        },
        "model": {"name": "ds_cnn", "parameters": 22_604},
        "versions": {"tinykit": "0.1.0", "tensorflow": "2.21.0", "numpy": "1.26.4"},
        "float": {
            "epochs": epochs(40, 0.3, 0.94),
            "best_epoch": 36,
            "seconds": 60.5,
            "validation": figures(net.labels, 94),
            "test": figures(net.labels, 93),
        },
        "quantized": {
            "policy": "w4a8",
            "schemes": {"weights": "lsq", "activations": "lsq", "granularity": "channel"},
            "epochs": epochs(12, 0.88, 0.935),
            "best_epoch": 10,
            "seconds": 20.5,
            "validation": figures(net.labels, 93),
            "test": figures(net.labels, 92),
        },
        "network": {"digest": net.digest, "macs": net.macs()},
        "seconds": 81.0,
    }


def board(net: Network, name: str) -> dict[str, Any]:
    title, core, emulator, factor = BOARDS[name]
    counts = {op: int(factor * (900 + 5.3 * macs)) for op, macs in net.macs_by_op().items()}
    total = sum(counts.values())
    return {
        "board": name,
        "board_name": title,
        "core": core,
        "clock_hz": 64_000_000,
        "emulator": emulator,
        "emulator_version": "7.2.0" if emulator == "qemu" else "1.16.1",
        "network": net.digest,
        "flash": {
            "total": 58_020,
            "capacity": 1_048_576,
            "parts": {"weights": 9_120, "code": 14_300, "tables": 6_200, "vectors": 28_400},
        },
        "ram": {
            "total": 22_540,
            "capacity": 262_144,
            "arena": 16_016,
            "stack_used": 612,
            "stack_reserved": 4_096,
            "other": 2_428,
        },
        "instructions": {
            "inference": total,
            "layers": [{"name": op, "instructions": n} for op, n in counts.items()],
            "frontend_per_hop": {"mean": 41_230.5, "max": 43_011},
            "frontend_per_clip": 2_061_525,
        },
        "estimates": {
            "latency_ms": total * 1.35 / 64e3,
            "energy_uj": total * 1.35 * 156e-6,
            "cycles_per_instruction": 1.35,
            "pj_per_cycle": 156.0,
            "source": "core manual: made-up mix of instructions; data sheet: µA/MHz at 3 V",
        },
        "vectors": {"count": 8, "pass": 8},
        "clips": [
            {"index": i, "label": "yes", "class": "yes", "scores": [1, 2], "agrees": True}
            for i in range(10)
        ],
    }


def verification(net: Network) -> dict[str, Any]:
    def row(executor: str, core: str | None, compares: str, detail: str = "") -> dict[str, Any]:
        return {
            "executor": executor,
            "core": core,
            "inputs": 100,
            "compares": compares,
            "exact": True,
            "detail": detail,
        }

    return {
        "network": net.digest,
        "inputs": 100,
        "rows": [
            row("interpreter", None, "scores", "the reference"),
            row("host C", "x86-64", "scores, features and every layer", "ASan, UBSan"),
            {
                **row("tflite-runtime (reference kernels)", None, "scores"),
                "exact": None,
                "detail": "int8 networks only",
            },
            row("mps2_an386 under qemu", "cortex-m4f", "scores, features and every layer"),
            row("virt_rv32imc under qemu", "rv32imc", "scores, features and every layer"),
        ],
    }


def fill(folder: Path, net: Network, *, synthetic: bool = True) -> Path:
    """A run folder with everything in it, all figures made up."""
    (folder / "boards").mkdir(parents=True)
    net.save(folder / "network.tkn")
    (folder / "recipe.toml").write_text(
        'name = "made_up_kws"\ntask = "kws"\nseed = 3\n\n[data]\nname = "synthetic_speech"\n\n'
        '[model]\nname = "ds_cnn"\nwidth = 16\nblocks = 2\n\n[augment]\nbank = 10\n'
        "shift_ms = 100.0\nsnr_db = [5.0, 30.0]\n\n[training]\nepochs = 40\nbatch = 128\n"
        'learning_rate = 0.002\ninit_from = ""\n\n[quantization]\npolicy = "w4a8"\nepochs = 12\n'
        '[quantization.layers]\n"dense*" = "w8a8"\n'
    )
    (folder / "metrics.json").write_text(json.dumps(metrics(net, synthetic=synthetic)))
    for name in BOARDS:
        (folder / "boards" / f"{name}.json").write_text(json.dumps(board(net, name)))
    (folder / "verify.json").write_text(json.dumps(verification(net)))
    return folder


@pytest.fixture(scope="module")
def net() -> Network:
    return network()


@pytest.fixture
def run(tmp_path: Path, net: Network) -> Path:
    return fill(tmp_path / "run", net)


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_the_page_needs_nothing_from_elsewhere(run: Path) -> None:
    page = write_report(run)[0].read_text()
    assert not re.search(r"https?://|<script|<link|<img|<iframe|@import|url\(|src=", page)
    assert page.count("<svg") >= 8
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page


def test_every_section_is_there(run: Path) -> None:
    page = render_html(collect(run))
    sections = re.findall(r'<h2 id="(\w+)"', page)
    assert sections == [
        *("recipe", "training", "accuracy", "float", "layers"),
        *("memory", "agreement", "boards", "reproduce"),
    ]
    assert set(re.findall(r'href="#(\w+)"', page)) == set(sections)
    assert "not measured yet" not in page
    assert "bit-exact · 4 executors" in page
    assert "MPS2 AN386" in page
    assert "made-up mix of instructions" in page


def test_the_twin_is_the_document(run: Path) -> None:
    page, twin = write_report(run)
    assert load_report(twin) == collect(run)
    first = page.read_bytes(), twin.read_bytes()
    write_report(run)
    assert (page.read_bytes(), twin.read_bytes()) == first


def test_figures_of_layers_add_up(run: Path, net: Network) -> None:
    report = collect(run)
    assert sum(layer.macs for layer in report.layers) == net.macs() == report.macs
    for layer in report.layers:
        assert layer.ace == layer.macs * (layer.weight_bits or 0) * layer.input_bits
        assert set(layer.instructions) == set(BOARDS)
    assert report.arena is not None
    assert report.arena.size >= report.arena.lower_bound > 0


def test_missing_parts_are_stated_not_invented(tmp_path: Path, net: Network) -> None:
    net.save(tmp_path / "bare" / "network.tkn")
    report = collect(tmp_path / "bare")
    page = render_html(report)
    assert [one.part for one in report.missing] == [
        *("recipe", "training", "accuracy", "float", "boards", "verify")
    ]
    for one in report.missing:
        assert f"<b>{one.what.replace(chr(39), '&#39;')}: not measured yet.</b>" in page
        assert f"<code>{one.command}</code>" in page
    assert "✓ bit-exact" not in page
    assert report.integers.test is None


def test_without_a_network_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="tinykit train"):
        write_report(tmp_path)


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_figures_are_labelled(tmp_path: Path, net: Network, synthetic: bool) -> None:
    page = render_html(collect(fill(tmp_path / "run", net, synthetic=synthetic)))
    assert ("SYNTHETIC DATA" in page) is synthetic
    if synthetic:
        assert page.index("SYNTHETIC DATA") < page.index("<h1")
        assert page.count("SYNTHETIC") >= 5


def test_names_from_outside_are_escaped(run: Path, net: Network) -> None:
    text = json.dumps(metrics(net)).replace('"yes"', json.dumps(HOSTILE))
    (run / "metrics.json").write_text(text)
    change(run / "boards" / "mps2_an386.json", board_name=HOSTILE, emulator=HOSTILE)
    page = render_html(collect(run))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_figures_of_another_network_are_not_shown_as_this_ones(run: Path) -> None:
    change(run / "boards" / "mps2_an386.json", network="0" * 64)
    change(run / "verify.json", network="0" * 64)
    report = collect(run)
    assert all("mps2_an386" not in layer.instructions for layer in report.layers)
    page = render_html(report)
    assert "other network" in page
    assert "bit-exact ·" not in page


def test_a_difference_is_shown(run: Path, net: Network) -> None:
    found = verification(net)
    found["rows"][1].update(exact=False, detail="layer conv0: first at 17")
    (run / "verify.json").write_text(json.dumps(found))
    page = render_html(collect(run))
    assert "✗ not bit-exact" in page
    assert "layer conv0: first at 17" in page


def test_the_interpreter_alone_proves_nothing(run: Path, net: Network) -> None:
    found = verification(net)
    (run / "verify.json").write_text(json.dumps({**found, "rows": found["rows"][:1]}))
    report = collect(run)
    assert report.verification is not None
    assert not report.verification.exact
    page = render_html(report)
    assert "no executor was compared" in page
    assert "bit-exact ·" not in page


def test_a_board_that_ran_no_vectors_claims_none(run: Path) -> None:
    for name in BOARDS:
        change(run / "boards" / f"{name}.json", vectors={"count": 0, "pass": 0})
    page = render_html(collect(run))
    assert "none run" in page
    assert "all 0 exact" not in page


def test_boards_without_counts_or_estimates(run: Path) -> None:
    nothing = {"inference": None, "layers": [], "frontend_per_hop": None, "frontend_per_clip": None}
    for name in BOARDS:
        path = run / "boards" / f"{name}.json"
        change(path, instructions=nothing, estimates=None, clips=[], clock_hz=0)
    report = collect(run)
    assert [b.instructions.inference for b in report.boards] == [None] * 3
    assert "≈" not in render_html(report)


def test_a_stage_taken_from_another_run(run: Path, net: Network) -> None:
    found = metrics(net)
    found["float"].update(epochs=[], best_epoch=-1)
    (run / "metrics.json").write_text(json.dumps(found))
    assert ">QAT<" in render_html(collect(run))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("metrics.json", "{", "line 1"),
        ("metrics.json", "[]", "no object"),
        ("metrics.json", '{"float": {"epochs": [{"loss": NaN}]}}', "NaN"),
        ("metrics.json", '{"float": {"epochs": [{"loss": "x"}]}}', "'float.epochs[0].loss'"),
        ("metrics.json", '{"data": {"name": "x"}}', "'data.synthetic' is missing"),
        ("boards/mps2_an386.json", '{"board": "x"', "tinykit run"),
        ("boards/mps2_an386.json", '{"board": 3}', "'board' is 3, not str"),
        ("boards/mps2_an386.json", "[]", "'board' is missing"),
        ("verify.json", '{"network": "x", "inputs": true, "rows": []}', "'inputs'"),
        ("verify.json", '{"network": "x", "inputs": 1, "rows": {}}', "no list"),
        ("recipe.toml", "= 3", "recipe"),
    ],
)
def test_broken_files_are_named_with_a_remedy(run: Path, name: str, text: str, says: str) -> None:
    (run / name).write_text(text)
    with pytest.raises(TinykitError, match=re.escape(says)) as caught:
        write_report(run)
    assert caught.value.where is not None
    assert caught.value.where.endswith(name)
    assert caught.value.remedy
    assert not (run / "report.html").exists()


def test_a_confusion_matrix_of_another_size_is_refused(run: Path, net: Network) -> None:
    found = metrics(net)
    found["quantized"]["test"]["confusion"].pop()
    (run / "metrics.json").write_text(json.dumps(found))
    with pytest.raises(TinykitError, match="confusion matrix"):
        collect(run)


def test_a_report_json_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(TinykitError, match="'tinykit' is missing"):
        load_report(tmp_path / "report.json")


def test_importing_the_report_loads_nothing_heavy() -> None:
    script = (
        "import sys, tinykit.report\n"
        "print([m for m in ('tensorflow', 'matplotlib', 'scipy', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_modes_are_a_curve_and_a_table(tmp_path: Path) -> None:
    made = adaptive_cnn(modes=0)
    ends = len(made.exits) + 1
    shares = tuple([1 / ends] * ends)
    modes = [
        Mode(name, ((threshold,),) * (ends - 1), Expected(score, score, cost, shares, "host"))
        for name, threshold, score, cost in [("full", 255, 0.9, 9e4), ("fastest", 0, 0.8, 3e4)]
    ]
    replace(made, modes=tuple(modes)).save(tmp_path / "network.tkn")
    report = collect(tmp_path)
    assert [mode.name for mode in report.modes] == ["full", "fastest"]
    page = render_html(report)
    assert page.count("full: 90.00 %, 90") == 2
    assert page.count("fastest: 80.00 %, 30") == 2
    assert 'id="modes"' not in render_html(replace(report, modes=()))
