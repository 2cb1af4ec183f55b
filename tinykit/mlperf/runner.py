# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark on an emulated board.

Instructions are exact. Seconds and joules are estimates from the board's description; the lap times
that the firmware tells are those of emulated time, which follows instructions by a power of two.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from tinykit.boards import Board
from tinykit.boards.platformio import BuildResult
from tinykit.codegen.mlperf import Mlperf, Task, input_bytes
from tinykit.emulators import NO_PROGRESS_SECONDS, Emulator, Mark, select
from tinykit.emulators.measure import Count, Estimate, estimate, measure
from tinykit.errors import MismatchError, TinykitError
from tinykit.files import write_atomic
from tinykit.mlperf.dut import Dut, Inference
from tinykit.mlperf.expected import Answer, expect
from tinykit.mlperf.inputs import InputSet
from tinykit.mlperf.metrics import QUALITY, auc, mean_auc, top1
from tinykit.runs import Run
from tinykit.workflow import Firmware, build_firmware, generate_firmware

Mode = Literal["performance", "accuracy", "energy"]
MODES: Final = ("performance", "accuracy", "energy")
Tick = Callable[[], None]
# The benchmark's scripts repeat the measurement so often.
LOOPS: Final = 5
_MOST_STEP = 10
_SEED = 0


@dataclass(frozen=True)
class Bench:
    """A built firmware that speaks the protocol, and what boots it.

    Attributes:
        firmware: the project.
        task: that it serves.
        build: its build.
        machine: the emulator.
        timeout: wall seconds without output after which the firmware counts as hung.
    """

    firmware: Firmware
    task: Task
    build: BuildResult
    machine: Emulator
    timeout: float = NO_PROGRESS_SECONDS

    @property
    def board(self) -> Board:
        """What it was built for."""
        return self.firmware.board

    @property
    def run(self) -> Run:
        """Whose network it runs."""
        assert self.firmware.run is not None
        return self.firmware.run

    @contextmanager
    def boot(self) -> Iterator[Dut]:
        """A device right after reset, in emulated time."""
        transport = self.machine.boot(self.build.elf, self.board, time_step=time_step(self.board))
        with Dut(transport, self.board.id, self.timeout) as dut:
            yield dut

    def head(self, mode: Mode) -> dict[str, Any]:
        """What every result begins with."""
        return {
            "task": self.task.name,
            "mode": mode,
            "board": self.board.id,
            "core": self.board.core,
            "clock_hz": self.board.clock_hz,
            "emulator": self.machine.name,
            "network": self.firmware.metadata["network"]["digest"],
            "flash": self.build.flash,
            "ram": self.build.ram,
            "arena": self.firmware.metadata["arena"]["bytes"],
        }


def time_step(board: Board) -> int | None:
    """The power of two of nanoseconds that is nearest to the board's time for an instruction.

    None on the host, whose time is its own.
    """
    if board.estimates is None:
        return None
    nanoseconds = board.cycles_per_instruction * 1e9 / board.clock_hz
    return min(max(round(math.log2(nanoseconds)), 0), _MOST_STEP)


def prepare(
    run: Run,
    board: Board,
    task: Task,
    *,
    energy: bool = False,
    emulator: str = "auto",
    out: Path | None = None,
    flash_budget: int | None = None,
    timeout: float = NO_PROGRESS_SECONDS,
) -> Bench:
    """Generate and build the firmware.

    Args:
        run: whose network it runs.
        board: the board.
        task: the benchmark's task.
        energy: for energy mode.
        emulator: as `tinykit.emulators.select` takes it.
        out: the project's folder; one below the run's by default.
        flash_budget: see `tinykit.codegen.project.generate`.
        timeout: wall seconds without output after which the firmware counts as hung.

    Raises:
        DoesNotFitError: it does not fit on the board.
        TinykitError: the network is none for the task, or it cannot be built or emulated.
    """
    machine = select(emulator, board)
    app = Mlperf(task, energy=energy)
    firmware = generate_firmware(run, board, out, app=app, flash_budget=flash_budget)
    return Bench(firmware, task, build_firmware(firmware), machine, timeout)


