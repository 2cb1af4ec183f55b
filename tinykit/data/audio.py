# SPDX-License-Identifier: Apache-2.0
"""Read sound files as int16 mono at the rate the network wants, and say what was changed."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.errors import TinykitError
from tinykit.progress import notice

Sound16 = npt.NDArray[np.int16]

_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_FORMATS = {
    0x0002: "Microsoft ADPCM",
    0x0003: "floating-point",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0055: "MP3",
}
_CONVERT = "Convert it: ffmpeg -i IN.wav -c:a pcm_s16le -ac 1 -ar 16000 OUT.wav"


@dataclass(frozen=True)
class Sound:
    """A decoded file: `samples` int16 (n, channels), `rate` Hz, `bits` as stored."""

    samples: Sound16
    rate: int
    bits: int


def read_wav(path: Path, rate: int) -> Sound16:
    """A PCM wav file as int16 (samples,) at `rate` Hz, mono.

    16-bit files are taken as they are; 8-, 24- and 32-bit PCM is rounded to 16 bits, channels
    are averaged and other rates resampled (polyphase), each with a notice on stderr.

    Raises:
        TinykitError: the file cannot be read, is not a wav file, is not PCM, is cut short, or
            holds no samples.
    """
    samples, remarks = conform(decode_wav(_bytes_of(path), path), rate)
    for remark in remarks:
        notice(f"{path}: {remark}")
    return samples


def read_wav_with_remarks(path: Path, rate: int) -> tuple[Sound16, tuple[str, ...]]:
    """Like `read_wav`, but what was changed is returned, for who reads many files at once."""
    return conform(decode_wav(_bytes_of(path), path), rate)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TinykitError(f"cannot read: {error.strerror or error}.", where=path) from error


def decode_wav(data: bytes, where: str | Path) -> Sound:
    """The samples of a RIFF/WAVE file in memory.

    Decoded here and not by libsndfile, which fills up or shortens a truncated file in silence.

    Raises:
        TinykitError: as for `read_wav`.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise TinykitError("not a wav file (no RIFF/WAVE header).", where=where, remedy=_CONVERT)
    form, body, declared = _chunks(data, where)
    tag, channels, rate, bits = form
    if tag != _PCM:
        kind = _FORMATS.get(tag, f"format 0x{tag:04x}")
        raise TinykitError(f"{kind} wav; only integer PCM is read.", where=where, remedy=_CONVERT)
    if bits not in (8, 16, 24, 32) or channels == 0 or rate == 0:
        raise TinykitError(
            f"{bits}-bit wav with {channels} channels at {rate} Hz cannot be read.",
            where=where,
            remedy=_CONVERT,
        )
    frame = channels * bits // 8
    if len(body) < declared:
        raise TinykitError(
            f"truncated: the header promises {declared} bytes of sound, {len(body)} are there.",
            where=where,
            remedy="Copy or record it again.",
        )
    frames = len(body) // frame
    if frames == 0:
        raise TinykitError("holds no samples.", where=where, remedy="Record it again.")
    samples = _to_16_bits(body[: frames * frame], bits).reshape(frames, channels)
    return Sound(samples, rate, bits)


def _chunks(data: bytes, where: str | Path) -> tuple[tuple[int, int, int, int], bytes, int]:
    """((format tag, channels, rate, bits), sound bytes present, sound bytes declared)."""
    form: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = _format(body, where)
        elif name == b"data":
            if form is None:
                break
            return form, body, size
        at += 8 + size + size % 2  # chunks are padded to even addresses
    missing = "sound ('data')" if form else "format ('fmt ')"
    raise TinykitError(
        f"truncated or damaged: it has no {missing} chunk.", where=where, remedy=_CONVERT
    )


def _format(body: bytes, where: str | Path) -> tuple[int, int, int, int]:
    if len(body) < 16:
        raise TinykitError(
            "truncated or damaged: its format chunk is too short.", where=where, remedy=_CONVERT
        )
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    return tag, channels, rate, bits


def _to_16_bits(body: bytes, bits: int) -> Sound16:
    if bits == 16:
        return np.frombuffer(body, "<i2").astype(np.int16)
    if bits == 8:  # unsigned, by the format's definition
        return (np.frombuffer(body, np.uint8).astype(np.int16) - 128) * np.int16(256)
    if bits == 24:
        padded = np.zeros((len(body) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        wide = padded.reshape(-1).view("<i4").astype(np.int64)
    else:
        wide = np.frombuffer(body, "<i4").astype(np.int64)
    return np.minimum((wide + 0x8000) >> 16, 32767).astype(np.int16)


def decode_flac(data: bytes, where: str | Path) -> Sound:
    """The samples of a FLAC file in memory (libsndfile).

    Raises:
        TinykitError: libsndfile cannot decode it, or it holds no samples.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise TinykitError(
            f"cannot be decoded: {error}.", where=where, remedy="Get the file again."
        ) from error
    if len(samples) == 0:
        raise TinykitError("holds no samples.", where=where, remedy="Get the file again.")
    return Sound(np.ascontiguousarray(samples), int(rate), 16)


def conform(sound: Sound, rate: int) -> tuple[Sound16, tuple[str, ...]]:
    """Mono int16 (samples,) at `rate` Hz, and what had to be changed for it."""
    remarks: list[str] = []
    samples = sound.samples
    if sound.bits != 16:
        remarks.append(f"converted from {sound.bits} to 16 bits")
    if samples.shape[1] > 1:
        remarks.append(f"{samples.shape[1]} channels mixed to one")
        mixed: npt.NDArray[Any] = samples.astype(np.float64).mean(axis=1)
        mono = np.rint(mixed).astype(np.int16)
    else:
        mono = samples[:, 0]
    if sound.rate != rate:
        remarks.append(f"resampled from {sound.rate} Hz to {rate} Hz")
        mono = resample(mono, sound.rate, rate)
    return np.ascontiguousarray(mono), tuple(remarks)


def resample(samples: Sound16, have: int, want: int) -> Sound16:
    """int16 (n,) at `have` Hz as int16 at `want` Hz: polyphase filter, rounded, saturating."""
    from scipy.signal import resample_poly

    divisor = math.gcd(have, want)
    real = resample_poly(samples.astype(np.float64), want // divisor, have // divisor)
    return np.clip(np.rint(real), -32768, 32767).astype(np.int16)


def fit_length(samples: Sound16, length: int) -> Sound16:
    """Cut at the end, or filled up with zeros at the end, as the Speech Commands code does."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))
