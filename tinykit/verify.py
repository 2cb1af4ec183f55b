# SPDX-License-Identifier: Apache-2.0
"""Four executors, one answer: show that they agree bit for bit on a run's recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.boards import Board
from tinykit.errors import DoesNotFitError
from tinykit.files import write_atomic
from tinykit.network import Network, interpret, interpret_all, run_adaptive
from tinykit.network.sample import random_input
from tinykit.runs import Run
from tinykit.workflow import (
    BoardResult,
    Tick,
    build_firmware,
    generate_firmware,
    run_firmware,
)

Int8Array = NDArray[np.int8]
_RANDOM_INPUTS = 100


@dataclass(frozen=True)
class Row:
    """One executor, held against the NumPy interpreter.

    Attributes:
        executor: what ran.
        core: the core it ran on; None for software without one.
        inputs: how many were compared.
        compares: which values were compared.
        exact: whether all were equal; None if the executor could not run.
        detail: the first difference, or why it did not run.
    """

    executor: str
    core: str | None
    inputs: int
    compares: str
    exact: bool | None
    detail: str = ""


@dataclass(frozen=True)
class Agreement:
    """The rows for one Network."""

    network: str
    inputs: int
    rows: tuple[Row, ...]

    @property
    def exact(self) -> bool:
        """Whether every executor that ran was exact."""
        return all(row.exact is not False for row in self.rows)

    @property
    def sentence(self) -> str:
        """Such as `bit-exact: interpreter = host C = cortex-m4f = rv32imc`."""
        names = ["interpreter"]
        for row in self.rows:
            name = row.core or row.executor
            if row.exact and name not in names:
                names.append(name)
        wrong = [row.executor for row in self.rows if row.exact is False]
        if wrong:
            return f"NOT bit-exact: {', '.join(wrong)} differ from the interpreter"
        return f"bit-exact: {' = '.join(names)}"

    def as_dict(self) -> dict[str, Any]:
        """The content of RUN/verify.json."""
        return {
            "network": self.network,
            "inputs": self.inputs,
            "exact": self.exact,
            "sentence": self.sentence,
            "rows": [asdict(row) for row in self.rows],
        }


def tflite_can_run(network: Network) -> bool:
    """Whether every activation has 8 bits; narrower weights are int8 values to TFLite."""
    return all(tensor.bits == 8 for tensor in network.tensors)


def verify(
    run: Run,
    boards: Sequence[Board],
    *,
    emulators: Sequence[str] = ("auto",),
    clips: int = 10,
    sanitize: bool = False,
    tick: Tick = lambda: None,
    on_result: Callable[[BoardResult], None] = lambda result: None,
) -> Agreement:
    """Compare every executor with the interpreter; keeps the result in RUN/verify.json.

    Args:
        run: the run; without a front end, random features stand for recordings.
        boards: to build and boot; one that the network does not fit on is reported, not failed.
        emulators: "auto", or several names to boot each board under each that knows it.
        clips: recordings to stream through each board's own front end, and to run in every mode.
        sanitize: run the host's C under ASan and UBSan.
        tick: called after each executor.
        on_result: called with what each board measured.
    """
    features = inputs_of(run)
    rows = [_host_row(run, features, sanitize=sanitize)]
    tick()
    if tflite_can_run(run.network):
        rows.append(_tflite_row(run, features))
    tick()
    for board in boards:
        for row, measured in _board_rows(run, board, emulators, clips, features):
            rows.append(row)
            if measured is not None:
                on_result(measured)
        tick()
    result = Agreement(run.network.digest, len(features), tuple(rows))
    text = json.dumps(result.as_dict(), indent=1) + "\n"
    write_atomic(run.directory / "verify.json", text)
    return result


def inputs_of(run: Run) -> Int8Array:
    """Inputs for a run's Network, int8 (n, *input shape): of its recordings, else at random."""
    if run.network.frontend is not None:
        return run.frontend.integer(run.samples().x)
    source = run.network.tensor(run.network.input)
    return random_input(np.random.default_rng(0), source, _RANDOM_INPUTS)