@dataclass(frozen=True)
class Window:
    """One measurement: inferences between two timestamps.

    Attributes:
        inferences: how many.
        elapsed_us: by the device's clock; None in energy mode.
        instructions: from the first timestamp to the second; None where nothing counts them.
        results: what the firmware told.
    """

    inferences: int
    elapsed_us: int | None
    instructions: int | None
    results: str


@dataclass(frozen=True)
class Timing:
    """Of performance and energy mode.

    Attributes:
        bench: what ran.
        mode: which of them.
        windows: the measurements.
        inference: instructions of single inferences; None where nothing counts them (host).
    """

    bench: Bench
    mode: Mode
    windows: tuple[Window, ...]
    inference: Count | None

    @property
    def window_instructions(self) -> float | None:
        """Median over the windows of instructions an inference, what is around it included."""
        found = [w.instructions / w.inferences for w in self.windows if w.instructions is not None]
        return statistics.median(found) if found else None

    @property
    def cost(self) -> Estimate | None:
        """Estimate for one inference of a window."""
        count = self.window_instructions
        return None if count is None else estimate(count, self.bench.board)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        cost = self.cost
        step = time_step(self.bench.board) if self.bench.machine.name == "qemu" else None
        return {
            **self.bench.head(self.mode),
            "windows": [asdict(window) for window in self.windows],
            "inference": self.inference.as_dict() if self.inference else None,
            "window_instructions": self.window_instructions,
            "emulated_ns_per_instruction": None if step is None else 1 << step,
            "estimates": None
            if cost is None
            else {
                "latency_ms": cost.seconds * 1e3,
                "throughput": 1.0 / cost.seconds,
                "energy_uj": cost.joules * 1e6,
                "source": cost.source,
            },
        }


def measure_windows(
    bench: Bench,
    mode: Mode,
    inputs: InputSet | None,
    *,
    iterations: int,
    warmups: int,
    limit: int | None = None,
    tick: Tick = lambda: None,
) -> Timing:
    """Performance or energy mode: load an input, run it so often, and so on.

    Every result is held against the interpreter's.

    Args:
        bench: a firmware of this mode.
        mode: "performance" or "energy".
        inputs: where inputs come from; without, they are drawn at random, for the time of our
            kernels hardly depends on them (that of a softmax does).
        iterations, warmups: timed inferences of each window, and those before.
        limit: windows; five by default, as the benchmark has it.
        tick: called after each window.

    Raises:
        MismatchError: the board and the interpreter differ.
    """
    count = limit or LOOPS
    pieces = _pieces(bench, inputs, count)
    said: list[Inference] = []
    expected = expect(bench.task, bench.run.network, pieces)
    with bench.boot() as dut:
        for piece, right in zip(pieces, expected, strict=True):
            dut.load(piece)
            said.append(dut.infer(iterations, warmups))
            _require_equal(bench, len(said) - 1, Answer(said[-1].results, dut.crc()), right)
            tick()
        dut.close()
        marks = dut.marks()
    spans = _spans(marks)
    windows = tuple(
        Window(iterations, one.elapsed, spans[i] if spans else None, one.results)
        for i, one in enumerate(said)
    )
    return Timing(bench, mode, windows, measure(marks).inference)


