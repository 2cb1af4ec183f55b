# SPDX-License-Identifier: Apache-2.0
"""The lines that the firmware prints: one JSON record each, with a check sum.

    {"t":"vector","i":0,"class":2,"scores":[-3,5,9],"pass":true,"ck":"1f2e"}

`ck` is the CRC-16/CCITT-FALSE over the line's bytes before `,"ck"`.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, Final

from tinykit.errors import TinykitError

Record = dict[str, Any]

# What a record of each type must carry, and as what.
_INTEGER: Final = {
    "layer": ("i",),
    "vector": ("i", "class"),
    "clip": ("i", "class"),
    "stack": ("used", "size"),
    "done": ("pass", "fail"),
    "mode": ("mode",),
    "decision": ("i", "class", "smoothed"),
    "asleep": ("rows",),
}
_TEXT: Final = {
    "boot": ("board", "network"),
    "layer": ("name", "crc"),
    "clip": ("features",),
    "decision": ("features",),
    "done": ("verdict",),
    "fault": ("kind",),
    "error": ("what",),
}
_LISTS: Final = {"vector": ("scores",), "clip": ("scores",), "decision": ("scores",)}
TYPES: Final = (*_INTEGER, "boot", "fault", "error", "ready", "bye")
_TAIL = re.compile(rb'(?s)(.*),"ck":"([0-9a-f]{4})"\}')


def check_sum(data: bytes) -> int:
    """CRC-16/CCITT-FALSE of `data`: polynomial 0x1021, start 0xFFFF."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode(record: Record) -> bytes:
    """The line of `record`, as a firmware would print it; without "ck" in `record`."""
    body = json.dumps(record, separators=(",", ":")).encode()[:-1]
    return body + f',"ck":"{check_sum(body):04x}"}}\n'.encode()


def _garbled(line: bytes, why: str) -> TinykitError:
    shown = line[:120].decode("ascii", errors="backslashreplace")
    return TinykitError(
        f"the board sent a line that {why}: {shown!r}.",
        where="serial line",
        remedy="The line lost or changed bytes; run it again, and check cable and baud rate.",
    )


def decode(line: bytes) -> Record:
    """Check one line (with or without its newline) and return its record, without "ck".

    Raises:
        TinykitError: it is cut, its check sum is wrong, or it is no record of a known type.
    """
    line = line.rstrip(b"\r\n")
    match = _TAIL.fullmatch(line)
    if not match:
        raise _garbled(line, "is cut or is no record")
    if int(match[2], 16) != check_sum(match[1]):
        raise _garbled(line, f"is garbled (check sum {check_sum(match[1]):04x})")
    try:
        record = json.loads(match[1] + b"}")
    except ValueError as error:
        raise _garbled(line, "is no JSON") from error
    if not isinstance(record, dict) or record.get("t") not in TYPES:
        raise _garbled(line, "is of no known type")
    _check_members(record, line)
    return record


def _check_members(record: Record, line: bytes) -> None:
    kind = record["t"]
    wrong = [name for name in _INTEGER.get(kind, ()) if type(record.get(name)) is not int]
    wrong += [name for name in _TEXT.get(kind, ()) if not isinstance(record.get(name), str)]
    for name in _LISTS.get(kind, ()):
        values = record.get(name)
        if not isinstance(values, list) or any(type(value) is not int for value in values):
            wrong.append(name)
    if wrong:
        raise _garbled(line, f"lacks a proper {wrong[0]!r}")


class Sequence:
    """Notices a record that comes twice or out of turn: numbered ones count up from 0."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def check(self, record: Record) -> None:
        """Take `record` into account; index -1 marks an answer to a command and is not counted.

        Raises:
            TinykitError: it is a duplicate, or one before it is missing.
        """
        kind, index = record["t"], record.get("i", -1)
        if kind == "boot":
            self._next = {}
        if index < 0:
            return
        expected = self._next.get(kind, 0)
        if index != expected:
            what = "came twice" if index < expected else f"came where {expected} was expected"
            raise TinykitError(
                f"record {kind} {index} {what}.",
                where="serial line",
                remedy="The line repeated or lost a whole record; run it again.",
            )
        self._next[kind] = expected + 1


def fault_error(record: Record, board: str) -> TinykitError:
    """What a fault record means, with its registers."""
    registers = ", ".join(f"{k}={v}" for k, v in record.items() if k not in ("t", "kind"))
    kind = record.get("kind", "unknown")
    remedy = (
        "Give the stack more room: `stack_bytes` in the board's board.toml."
        if kind == "stack overflow"
        else "Look up pc and lr with addr2line or in `objdump -d` of the firmware."
    )
    return TinykitError(
        f"the firmware crashed ({kind} fault): {registers}.", where=board, remedy=remedy
    )
