# SPDX-License-Identifier: Apache-2.0
"""Classify a user's own recordings with a run's Network, in Python and on an emulated board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.network import interpret

if TYPE_CHECKING:
    from tinykit.frontends import Frontend
    from tinykit.runs import Run

SUFFIXES = (".wav", ".csv")


@dataclass(frozen=True)
class Window:
    """One clip of a recording: `x` int16 (samples,) or (samples, channels), `start` in seconds."""

    source: Path
    start: float
    x: NDArray[np.int16]


@dataclass(frozen=True)
class Prediction:
    """What was heard or done in one window.

    Attributes:
        source: the file.
        start: where the window begins, in seconds.
        label: the class of the largest score.
        scores: the integer logits, one a class.
        probability: softmax of the dequantised logits at the chosen class; Python only.
        board_label, board_scores: the same from the emulated board, where it was asked.
    """

    source: str
    start: float
    label: str
    scores: tuple[int, ...]
    probability: float
    board_label: str | None = None
    board_scores: tuple[int, ...] | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the board gave the very same integers; None if it was not asked."""
        return None if self.board_scores is None else self.board_scores == self.scores

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "agrees": self.agrees}


def recordings(path: Path) -> list[Path]:
    """The file itself, or every recording below the folder, sorted.

    Raises:
        TinykitError: nothing there can be read as a recording.
    """
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise TinykitError(
            "no recordings here." if path.exists() else "no such file or folder.",
            where=path,
            remedy=f"Name a file or a folder with {', '.join(SUFFIXES)} files.",
        )
    return found


def windows(run: Run, path: Path) -> Iterator[Window]:
    """Cut a recording into clips of the front end's length, half overlapping.

    A recording shorter than one clip is padded with zeros (speech) or refused (motion).
    """
    frontend = run.frontend
    x = _read(run, frontend, path)
    length = frontend.input_length
    if len(x) < length:
        if path.suffix.lower() == ".csv":
            raise TinykitError(
                f"has {len(x)} samples; the network needs {length}.",
                where=path,
                remedy=f"Record at least {length / frontend.rate:.2f} s at {frontend.rate} Hz.",
            )
        x = np.pad(x, (0, length - len(x)))
    for start in range(0, len(x) - length + 1, max(1, length // 2)):
        yield Window(path, start / frontend.rate, x[start : start + length])


def _read(run: Run, frontend: Frontend, path: Path) -> NDArray[np.int16]:
    from tinykit.data import read_motion, read_wav

    if path.suffix.lower() == ".csv":
        if frontend.kind != "imu":
            raise TinykitError("is a CSV, but the network listens to sound.", where=path)
        return read_motion(path, tuple(run.network.metadata["channels"]))
    if frontend.kind == "imu":
        raise TinykitError("is sound, but the network takes motion samples (CSV).", where=path)
    return read_wav(path, rate=frontend.rate)


def predict(run: Run, clips: Sequence[Window]) -> list[Prediction]:
    """Classify windows with the reference interpreter."""
    if not clips:
        return []
    features = run.frontend.integer(np.stack([clip.x for clip in clips]))
    scores = interpret(run.network, features)
    scale = run.network.tensor(run.network.output).scale
    logits = scores.astype(np.float64) * scale
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = exponent / exponent.sum(axis=1, keepdims=True)
    return [
        Prediction(
            source=str(clip.source),
            start=clip.start,
            label=run.network.labels[int(row.argmax())],
            scores=tuple(int(value) for value in row),
            probability=float(share.max()),
        )
        for clip, row, share in zip(clips, scores, probability, strict=True)
    ]


def predict_on_board(
    run: Run, clips: Sequence[Window], found: Sequence[Prediction], board: str, emulator: str
) -> list[Prediction]:
    """The same predictions with the answers of an emulated board added.

    Each window is streamed over UART and goes through the board's own front end.
    """
    from tinykit.boards import load_board
    from tinykit.emulators import select
    from tinykit.workflow import build_firmware, generate_firmware

    firmware = generate_firmware(run, load_board(board))
    build = build_firmware(firmware)
    hop = run.frontend.c_constants()["chunk"]
    answers = []
    with select(emulator, firmware.board).start(build.elf, firmware.board) as session:
        session.self_test()
        for clip, one in zip(clips, found, strict=True):
            record = session.send_clip(clip.x, hop)
            label = run.network.labels[record["class"]]
            scores = tuple(record["scores"])
            answers.append(replace(one, board_label=label, board_scores=scores))
        session.quit()
    return answers
