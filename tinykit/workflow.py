# SPDX-License-Identifier: Apache-2.0
"""The stages from a Network to a measured board, chained as the commands use them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinykit.board_modes import ModeResult, run_modes, split_marks
from tinykit.boards import Board, load_board
from tinykit.boards.platformio import BuildResult
from tinykit.boards.platformio import build as build_project
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.project import METADATA, generate
from tinykit.codegen.vectors import Vectors, make_vectors
from tinykit.emulators import NO_PROGRESS_SECONDS, Emulator, Session, select
from tinykit.emulators.measure import estimate, measure
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.frontends import from_config
from tinykit.network.ops import Int8Array
from tinykit.runs import Run, Samples, open_run

if TYPE_CHECKING:
    from tinykit.emulators.measure import Measurement
    from tinykit.emulators.records import Record
    from tinykit.network import Network

VECTORS = 4
CLIPS = 1
_VECTOR_SEED = 0
Tick = Callable[[], None]


@dataclass(frozen=True)
class Firmware:
    """A generated project.

    Attributes:
        directory: the PlatformIO project.
        board: what it was generated for.
        metadata: content of its tinykit.json.
        run: the run folder it lies in, or None.
    """

    directory: Path
    board: Board
    metadata: dict[str, Any]
    run: Run | None

    @property
    def network(self) -> Network:
        """The network of its run.

        Raises:
            TinykitError: it lies in no run folder.
        """
        if self.run is None:
            raise TinykitError(
                "the project lies in no run folder, so Python has nothing to compare with.",
                where=self.directory,
                remedy="Generate it without --out, or name the run folder and --board instead.",
            )
        return self.run.network


def is_project(path: Path) -> bool:
    """Whether `path` is a folder that `tinykit generate` wrote."""
    return (path / METADATA).is_file()


def generate_firmware(
    run: Run,
    board: Board,
    out: Path | None = None,
    *,
    vectors: int = VECTORS,
    clips: int = CLIPS,
    flash_budget: int | None = None,
    app: App = SELF_TEST,
) -> Firmware:
    """Write the project of a run for a board, by default to `RUN/firmware/<board>`.

    An app other than the self-test has a folder of its own there.

    Args:
        run: the run.
        board: the board.
        out: the project's folder.
        vectors, clips: how many to embed.
        flash_budget: see `tinykit.codegen.project.generate`.
        app: what the firmware does.

    Raises:
        DoesNotFitError: it does not fit; nothing is written.
        TinykitError: see `tinykit.codegen.project.generate`.
    """
    directory = out or run.directory / "firmware" / "-".join([board.id, *app.variant])
    project = generate(
        run.network,
        board,
        directory,
        vectors=_self_test(run, vectors=vectors, clips=clips) if app.embeds else None,
        flash_budget=flash_budget,
        app=app,
    )
    return Firmware(directory, board, project.metadata, run)


def open_firmware(target: Path, board_id: str | None) -> Firmware:
    """A project folder as it is, or a run's project for a board, generated anew.

    Raises:
        TinykitError: neither, or the board is missing or another one.
    """
    if is_project(target):
        return _read_project(target, board_id)
    if board_id is None:
        raise TinykitError(
            "a run does not say which board.",
            where=target,
            remedy="Add --board; `tinykit boards` lists them.",
        )
    return generate_firmware(open_run(target), load_board(board_id))


def _read_project(directory: Path, board_id: str | None) -> Firmware:
    path = directory / METADATA
    try:
        metadata = json.loads(path.read_text())
        name = metadata["board"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinykitError(
            "the project's description is broken.", where=path, remedy="Generate it again."
        ) from error
    if board_id not in (None, name):
        raise TinykitError(
            f"the project is for {name}, not for {board_id}.",
            where=directory,
            remedy=f"Leave --board out, or generate for {board_id}.",
        )
    home = directory.resolve().parent.parent
    run = open_run(home) if (home / "network.tkn").exists() else None
    return Firmware(directory, load_board(name), metadata, run)


def _self_test(run: Run, *, vectors: int, clips: int) -> Vectors:
    """Features and recordings that the firmware carries, with the interpreter's answers."""
    network = run.network
    if network.frontend is None:
        shape = network.tensor(network.input).shape
        drawn = np.random.default_rng(_VECTOR_SEED).integers(-128, 128, (vectors, *shape))
        return make_vectors(network, drawn.astype(np.int8))
    samples = run.samples()
    features = run.frontend.integer(samples.first(vectors).x)
    kept = samples.first(clips)
    names = tuple(
        f"{samples.source} {network.labels[int(label)]} #{i}" for i, label in enumerate(kept.y)
    )
    return make_vectors(network, features, kept.x, clip_names=names)


