# SPDX-License-Identifier: Apache-2.0
"""Keywords found in a long stream: misses against false alarms an hour, of several networks.

    TINYKIT_DATA=... python benchmarks/kws_stream.py RUN... [--part test] [--minutes 20]

The stream is made of clips of one part of Speech Commands, keywords and other words in turn by
chance, over that part's own silence. Each network hears windows of a second, 0.24 s apart, through
its own front end; a keyword is found where the mean of its probability over some windows reaches a
threshold, once a second at most. Found within 0.75 s after its clip it is a hit, else a false
alarm. Choices are made on validation data; `--part test` is for the end. Writes DET curves with
`--out`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tinykit.data import Dataset
from tinykit.files import write_atomic
from tinykit.frontends import from_config
from tinykit.network import Network, interpret
from tinykit.progress import progress
from tinykit.recipe import Recipe
from tinykit.runs import open_run

FloatArray = NDArray[np.float64]
NONE = ("silence", "unknown")
# Seconds: pieces in which front ends run, between windows, between findings, after a clip's end.
PIECE, STEP, REST, LATE = 60, 0.24, 1.0, 0.75
# Of clips a stream holds, the share of keywords; seconds between two clips.
KEYWORDS, GAP = 0.5, (1.5, 4.5)
# The data sets' silence is as loud as speech may be.
BACKGROUND = 0.25
THRESHOLDS = 1.0 - np.geomspace(1.0, 1e-3, 200)
MISSES = 0.05
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Scene:
    """A stream and what is said in it.

    Attributes:
        sound: int16 (pieces, samples).
        words: (piece, label, second of its begin) of each keyword.
        clip: seconds of a word.
    """

    sound: NDArray[np.int16]
    words: list[tuple[int, int, float]]
    clip: float

    @property
    def hours(self) -> float:
        """Length of the stream."""
        return self.sound.shape[0] * PIECE / 3600.0


def assemble(data: Dataset, minutes: int, rng: np.random.Generator) -> Scene:
    """A stream of so many minutes from the clips of one part."""
    keyword = np.array([label not in NONE for label in data.labels])
    groups = {
        "keyword": np.flatnonzero(keyword[data.y]),
        "other": np.flatnonzero(data.y == data.labels.index("unknown")),
        "silence": np.flatnonzero(data.y == data.labels.index("silence")),
    }
    length, sound, words = data.x.shape[1], [], []
    for piece in range(minutes):
        mixed = _background(data.x[groups["silence"]], PIECE * data.rate, rng)
        at = rng.uniform(*GAP)
        while at < PIECE - length / data.rate - LATE:
            kind = "keyword" if rng.random() < KEYWORDS else "other"
            row, start = rng.choice(groups[kind]), int(at * data.rate)
            mixed[start : start + length] += data.x[row]
            if kind == "keyword":
                words.append((piece, int(data.y[row]), at))
            at += length / data.rate + rng.uniform(*GAP)
        sound.append(np.clip(np.rint(mixed), -32768, 32767).astype(np.int16))
    return Scene(np.stack(sound), words, length / data.rate)


def _background(silence: NDArray[np.int16], samples: int, rng: np.random.Generator) -> FloatArray:
    """Clips of silence, each fading into the next."""
    length = silence.shape[1]
    half = length // 2
    fade = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    whole = np.zeros(samples + length)
    for start in range(0, samples, half):
        whole[start : start + length] += fade * silence[rng.integers(len(silence))]
    return BACKGROUND * whole[:samples]


def probabilities(network: Network, scene: Scene) -> tuple[FloatArray, FloatArray]:
    """(pieces, windows, classes), and the seconds at which the windows end."""
    config = dict(network.frontend or {})
    once = from_config(config)
    whole = from_config({**config, "input_length": scene.sound.shape[1]})
    rows, hop = once.rows, once.c_constants()["hop"]
    step = round(STEP * once.rate / hop)
    first = np.arange(0, whole.rows - rows + 1, step)
    output = network.tensor(network.output)
    found = []
    with progress() as bar:
        task = bar.add_task(network.name, total=len(scene.sound), note="")
        # All at once, as the recursions of a circuit go sample by sample.
        for features in whole.integer(scene.sound):
            windows = np.stack([features[i : i + rows] for i in first])
            parts = [windows[i : i + _BATCH] for i in range(0, len(windows), _BATCH)]
            logits = np.concatenate([interpret(network, one) for one in parts])
            real = output.scale * (logits.astype(np.float64) - output.zero_point)
            found.append(softmax(real, axis=1))
            bar.advance(task)
    return np.stack(found), first * hop / once.rate + once.input_length / once.rate


def smoothed(values: FloatArray, depth: int) -> FloatArray:
    """The mean of the last `depth` windows, fewer at the begin."""
    sums = np.cumsum(values, axis=1)
    sums[:, depth:] -= sums[:, :-depth].copy()
    count = np.minimum(np.arange(values.shape[1]) + 1, depth)
    return np.asarray(sums / count[None, :, None])


def det(
    scene: Scene, scores: FloatArray, ends: FloatArray, labels: tuple[str, ...]
) -> list[dict[str, float]]:
    """Threshold, share of keywords missed and false alarms an hour, for each threshold."""
    classes = [index for index, label in enumerate(labels) if label not in NONE]
    curve = []
    for threshold in THRESHOLDS:
        hits, alarms = 0, 0
        for piece in range(len(scores)):
            for label in classes:
                said = [at for one, word, at in scene.words if (one, word) == (piece, label)]
                times = _findings(ends[scores[piece, :, label] >= threshold])
                caught = [[at < time <= at + scene.clip + LATE for at in said] for time in times]
                hits += int(np.any(caught, axis=0).sum()) if said and times else 0
                alarms += sum(not any(one) for one in caught)
        curve.append(
            {
                "threshold": float(threshold),
                "misses": 1.0 - hits / max(len(scene.words), 1),
                "alarms_per_hour": alarms / scene.hours,
            }
        )
    return curve


def _findings(times: FloatArray) -> list[float]:
    """The times at which a keyword is announced, a rest apart."""
    kept: list[float] = []
    for time in times.tolist():
        if not kept or time - kept[-1] >= REST:
            kept.append(time)
    return kept


def at_misses(curve: list[dict[str, float]], most: float) -> dict[str, float] | None:
    """The point with the fewest false alarms among those with at most so many misses."""
    good = [one for one in curve if one["misses"] <= most]
    return min(good, key=lambda one: one["alarms_per_hour"]) if good else None


def main() -> None:
    """Assemble, listen, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--smooth", nargs="+", type=int, default=[2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON of the curves")
    given = parser.parse_args()
    told: list[dict[str, Any]] = []
    data = Recipe.load(given.runs[0] / "recipe.toml").load_dataset().part(given.part)
    scene = assemble(data, given.minutes, np.random.default_rng(given.seed))
    print(f"{given.minutes} minutes of {given.part} clips, {len(scene.words)} keywords")
    wanted = (MISSES, 0.1, 0.2, 0.3)
    print("| network | windows in a mean | " + " | ".join(f"{100 * m:g} %" for m in wanted) + " |")
    print("|---|---|" + "---|" * len(wanted))
    for run in given.runs:
        network = open_run(run).network
        raw, ends = probabilities(network, scene)
        for depth in given.smooth:
            curve = det(scene, smoothed(raw, depth), ends, network.labels)
            points = [at_misses(curve, most) for most in wanted]
            cells = ["none" if one is None else f"{one['alarms_per_hour']:.0f}" for one in points]
            print(f"| {run.name} | {depth} | " + " | ".join(cells) + " |", flush=True)
            told.append({"run": run.name, "smooth": depth, "curve": curve})
    if given.out is not None:
        write_atomic(given.out, json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
