# SPDX-License-Identifier: Apache-2.0
"""Gather a report from a run folder; only the network must be there, nothing is invented."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tinykit import __version__
from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.report.codec import CodecError, decode, parse_json
from tinykit.report.document import (
    Arena,
    ArenaBuffer,
    BoardResult,
    Data,
    Figures,
    Layer,
    Missing,
    Operating,
    Report,
    Split,
    Stage,
    Verification,
)

T = TypeVar("T")
_TRAIN = "tinykit train"
_NOTHING = Split()


@dataclass(frozen=True)
class _Metrics:
    """What the report reads of metrics.json."""

    data: Data | None = None
    seed: int | None = None
    parameters: int | None = None
    digest: str | None = None
    schemes: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...] = ()
    floating: Split = _NOTHING
    integers: Split = _NOTHING


def collect(run: Path) -> Report:
    """Read everything that the run folder `run` holds.

    Raises:
        TinykitError: there is no network, or a file is broken; names the file and the remedy.
    """
    from tinykit.runs import open_run

    opened = open_run(run)
    folder, network = opened.directory, opened.network
    metrics = _metrics(folder / "metrics.json")
    boards = tuple(_board(path, network) for path in sorted((folder / "boards").glob("*.json")))
    verification = _verification(folder / "verify.json", network)
    recipe = _recipe(folder / "recipe.toml")
    meta = network.metadata
    data = metrics.data or _data_of(network)
    return Report(
        tinykit=__version__,
        name=network.name,
        task=_text(meta.get("task")) or _text((recipe or {}).get("task")),
        digest=network.digest,
        policy=_text(meta.get("policy")),
        labels=network.labels,
        frontend=_text((network.frontend or {}).get("kind")),
        parameters=metrics.parameters,
        parameter_bytes=network.parameter_bytes(),
        macs=network.macs(),
        synthetic=data.synthetic if data else bool(meta.get("synthetic", False)),
        metrics_stale=metrics.digest is not None and metrics.digest != network.digest,
        data=data,
        recipe=recipe,
        schemes=dict(metrics.schemes),
        stages=metrics.stages,
        floating=metrics.floating,
        integers=metrics.integers,
        modes=_modes(network),
        layers=_layers(network, boards),
        arena=_arena(network, boards),
        boards=boards,
        verification=verification,
        versions=dict(metrics.versions),
        seed=metrics.seed,
        commands=_commands(folder, recipe, boards),
        missing=_missing(folder, metrics, recipe, boards, verification),
    )


def _read(path: Path, remedy: str) -> Any:
    """Parsed JSON, or None where there is no file."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, CodecError) as error:
        raise _broken(path, str(error), remedy) from error


def _broken(path: Path, what: str, remedy: str) -> TinykitError:
    return TinykitError(f"the file is broken: {what}.", where=path, remedy=remedy)


def _decode(kind: type[T], value: Any, path: Path, remedy: str, place: str = "") -> T:
    try:
        return decode(kind, value, place)
    except CodecError as error:
        raise _broken(path, str(error), remedy) from error


def _metrics(path: Path) -> _Metrics:
    remedy = "Delete it and train again with `tinykit train … --resume`."
    raw = _read(path, remedy)
    if raw is None:
        return _Metrics()
    if not isinstance(raw, Mapping):
        raise _broken(path, "it holds no object", remedy)
    stages, splits = [], {}
    for name in ("float", "quantized"):
        part = raw.get(name)
        if part is None:
            splits[name] = _NOTHING
            continue
        stages.append(_decode(Stage, {"name": name, **_object(part)}, path, remedy, name))
        splits[name] = _decode(Split, part, path, remedy, name)
        for figures in (splits[name].validation, splits[name].test):
            if figures is not None and not _consistent(figures):
                raise _broken(path, f"{name!r} has a confusion matrix of another size", remedy)
    data = raw.get("data")
    return _Metrics(
        data=None if data is None else _decode(Data, data, path, remedy, "data"),
        seed=raw["seed"] if isinstance(raw.get("seed"), int) else None,
        parameters=_object(raw.get("model")).get("parameters"),
        digest=_object(raw.get("network")).get("digest"),
        schemes=_texts(_object(raw.get("quantized")).get("schemes")),
        versions=_texts(raw.get("versions")),
        stages=tuple(stages),
        floating=splits["float"],
        integers=splits["quantized"],
    )


def _consistent(figures: Figures) -> bool:
    size = len(figures.per_class)
    return len(figures.confusion) == size and all(len(row) == size for row in figures.confusion)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(one)) for key, one in _object(value).items())


def _data_of(network: Network) -> Data | None:
    name = _text(network.metadata.get("data"))
    if not name:
        return None
    return Data(name, bool(network.metadata.get("synthetic", False)), network.labels)


