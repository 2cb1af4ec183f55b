# SPDX-License-Identifier: Apache-2.0
"""The benchmark's modes on emulated boards: exactness, counts, estimates, sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.mlperf.devices import NETWORKS
from tinykit.boards import list_boards, load_board
from tinykit.boards.platformio import build
from tinykit.codegen import generate
from tinykit.codegen.mlperf import TASKS, Mlperf, find_task, input_bytes
from tinykit.errors import DoesNotFitError, MismatchError, TinykitError
from tinykit.mlperf.inputs import InputSet, read_inputs
from tinykit.mlperf.metrics import auc
from tinykit.mlperf.runner import (
    Bench,
    measure_accuracy,
    measure_windows,
    prepare,
    save_result,
    time_step,
)
from tinykit.network import Network
from tinykit.network.sample import Builder
from tinykit.runs import Run

RunOf = Callable[[str], Run]
BOARDS = ("mps2_an386", "virt_rv32imc")


def write_inputs(folder: Path, task: str, network: Network, files: int = 6) -> InputSet:
    """Random inputs of random classes, all of which occur; windows for the anomaly detector."""
    rng = np.random.default_rng(8)
    folder.mkdir(exist_ok=True)
    size, lines = input_bytes(TASKS[task], network), []
    classes = 2 if task == "ad01" else int(np.prod(network.tensor(network.output).shape))
    for i in range(max(files, classes)):
        data = rng.bytes(size)
        window = ""
        if task == "ad01":
            data = rng.normal(0, 1 + i, 60).astype("<f4").tobytes()
            window = f",{size},40"
        (folder / f"{i}.bin").write_bytes(data)
        lines.append(f"{i}.bin,{classes},{i % classes}{window}")
    (folder / "y_labels.csv").write_text("\n".join(lines) + "\n")
    return read_inputs(folder, task)


@pytest.fixture
def bench_of(run_of: RunOf) -> Callable[..., Bench]:
    """`bench_of("kws01", "mps2_an386")`: built, for QEMU or the host."""

    def make(task: str, board: str, *, energy: bool = False) -> Bench:
        emulator = "host" if board == "host" else "qemu"
        return prepare(
            run_of(task), load_board(board), TASKS[task], energy=energy, emulator=emulator
        )

    return make


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("task", TASKS)
def test_accuracy(bench_of: Callable[..., Bench], tmp_path: Path, board: str, task: str) -> None:
    bench = bench_of(task, board)
    inputs = write_inputs(tmp_path / "inputs", task, bench.run.network)
    result = measure_accuracy(bench, inputs)
    assert result.exact, result.first_difference
    assert result.files == len(inputs.stimuli)
    # Windows of 40 values that advance by 10 over 60.
    assert result.pieces == result.files * (3 if task == "ad01" else 1)
    assert result.inference is not None
    assert result.inference.times == result.pieces
    assert (result.top1 is None) == (task == "ad01")
    assert result.value is not None
    assert 0 <= result.value <= 1
    assert json.loads(json.dumps(result.as_dict()))["agree"] == result.pieces


def test_accuracy_counts_what_is_right(bench_of: Callable[..., Bench], tmp_path: Path) -> None:
    """Labels made from the interpreter's own answers, some of them turned wrong."""
    from tinykit.mlperf.expected import expect

    bench = bench_of("ic01", "host")
    inputs = write_inputs(tmp_path / "inputs", "ic01", bench.run.network, files=20)
    pieces = [one.pieces(192)[0] for one in inputs.stimuli]
    best = [int(np.argmax(a.numbers)) for a in expect(bench.task, bench.run.network, pieces)]
    wrong = {0, 7, 13}
    stimuli = tuple(
        replace(one, label=(best[i] + (i in wrong)) % 10) for i, one in enumerate(inputs.stimuli)
    )
    result = measure_accuracy(bench, replace(inputs, stimuli=stimuli))
    assert result.top1 == pytest.approx(17 / 20)
    assert result.inference is None


def test_anomalies_are_told_by_the_mean_error_of_their_windows(
    bench_of: Callable[..., Bench], tmp_path: Path
) -> None:
    from tinykit.mlperf.expected import expect

    bench = bench_of("ad01", "host")
    inputs = write_inputs(tmp_path / "inputs", "ad01", bench.run.network, files=12)
    result = measure_accuracy(bench, inputs)
    means = [
        np.mean([a.numbers[0] for a in expect(bench.task, bench.run.network, s.pieces(160))])
        for s in inputs.stimuli
    ]
    labels = np.array([s.label for s in inputs.stimuli])
    assert result.auc == pytest.approx(auc(np.array(means), labels == 1))


@pytest.mark.parametrize("board", BOARDS)
def test_performance_and_energy(bench_of: Callable[..., Bench], run_of: RunOf, board: str) -> None:
    task = TASKS["kws01"]
    bench = bench_of("kws01", board)
    result = measure_windows(bench, "performance", None, iterations=4, warmups=1, limit=3)
    assert result.inference is not None
    assert result.inference.times == 3 * (4 + 1)
    step = time_step(bench.board)
    assert step is not None
    for window in result.windows:
        assert window.instructions is not None
        assert window.elapsed_us is not None
        # Four inferences and little else.
        assert 4 * result.inference.least < window.instructions < 4.2 * result.inference.most + 9999
        # The device's clock follows instructions.
        emulated = window.instructions * 2**step / 1000
        assert window.elapsed_us == pytest.approx(emulated, rel=0.01, abs=20)
    assert result.cost is not None
    assert result.cost.seconds == pytest.approx(
        result.window_instructions * bench.board.cycles_per_instruction / bench.board.clock_hz
    )
    energy = prepare(
        bench.run, bench.board, task, energy=True, emulator="qemu", out=bench.run.directory / "e"
    )
    pulsed = measure_windows(energy, "energy", None, iterations=4, warmups=0, limit=2)
    assert [window.elapsed_us for window in pulsed.windows] == [None, None]
    assert pulsed.inference is not None
    assert pulsed.inference.mean == pytest.approx(result.inference.mean, rel=0.01)
    assert pulsed.as_dict()["estimates"]["energy_uj"] > 0


