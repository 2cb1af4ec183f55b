#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make `utterances.flac` and `utterances.csv` with espeak-ng, as `settings.toml` says.

Run by hand when the settings change (`python datasets/synthetic_speech/make.py`); needs espeak-ng
(1.51 made the files that are here), SciPy and soundfile. Room, noise and position in the second
are added when the set is loaded, see `tinykit/data/synthetic_speech.py`.
"""

from __future__ import annotations

import csv
import io
import math
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly

RATE = 16000
PAUSE = 160  # zeros between utterances, so that no click is cut into the next
LONGEST = 14400  # 0.9 s: room for a shift within one second
PEAK = 4096  # 13 bits: plenty for what noise is added to, and a quarter less to store
HERE = Path(__file__).parent


def say(word: str, voice: str, speed: int, pitch: int) -> np.ndarray[Any, Any]:
    """One utterance, int16 at 16 kHz, without the silence around it, peak at `PEAK`."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float64")
    common = math.gcd(RATE, rate)
    samples = resample_poly(samples, RATE // common, rate // common)
    samples /= np.abs(samples).max()
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    samples = samples[max(0, loud[0] - 160) : loud[-1] + 320][:LONGEST]
    return np.rint(samples * PEAK).astype(np.int16)


def main() -> None:
    settings = tomllib.loads((HERE / "settings.toml").read_text())
    pieces, rows, at = [], [], 0
    for word in settings["words"] + settings["unknown_words"]:
        for speaker in settings["speaker"]:
            samples = say(word, speaker["voice"], speaker["speed"], speaker["pitch"])
            pieces += [samples, np.zeros(PAUSE, np.int16)]
            rows.append((word, speaker["name"], at, at + len(samples)))
            at += len(samples) + PAUSE
    flac = HERE / "utterances.flac"
    soundfile.write(flac, np.concatenate(pieces), RATE, subtype="PCM_16", format="FLAC")
    with (HERE / "utterances.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("word", "speaker", "begin", "end"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