def _recipe(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        remedy = "Put back the recipe that the run was trained with."
        raise _broken(path, str(error), remedy) from error


def _same(network: Network, digest: str) -> bool:
    """Records on a wire carry the first 16 digits only."""
    return len(digest) >= 16 and network.digest.startswith(digest)


def _board(path: Path, network: Network) -> BoardResult:
    remedy = f"Delete it and measure again with `tinykit run … --board {path.stem}`."
    raw = dict(_object(_read(path, remedy)))
    raw["stale"] = not _same(network, _text(raw.get("network")))
    raw["vectors"] = _renamed(raw.get("vectors"), "pass", "passed")
    raw["clips"] = [_renamed(clip, "class", "predicted") for clip in raw.get("clips") or ()]
    raw.setdefault("estimates", None)
    return _decode(BoardResult, raw, path, remedy)


def _renamed(value: Any, old: str, new: str) -> Any:
    """`pass` and `class` are words of Python's own."""
    if not isinstance(value, Mapping):
        return value
    return {new if key == old else key: one for key, one in value.items()}


def _verification(path: Path, network: Network) -> Verification | None:
    remedy = "Delete it and run `tinykit verify` again."
    raw = _read(path, remedy)
    if raw is None:
        return None
    found = _decode(Verification, raw, path, remedy)
    return Verification(found.network, found.inputs, found.rows, not _same(network, found.network))


def _modes(network: Network) -> tuple[Operating, ...]:
    known = [(mode.name, mode.expected) for mode in network.modes]
    return tuple(
        Operating(name, e.accuracy, e.macro_f1, e.instructions, e.shares, e.board)
        for name, e in known
        if e is not None
    )


def _layers(network: Network, boards: tuple[BoardResult, ...]) -> tuple[Layer, ...]:
    from tinykit.network.summary import summary

    counts = {
        board.board: {row.name: row.instructions for row in board.instructions.layers}
        for board in boards
        if not board.stale
    }
    layers = []
    for op, row in zip(network.ops, summary(network), strict=True):
        bits = network.tensor((*op.inputs, op.output)[0]).bits
        layers.append(
            Layer(
                name=row.name,
                op=row.op,
                input_shape=row.input_shape,
                output_shape=row.output_shape,
                weight_bits=row.weight_bits,
                input_bits=bits,
                activation_bits=row.activation_bits,
                macs=row.macs,
                ace=row.macs * (row.weight_bits or 0) * bits,
                weight_bytes=row.weight_bytes,
                parameter_bytes=row.parameter_bytes,
                instructions={
                    board: by_name[row.name]
                    for board, by_name in counts.items()
                    if row.name in by_name
                },
            )
        )
    return tuple(layers)


def _arena(network: Network, boards: tuple[BoardResult, ...]) -> Arena | None:
    """The plan for the first board that was measured, or for this machine."""
    from tinykit.boards import load_board
    from tinykit.codegen.isa import isa_of
    from tinykit.codegen.plan import plan_memory

    try:
        board = load_board(boards[0].board if boards else "host")
        plan = plan_memory(network, isa_of(board))
    except TinykitError:
        # A board that is no longer known, or a layer that no kernel can run: the network still has
        # a report, without a plan.
        return None
    buffers = tuple(
        ArenaBuffer(b.name, plan.offsets[b.name], b.size, b.first, b.last) for b in plan.buffers
    )
    occupied = tuple(plan.occupied(step) for step in range(len(plan.layers)))
    return Arena(board.name, plan.size, plan.lower_bound, plan.layers, occupied, buffers)


def _commands(
    folder: Path, recipe: dict[str, Any] | None, boards: tuple[BoardResult, ...]
) -> tuple[str, ...]:
    # The folder's own name: a report travels, the path to the run does not.
    run = shlex.quote(f"runs/{folder.resolve().name}")
    task = _text((recipe or {}).get("task"))
    lines = [f"{_TRAIN} recipe.toml --out {run}"] if task else []
    for board in boards:
        lines.append(f"tinykit run {run} --board {shlex.quote(board.board)}")
    return (*lines, f"tinykit verify {run}", f"tinykit report {run}")


def _missing(
    folder: Path,
    metrics: _Metrics,
    recipe: dict[str, Any] | None,
    boards: tuple[BoardResult, ...],
    verification: Verification | None,
) -> tuple[Missing, ...]:
    run = shlex.quote(f"runs/{folder.resolve().name}")
    task = _text((recipe or {}).get("task")) or "kws|har"
    train = f"{_TRAIN} {task} --out {run}"
    checks = (
        ("recipe", "The recipe", recipe is None, train),
        ("training", "The training curves", not any(s.epochs for s in metrics.stages), train),
        ("accuracy", "The accuracy", metrics.integers.test is None, train),
        ("float", "The float model's accuracy", metrics.floating.test is None, train),
        ("boards", "Flash, RAM and instructions", not boards, f"tinykit run {run} --board BOARD"),
        ("verify", "The executors' agreement", verification is None, f"tinykit verify {run}"),
    )
    return tuple(Missing(part, what, cmd) for part, what, absent, cmd in checks if absent)