def build_firmware(firmware: Firmware) -> BuildResult:
    """Build with PlatformIO."""
    return build_project(firmware.directory, firmware.board)


def check_self_test(records: Sequence[Record], metadata: dict[str, Any]) -> list[str]:
    """Compare the self-test's records with what the interpreter said at generation.

    The firmware compares too; this does not rely on it. Returns what differs, empty if nothing.
    """
    embedded = metadata["embedded"]
    wrong = []
    seen = {kind: [r for r in records if r["t"] == kind] for kind in ("layer", "vector", "clip")}
    pairs = (
        ("layer", [(r["crc"],) for r in seen["layer"]], [(c,) for c in embedded["layer_crcs"]]),
        (
            "vector",
            [tuple(r["scores"]) for r in seen["vector"]],
            [tuple(v["scores"]) for v in embedded["vectors"]],
        ),
        (
            "clip",
            [(r["features"], *r["scores"]) for r in seen["clip"]],
            [(c["features_crc"], *c["scores"]) for c in embedded["clips"]],
        ),
    )
    for kind, got, expected in pairs:
        if len(got) != len(expected):
            wrong.append(f"{len(got)} {kind} records instead of {len(expected)}")
        wrong += [
            f"{kind} {i}: {a} instead of {b}"
            for i, (a, b) in enumerate(zip(got, expected, strict=False))
            if a != b
        ]
    done = [r for r in records if r["t"] == "done"]
    if not done or done[-1]["verdict"] != "PASS":
        wrong.append("the firmware's own verdict is not PASS")
    return wrong


@dataclass(frozen=True)
class ClipResult:
    """One recording streamed through a board: its class there, and whether Python agrees."""

    index: int
    label: str
    predicted: str
    scores: list[int]
    agrees: bool