def first_difference(expected: NDArray[Any], got: NDArray[Any]) -> str:
    """Where two arrays (n, ...) differ first; empty if they are equal."""
    if expected.shape != got.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    if np.array_equal(expected, got):
        return ""
    place = tuple(int(i[0]) for i in np.nonzero(expected != got))
    return f"input {place[0]}, element {place[1:]}: {got[place]} instead of {expected[place]}"


def _host_row(run: Run, features: Int8Array, *, sanitize: bool) -> Row:
    from tinykit.codegen.hostlib import HostModel

    differences = []
    compares = "scores and every layer"
    expected = interpret_all(run.network, features)
    with HostModel(run.network, sanitize=sanitize) as model:
        for name, got in model.invoke_layers(features).items():
            if wrong := first_difference(expected[name], got):
                differences.append(f"{name}: {wrong}")
        scores = expected[run.network.output].reshape(len(features), -1)
        if wrong := first_difference(scores, model.invoke(features)):
            differences.append(f"scores: {wrong}")
        for index, mode in enumerate(run.network.modes):
            got, left = model.invoke_mode(features, index)
            want, where = run_adaptive(run.network, features, mode)
            if not (np.array_equal(left, where) and np.array_equal(got, want)):
                differences.append(f"mode {mode.name}")
        if run.network.frontend is not None:
            compares = "features, scores and every layer"
            heard, answered = model.invoke_clips(run.samples().x)
            for name, ours, theirs in (("features", features, heard), ("clips", scores, answered)):
                if wrong := first_difference(ours, theirs):
                    differences.append(f"{name}: {wrong}")
    compares += ", every mode" if run.network.modes else ""
    return Row(
        "host C (ASan, UBSan)" if sanitize else "host C",
        None,
        len(features),
        compares,
        not differences,
        differences[0] if differences else "",
    )


def _tflite_row(run: Run, features: Int8Array) -> Row:
    """An imported network is held against its file: the one given, or what it was quantized to."""
    from tinykit.importer.ends import as_in_file
    from tinykit.importer.run import MODEL
    from tinykit.network import run_tflite, to_tflite
    from tinykit.network.tflite_oracle import run_foreign

    network, original = run.network, run.directory / MODEL
    expected: NDArray[Any] = interpret(network, features)
    if original.exists():
        ends = network.metadata
        got = run_foreign(original.read_bytes(), as_in_file(features, ends["input"]))
        expected = as_in_file(expected, ends["output"])
    else:
        got = run_tflite(to_tflite(network), features).reshape(len(features), -1)
    wrong = first_difference(expected, got)
    name = "tflite-runtime (reference kernels)"
    return Row(name, None, len(features), "scores", not wrong, wrong)


def _board_rows(
    run: Run, board: Board, emulators: Sequence[str], clips: int, features: Int8Array
) -> Iterator[tuple[Row, BoardResult | None]]:
    title = f"{board.id} under {{}}"
    names = list(emulators) if list(emulators) == ["auto"] else _known(board, emulators)
    if not names:
        reason = f"runs only under {', '.join(board.emulators)}"
        yield Row(title.format("nothing"), board.core, 0, "-", None, reason), None
        return
    try:
        firmware = generate_firmware(run, board)
    except DoesNotFitError as error:
        yield Row(title.format("nothing"), board.core, 0, "-", None, error.what), None
        return
    build = build_firmware(firmware)
    stream = run.samples().first(clips) if run.network.frontend is not None and clips else None
    compares = "features, scores and every layer" if stream is not None else "scores, layers"
    compares += ", every mode" if run.network.modes else ""
    for name in names:
        result = run_firmware(
            firmware, build, emulator=name, clips=stream, features=features[:clips]
        )
        wrong = [*result.differences, *(f"clip {c.index}" for c in result.clips if not c.agrees)]
        wrong += [f"mode {m.name}: {m.first_wrong}" for m in result.modes if m.wrong]
        title_of_row = title.format(result.emulator)
        detail = wrong[0] if wrong else ""
        row = Row(title_of_row, board.core, result.compared, compares, result.exact, detail)
        yield row, result


def _known(board: Board, emulators: Sequence[str]) -> list[str]:
    """Those of `emulators` that know the board; the host needs none."""
    return ["host"] if board.arch == "host" else [e for e in emulators if e in board.emulators]