def test_the_same_counts_every_time(bench_of: Callable[..., Bench]) -> None:
    bench = bench_of("ic01", "mps2_an386")
    first, second = (
        measure_windows(bench, "performance", None, iterations=2, warmups=0, limit=2).as_dict()
        for _ in range(2)
    )
    assert first["inference"] == second["inference"]
    assert [w["instructions"] for w in first["windows"]] == [
        w["instructions"] for w in second["windows"]
    ]


def test_a_difference_is_an_error(bench_of: Callable[..., Bench], run_of: RunOf) -> None:
    """A firmware of another network is found out."""
    bench = bench_of("ic01", "host")
    other = Builder(np.random.default_rng(99), (8, 8, 3), name="other")
    network = other.conv(4, (3, 3)).mean().dense(10, relu=False).softmax().build()
    swapped = replace(
        bench, firmware=replace(bench.firmware, run=Run(bench.run.directory, network))
    )
    with pytest.raises(MismatchError, match="differ on input 0"):
        measure_windows(swapped, "performance", None, iterations=1, warmups=0)


def test_results_are_kept(bench_of: Callable[..., Bench]) -> None:
    bench = bench_of("kws01", "host")
    document = measure_windows(
        bench, "performance", None, iterations=1, warmups=0, limit=1
    ).as_dict()
    path = save_result(bench.run, document)
    assert path == bench.run.directory / "mlperf" / "host-kws01-performance.json"
    assert json.loads(path.read_text()) == document
    assert document["estimates"] is None
    assert document["windows"][0]["instructions"] is None


def _built_as_large_as_was_said(folder: Path, board_id: str, app: Mlperf) -> None:
    board = load_board(board_id)
    project = generate(NETWORKS[app.task.name](), board, folder, app=app)
    built = build(project.directory, board)
    assert built.flash <= project.sizes.flash <= 1.01 * built.flash + 64
    assert built.ram <= project.sizes.ram <= built.ram + 64


@pytest.mark.parametrize("board_id", [b.id for b in list_boards() if b.arch != "host"])
def test_every_port_builds(tmp_path: Path, board_id: str) -> None:
    _built_as_large_as_was_said(tmp_path / "p", board_id, Mlperf(TASKS["kws01"]))


@pytest.mark.parametrize("board_id", ["microbit", "mps3_an547", "virt_rv32imc"])
def test_energy_mode_and_other_tasks_build(tmp_path: Path, board_id: str) -> None:
    for app in (Mlperf(TASKS["ic01"], energy=True), Mlperf(TASKS["ad01"])):
        _built_as_large_as_was_said(tmp_path / app.task.name, board_id, app)


def test_the_line_is_as_fast_as_the_reference_submissions(tmp_path: Path) -> None:
    board = load_board("nrf52840dk")
    cases = (("kws01", False, 115200), ("ad01", False, 921600), ("ad01", True, 9600))
    for task, energy, baud in cases:
        folder = tmp_path / f"{task}-{energy}"
        app = Mlperf(TASKS[task], energy=energy)
        generate(NETWORKS[task](), board, folder, app=app)
        manifest = json.loads((folder / "boards" / f"{board.id}.json").read_text())
        assert manifest["build"]["defines"]["TK_BAUD"] == f"{baud}u"


def test_networks_that_suit_no_task(tmp_path: Path) -> None:
    board = load_board("host")
    narrow = Builder(np.random.default_rng(0), (4, 4, 2), bits=4, name="narrow").mean().dense(3)
    with pytest.raises(TinykitError, match="input has 4 bits"):
        generate(narrow.build(), board, tmp_path / "p", app=Mlperf(TASKS["ic01"]))
    with pytest.raises(TinykitError, match="12 values for 490"):
        generate(NETWORKS["kws01"](), board, tmp_path / "p", app=Mlperf(TASKS["ad01"]))
    assert not (tmp_path / "p").exists()
    with pytest.raises(TinykitError, match="no task"):
        find_task("kws02")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    board = load_board("stm32vldiscovery")
    wide = Builder(np.random.default_rng(0), (60, 60, 3), name="wide").mean().dense(3).build()
    with pytest.raises(DoesNotFitError, match="RAM"):
        generate(wide, board, tmp_path / "p", app=Mlperf(TASKS["ic01"]))


def test_inputs_with_more_classes_than_the_network(
    bench_of: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = bench_of("vww01", "host")
    inputs = write_inputs(tmp_path / "inputs", "vww01", bench.run.network)
    far = replace(inputs, stimuli=tuple(replace(s, classes=9, label=8) for s in inputs.stimuli))
    with pytest.raises(TinykitError, match="class 8"):
        measure_accuracy(bench, far, limit=2)