@dataclass(frozen=True)
class BoardResult:
    """What one emulated board measured.

    Attributes:
        firmware: the project.
        build: its build.
        emulator: name of the emulator.
        records: of the self-test.
        differences: where the board and the interpreter disagree; empty if bit-exact.
        clips: recordings streamed over UART.
        measurement: exact instruction counts, those in other modes than the first left out.
        modes: what inferences did in each mode of a network with exits, where that was asked.
    """

    firmware: Firmware
    build: BuildResult
    emulator: str
    records: list[Record]
    differences: list[str]
    clips: list[ClipResult]
    measurement: Measurement
    modes: list[ModeResult] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether everything that was compared was equal."""
        same = all(clip.agrees for clip in self.clips) and not any(m.wrong for m in self.modes)
        return not self.differences and same

    @property
    def compared(self) -> int:
        """How many inputs were compared."""
        vectors = sum(r["t"] in ("vector", "clip") for r in self.records)
        return vectors + len(self.clips) + sum(mode.inferences for mode in self.modes)

    def as_dict(self) -> dict[str, Any]:
        """The content of RUN/boards/<board>.json."""
        board, metadata = self.firmware.board, self.firmware.metadata
        return {
            "board": board.id,
            "board_name": board.name,
            "core": board.core,
            "clock_hz": board.clock_hz,
            "emulator": self.emulator,
            "network": metadata["network"]["digest"],
            "exact": self.exact,
            "differences": self.differences,
            "flash": self._flash(),
            "ram": self._ram(),
            "instructions": self._instructions(),
            "estimates": self._estimates(),
            "vectors": {
                "count": sum(r["t"] == "vector" for r in self.records),
                "pass": sum(r["t"] == "vector" and bool(r["pass"]) for r in self.records),
            },
            "clips": [
                {
                    "index": c.index,
                    "label": c.label,
                    "class": c.predicted,
                    "scores": c.scores,
                    "agrees": c.agrees,
                }
                for c in self.clips
            ],
            **({"modes": [mode.as_dict() for mode in self.modes]} if self.modes else {}),
        }

    def _flash(self) -> dict[str, Any]:
        estimated = self.firmware.metadata["estimate"]["flash_parts"]
        data = {name: size for name, size in estimated.items() if name != "code"}
        code = self.build.flash - sum(data.values())
        return {
            "total": self.build.flash,
            "capacity": self.firmware.board.flash_bytes,
            "parts": {**data, "code": code},
        }

    def _ram(self) -> dict[str, Any]:
        arena = self.firmware.metadata["arena"]["bytes"]
        stack = next((r for r in self.records if r["t"] == "stack"), {"used": 0, "size": 0})
        return {
            "total": self.build.ram,
            "capacity": self.firmware.board.ram_bytes,
            "arena": arena,
            "stack_used": stack["used"],
            "stack_reserved": stack["size"],
            "other": self.build.ram - arena - self.build.sizes.stack,
        }

    def _instructions(self) -> dict[str, Any]:
        found = self.measurement
        names = [layer["name"] for layer in self.firmware.metadata["layers"]]
        return {
            "inference": round(found.inference.mean) if found.inference else None,
            "predicted": (self.firmware.metadata.get("predicted") or {}).get("instructions"),
            "layers": [
                {"name": name, "instructions": round(count.mean)}
                for name, count in zip(names, found.layers, strict=False)
            ],
            "frontend_per_hop": {"mean": found.hop.mean, "max": found.hop.most}
            if found.hop
            else None,
            "frontend_per_clip": round(found.clip.mean) if found.clip else None,
        }

    def _estimates(self) -> dict[str, Any] | None:
        count, board = self.measurement.inference, self.firmware.board
        guess = estimate(count.mean, board) if count else None
        if guess is None:
            return None
        return {
            "latency_ms": guess.seconds * 1e3,
            "energy_uj": guess.joules * 1e6,
            "cycles_per_instruction": board.cycles_per_instruction,
            "pj_per_cycle": board.pj_per_cycle,
            "source": guess.source,
        }


def run_firmware(
    firmware: Firmware,
    build: BuildResult,
    *,
    emulator: str = "auto",
    clips: Samples | None = None,
    features: Int8Array | None = None,
    timeout: float = NO_PROGRESS_SECONDS,
    tick: Tick = lambda: None,
) -> BoardResult:
    """Boot the firmware, check its self-test, stream recordings, count instructions.

    Args:
        firmware: the project.
        build: its build.
        emulator: "auto", "renode", "qemu" or "host".
        clips: recordings to stream through the board's front end over UART; none by default.
        features: int8 (n, *input shape), to run in every mode of a network with exits.
        timeout: wall seconds without output after which the firmware counts as hung.
        tick: called after the self-test and after each clip, for a progress bar.
    """
    if firmware.metadata.get("app", {"name": SELF_TEST.name})["name"] != SELF_TEST.name:
        raise TinykitError(
            "this firmware has no self-test.",
            where=firmware.directory,
            remedy="Name the run folder and --board instead, or use `tinykit mlperf` or `stream`.",
        )
    machine: Emulator = select(emulator, firmware.board)
    with machine.start(build.elf, firmware.board, timeout=timeout) as session:
        records = session.self_test()
        tick()
        streamed = _stream(firmware, session, clips, tick) if clips is not None else []
        moded = None
        if features is not None and (network := firmware.network).exits:
            moded = run_modes(session, network, features, tick)
        session.quit()
        marks = session.marks()
    extra = 0 if moded is None else sum(map(len, moded.records))
    marks, counts = split_marks(marks, extra)
    result = BoardResult(
        firmware,
        build,
        machine.name,
        records,
        check_self_test(records, firmware.metadata),
        streamed,
        measure(marks),
        [] if moded is None else moded.results(counts),
    )
    if firmware.run is not None:
        save_result(firmware.run, result)
    return result


def _stream(firmware: Firmware, session: Session, clips: Samples, tick: Tick) -> list[ClipResult]:
    from tinykit.network import interpret

    network = firmware.network
    frontend = from_config(network.frontend or {})
    features = frontend.integer(clips.x)
    expected = interpret(network, features)
    hop = frontend.c_constants()["chunk"]
    results = []
    for i, (x, y) in enumerate(zip(clips.x, clips.y, strict=True)):
        record = session.send_clip(x, hop)
        same = record["scores"] == expected[i].tolist()
        same &= record["features"] == _crc(features[i].tobytes())
        labels = network.labels
        results.append(
            ClipResult(i, labels[int(y)], labels[record["class"]], record["scores"], bool(same))
        )
        tick()
    return results


def _crc(data: bytes) -> str:
    import zlib

    return f"{zlib.crc32(data):08x}"


def save_result(run: Run, result: BoardResult) -> Path:
    """Keep a result in the run folder, where the report finds it."""
    path = run.directory / "boards" / f"{result.firmware.board.id}.json"
    write_atomic(path, json.dumps(result.as_dict(), indent=1) + "\n")
    return path