def _pieces(bench: Bench, inputs: InputSet | None, count: int) -> list[bytes]:
    size = input_bytes(bench.task, bench.run.network)
    if inputs is None:
        rng = np.random.default_rng(_SEED)
        if bench.task.input == "float32":
            return [rng.normal(size=size // 4).astype("<f4").tobytes() for _ in range(count)]
        return [rng.bytes(size) for _ in range(count)]
    stimuli = inputs.spread(count).stimuli
    return [stimuli[i % len(stimuli)].pieces(size)[0] for i in range(count)]


def _spans(marks: Sequence[Mark]) -> list[int]:
    """Instructions between the two timestamps of each window; there is one more, at the start.

    Each is marked before and after, and a window is what lies between: a line that is being sent
    waits for the emulator's, and how long is nobody's figure.
    """
    stamps = [mark.count for mark in marks if mark.kind == "timestamp"][2:]
    return [end - start for start, end in zip(stamps[1::4], stamps[2::4], strict=True)]


def _require_equal(bench: Bench, index: int, got: Answer, right: Answer) -> None:
    if got != right:
        raise MismatchError(
            f"the firmware and the interpreter differ on input {index}: {got} instead of {right}.",
            where=f"{bench.board.id} under {bench.machine.name}",
            remedy="Run `tinykit verify` to see which executor is alone, and report it.",
        )


@dataclass(frozen=True)
class Accuracy:
    """Of accuracy mode.

    Attributes:
        bench: what ran.
        files: of the input set.
        pieces: inferences; more than files where these are sent in windows.
        agree: inferences of which board and interpreter gave the very same output.
        first_difference: the first that is not; empty if there is none.
        top1: share of right classes; None for anomaly detection.
        auc: area under the ROC curve; of several classes, the mean of each against the rest. None
            where the inputs lack a class.
        inference: instructions of single inferences; None where nothing counts them (host).
    """

    bench: Bench
    files: int
    pieces: int
    agree: int
    first_difference: str
    top1: float | None
    auc: float | None
    inference: Count | None

    @property
    def exact(self) -> bool:
        """Whether all results agree."""
        return self.agree == self.pieces

    @property
    def value(self) -> float | None:
        """The task's metric."""
        return self.top1 if QUALITY[self.bench.task.name].metric == "top-1" else self.auc

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        quality = QUALITY[self.bench.task.name]
        return {
            **self.bench.head("accuracy"),
            "files": self.files,
            "inferences": self.pieces,
            "agree": self.agree,
            "exact": self.exact,
            "first_difference": self.first_difference,
            "metric": quality.metric,
            "value": self.value,
            "target": quality.target,
            "top1": self.top1,
            "auc": self.auc,
            "inference": self.inference.as_dict() if self.inference else None,
        }


def measure_accuracy(
    bench: Bench, inputs: InputSet, *, limit: int | None = None, tick: Tick = lambda: None
) -> Accuracy:
    """Accuracy mode: run every input on the board and by the interpreter.

    The metric is computed from what the board told, as the benchmark's runner does.

    Args:
        bench: a firmware for performance mode.
        inputs: the input set.
        limit: files, spread over the set; all by default.
        tick: called after each file.

    Raises:
        TinykitError: an input does not suit, or the anomaly detector's inputs are of one class.
    """
    chosen = inputs.spread(limit).stimuli
    size = input_bytes(bench.task, bench.run.network)
    scores, labels = [], []
    pieces, agree, difference = 0, 0, ""
    with bench.boot() as dut:
        for stimulus in chosen:
            answers = []
            sent = stimulus.pieces(size)
            for piece, right in zip(sent, expect(bench.task, bench.run.network, sent), strict=True):
                answers.append(dut.answer(piece))
                same = answers[-1] == right
                agree += same
                if not same and not difference:
                    difference = f"{stimulus.path.name}: {answers[-1]} instead of {right}"
            pieces += len(sent)
            scores.append(np.mean([answer.numbers for answer in answers], axis=0))
            labels.append(stimulus.label)
            tick()
        dut.close()
        counts = measure(dut.marks()).inference
    share, area = _metrics(bench.task, np.array(scores), np.array(labels, np.int64))
    return Accuracy(bench, len(chosen), pieces, agree, difference, share, area, counts)


def _metrics(
    task: Task, scores: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]
) -> tuple[float | None, float | None]:
    """Top-1 and area under the curve, of those that apply."""
    if task.result == "error":
        return None, auc(scores[:, 0], labels == 1)
    if labels.max() >= scores.shape[1]:
        raise TinykitError(
            f"the inputs have a class {labels.max()}; the network tells {scores.shape[1]} apart.",
            where="--inputs",
            remedy="Use a network of the task's classes.",
        )
    complete = len(np.unique(labels)) == scores.shape[1]
    return top1(scores, labels), mean_auc(scores, labels) if complete else None


def save_result(run: Run, document: dict[str, Any]) -> Path:
    """Keep a result in the run folder."""
    name = f"{document['board']}-{document['task']}-{document['mode']}.json"
    path = run.directory / "mlperf" / name
    write_atomic(path, json.dumps(document, indent=1) + "\n")
    return path
