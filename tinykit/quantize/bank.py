# SPDX-License-Identifier: Apache-2.0
"""Features of a data set through the integer front end, and the bank of augmented variants.

Waveform augmentation is too slow to do anew in each step, so every training clip gets a few
variants once; they are kept on disk as int8 features, keyed by everything they depend on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tinykit.data.cache import cached
from tinykit.frontends import from_config
from tinykit.frontends.analog import Envelopes
from tinykit.progress import progress
from tinykit.recipe import SpeechAugment

if TYPE_CHECKING:
    from tinykit.data import Dataset
    from tinykit.frontends import Frontend

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
FloatArray = NDArray[np.float64]
Part = Literal["train", "validation", "test"]

_BATCH = 256
_PARTS: tuple[Part, ...] = ("train", "validation", "test")
_NEAR_SILENT_SHARE = 0.1
_TWO_NOISES_SHARE = 0.3
_NOISE_SPEED = 0.25
_QUIET_RMS = 1.0


@dataclass(frozen=True)
class Features:
    """What training and evaluation see.

    Attributes:
        train: int8 (variants, n, *shape); variant 0 is the clips as they are.
        train_y: int64 (n,).
        validation, test: int8 (n, *shape), with their classes.
        scale: real feature = scale * int8.
    """

    train: Int8Array
    train_y: NDArray[np.int64]
    validation: Int8Array
    validation_y: NDArray[np.int64]
    test: Int8Array
    test_y: NDArray[np.int64]
    scale: float


class Ear(Protocol):
    """What features come from: a front end, or what it hears before thresholds are known."""

    @property
    def input_length(self) -> int: ...
    @property
    def output_shape(self) -> tuple[int, int, int]: ...
    @property
    def scale(self) -> float: ...
    def integer(self, x: Int16Array) -> Int8Array: ...
    def to_config(self) -> dict[str, object]: ...


def calibrated(frontend: Frontend, train: Dataset) -> Frontend:
    """The front end calibrated on the clips of `train`, from the cache where it was done before."""
    key = {"clips": _digest(train.x), "frontend": frontend.to_config()}

    def make() -> dict[str, NDArray[Any]]:
        config = frontend.calibrate(train.x).to_config()
        return {name: np.asarray(config[name]) for name in frontend.calibrated}

    found = cached(f"calibration-{train.name}", key, make)
    config = frontend.to_config() | {name: values.tolist() for name, values in found.items()}
    return from_config(config)


def make_features(dataset: Dataset, frontend: Ear, augment: Any, *, seed: int) -> Features:
    """Features of all parts, from the cache where they were made before.

    Args:
        dataset: with its split.
        frontend: calibrated.
        augment: the recipe's; sound gets `augment.bank` variants.
        seed: of the variants.
    """
    train = dataset.part("train")
    key = _key(dataset, frontend)
    plain = heard(dataset, frontend)
    bank = plain["train"][None]
    if isinstance(augment, SpeechAugment) and augment.bank:
        waves = {k: v for k, v in asdict(augment).items() if k in _WAVEFORM_KEYS}
        noise = _digest(*dataset.noise)
        variants = cached(
            f"bank-{dataset.name}",
            {**key, **waves, "noise": noise, "seed": seed},
            lambda: {"bank": speech_bank(train, frontend, augment, seed=seed)},
        )["bank"]
        bank = np.concatenate([bank, variants])
    return Features(
        train=bank,
        train_y=train.y,
        validation=plain["validation"],
        validation_y=dataset.part("validation").y,
        test=plain["test"],
        test_y=dataset.part("test").y,
        scale=frontend.scale,
    )


def heard(
    dataset: Dataset, frontend: Ear, parts: tuple[Part, ...] = _PARTS
) -> dict[str, Int8Array]:
    """Features of parts by name, from the cache where they were made before."""
    some = {} if parts == _PARTS else {"parts": list(parts)}
    return cached(
        f"features-{dataset.name}",
        _key(dataset, frontend) | some,
        lambda: {part: frontend.integer(dataset.part(part).x) for part in parts},
    )


def _key(dataset: Dataset, frontend: Ear) -> dict[str, Any]:
    return {
        "clips": _digest(dataset.x, dataset.y, dataset.split),
        "frontend": frontend.to_config(),
    }


_WAVEFORM_KEYS = ("bank", "shift_ms", "noise", "snr_db", "gain_db", "speed")


def speech_bank(train: Dataset, frontend: Ear, augment: SpeechAugment, *, seed: int) -> Int8Array:
    """`augment.bank` variants of every clip: int8 (bank, n, *frontend.output_shape)."""
    bank = np.empty((augment.bank, len(train), *frontend.output_shape), np.int8)
    silent = train.y == train.labels.index("silence") if "silence" in train.labels else None
    with progress() as bar:
        task = bar.add_task("augment", total=augment.bank * len(train), note="")
        for variant in range(augment.bank):
            for start in range(0, len(train), _BATCH):
                rows = slice(start, min(start + _BATCH, len(train)))
                rng = np.random.default_rng([seed, variant, start])
                clips = vary(train.x[rows], train.noise, augment, train.rate, rng)
                if silent is not None and train.noise:
                    fresh = silent[rows]
                    clips[fresh] = new_silence(int(fresh.sum()), clips.shape[1], train.noise, rng)
                heard = (
                    frontend.drawn(clips, rng)
                    if isinstance(frontend, Envelopes)
                    else frontend.integer(clips)
                )
                bank[variant, rows] = heard
                bar.advance(task, clips.shape[0])
    return bank


def vary(
    clips: Int16Array,
    noise: tuple[Int16Array, ...],
    augment: SpeechAugment,
    rate: int,
    rng: np.random.Generator,
) -> Int16Array:
    """Clips (n, samples) shifted, faster or slower, louder or softer, over background noise."""
    count, samples = clips.shape
    speed = 1.0 + rng.uniform(-augment.speed, augment.speed, (count, 1))
    shift = rng.uniform(-1, 1, (count, 1)) * augment.shift_ms * 1e-3 * rate
    varied = resample(clips, speed, shift)
    varied *= 10.0 ** (rng.uniform(-augment.gain_db, augment.gain_db, (count, 1)) / 20)
    if noise and augment.noise:
        low, high = augment.snr_db
        ratio = 10.0 ** (-rng.uniform(low, high, (count, 1)) / 20)
        noisy = rng.random((count, 1)) < augment.noise
        background = excerpts(noise, count, samples, rng)
        varied += noisy * background * (ratio * _rms(varied) / _rms(background))
    return _int16(varied)


def resample(clips: Int16Array, speed: FloatArray, shift: FloatArray) -> FloatArray:
    """Play clips (n, samples) at `speed` (n, 1), `shift` (n, 1) samples later; zeros come in.

    Linear interpolation: above 4 kHz, which the filters do not see, it is a little dull.
    """
    samples = clips.shape[1]
    middle = (samples - 1) / 2
    place = middle + (np.arange(samples)[None, :] - middle - shift) * speed
    left = np.floor(place)
    share = place - left
    index = left.astype(np.int64) + 1
    # A zero on either side, so that what lies outside is silence.
    padded = np.pad(clips, ((0, 0), (1, 2))).astype(np.float64)
    np.clip(index, 0, samples + 1, out=index)
    before = np.take_along_axis(padded, index, axis=1)
    after = np.take_along_axis(padded, index + 1, axis=1)
    return np.asarray(before + share * (after - before))


def excerpts(
    noise: tuple[Int16Array, ...], count: int, samples: int, rng: np.random.Generator
) -> FloatArray:
    """Random stretches of the background recordings, float64 (count, samples)."""
    long = [one for one in noise if len(one) > samples]
    if not long:
        return np.zeros((count, samples))
    picked = rng.integers(len(long), size=count)
    rows = [
        long[i][start : start + samples]
        for i in picked
        for start in (int(rng.integers(len(long[i]) - samples)),)
    ]
    return np.stack(rows).astype(np.float64) if rows else np.zeros((0, samples))


def new_silence(
    count: int, samples: int, noise: tuple[Int16Array, ...], rng: np.random.Generator
) -> Int16Array:
    """Clips of background noise alone, int16 (count, samples), at any gain and pace.

    As the data sets' own silence, one in ten is nearly nothing; some are two recordings at once,
    so that few minutes of noise go further.
    """
    gain = rng.random((count, 1)) * (rng.random((count, 1)) >= _NEAR_SILENT_SHARE)
    second = rng.random((count, 1)) * (rng.random((count, 1)) < _TWO_NOISES_SHARE)
    speed = rng.uniform(1 - _NOISE_SPEED, 1 + _NOISE_SPEED, (count, 1))
    mixed = excerpts(noise, count, 2 * samples, rng) + second * excerpts(
        noise, count, 2 * samples, rng
    )
    paced = resample(_int16(mixed), speed, np.zeros((count, 1)))
    middle = paced[:, samples // 2 : samples // 2 + samples]
    return _int16(middle * gain + rng.normal(0, 2, (count, samples)))


def _rms(x: FloatArray) -> FloatArray:
    return np.maximum(np.sqrt(np.mean(np.square(x), axis=1, keepdims=True)), _QUIET_RMS)


def _int16(x: FloatArray) -> Int16Array:
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(json.dumps([str(array.dtype), list(array.shape)]).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
