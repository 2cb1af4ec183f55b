# SPDX-License-Identifier: Apache-2.0
"""Wav files as users have them: whole ones are read and what is changed is said, others refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinykit.data.audio import conform, decode_flac, decode_wav, read_wav, read_wav_with_remarks
from tinykit.errors import TinykitError

RATE = 16000
TONE = np.rint(12000 * np.sin(2 * np.pi * 440 / RATE * np.arange(RATE))).astype(np.int16)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_16_bit_mono_is_read_as_it_is(tmp_path: Path, wav: Callable[..., bytes]) -> None:
    path = put(tmp_path / "a.wav", wav(TONE))
    samples, remarks = read_wav_with_remarks(path, RATE)
    np.testing.assert_array_equal(samples, TONE)
    assert remarks == ()
    assert samples.dtype == np.int16


@pytest.mark.parametrize(("bits", "offset"), [(8, 128), (24, 0), (32, 0)])
def test_other_widths_are_rounded_with_a_notice(
    tmp_path: Path, wav: Callable[..., bytes], bits: int, offset: int
) -> None:
    shift = bits - 16
    if bits == 8:
        stored = (TONE >> 8) + offset
        expected = (TONE >> 8) << 8
    else:
        stored = TONE.astype(np.int64) << shift
        stored[0] += (1 << (shift - 1)) - 1  # just below one half: rounds down
        stored[1] += 1 << (shift - 1)  # one half: rounds up
        expected = TONE.copy()
        expected[1] += 1
    samples, remarks = read_wav_with_remarks(put(tmp_path / "a.wav", wav(stored, bits=bits)), RATE)
    np.testing.assert_array_equal(samples, expected)
    assert remarks == (f"converted from {bits} to 16 bits",)


def test_full_scale_does_not_wrap(wav: Callable[..., bytes]) -> None:
    loud = np.array([2**31 - 1, -(2**31), 0])
    sound = decode_wav(wav(loud, bits=32), "loud.wav")
    assert sound.samples[:, 0].tolist() == [32767, -32768, 0]


def test_stereo_is_mixed_and_other_rates_resampled(
    tmp_path: Path, wav: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    at = np.arange(44100) / 44100
    tone = np.rint(12000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
    path = put(tmp_path / "a.wav", wav(np.stack([tone, tone // 2], axis=1), rate=44100))
    samples = read_wav(path, RATE)
    assert len(samples) == RATE
    inner = slice(200, -200)
    np.testing.assert_allclose(samples[inner], 0.75 * TONE[inner].astype(float), atol=30)
    said = " ".join(capsys.readouterr().err.split())
    assert "2 channels mixed to one" in said
    assert "resampled from 44100 Hz to 16000 Hz" in said


def test_extensible_headers_and_extra_chunks_are_read(wav: Callable[..., bytes]) -> None:
    plain = wav(TONE)
    form, data = plain[12:36], plain[36:]
    extensible = (
        b"fmt "
        + (40).to_bytes(4, "little")
        + b"\xfe\xff"
        + form[10:]
        + (22).to_bytes(2, "little")
        + bytes(6)
        + b"\x01\x00"
        + bytes(14)
    )
    odd = b"LIST" + (3).to_bytes(4, "little") + b"abc\0"
    body = b"WAVE" + odd + extensible + odd + data
    whole = b"RIFF" + len(body).to_bytes(4, "little") + body
    np.testing.assert_array_equal(decode_wav(whole, "x.wav").samples[:, 0], TONE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[: len(d) // 2], "truncated: the header promises 32000 bytes"),
        (lambda d: d[:40], "truncated or damaged: it has no sound"),
        (lambda d: d[:20], "truncated or damaged"),
        (lambda d: b"", "not a wav file"),
        (lambda d: b"hello, this is text", "not a wav file"),
        (lambda d: d[:12] + d[36:], "has no format"),
        (lambda d: d[:40] + bytes(4), "holds no samples"),
        (lambda d: d[:22] + bytes(2) + d[24:], "with 0 channels"),
        (lambda d: d[:34] + b"\x0c\0" + d[36:], "12-bit wav"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path,
    wav: Callable[..., bytes],
    damage: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = put(tmp_path / "bad.wav", damage(wav(TONE)))
    with pytest.raises(TinykitError, match=message) as caught:
        read_wav(path, RATE)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("tag", "kind"), [(2, "Microsoft ADPCM"), (6, "A-law"), (7, "mu-law"), (0x1234, "0x1234")]
)
def test_compressed_files_are_refused_with_a_command(
    wav: Callable[..., bytes], tag: int, kind: str
) -> None:
    data = wav(TONE)
    data = data[:20] + tag.to_bytes(2, "little") + data[22:]
    with pytest.raises(TinykitError, match=rf"{kind} wav; only integer PCM.*ffmpeg"):
        decode_wav(data, "a.wav")


def test_float_files_are_refused(wav: Callable[..., bytes]) -> None:
    with pytest.raises(TinykitError, match="floating-point wav; only integer PCM"):
        decode_wav(wav(TONE / 32768, bits=32, tag=3), "a.wav")


def test_missing_files_and_damaged_flac(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="No such file"):
        read_wav(tmp_path / "none.wav", RATE)
    with pytest.raises(TinykitError, match="cannot be decoded"):
        decode_flac(b"fLaC" + bytes(50), "x.flac")


def test_any_cut_of_a_file_is_refused_or_read_never_a_crash(wav: Callable[..., bytes]) -> None:
    data = wav(TONE[:40])
    for length in range(len(data)):
        with pytest.raises(TinykitError):
            decode_wav(data[:length], "cut.wav")
    assert len(conform(decode_wav(data, "whole.wav"), RATE)[0]) == 40
