# SPDX-License-Identifier: Apache-2.0
"""From names in a Network to C identifiers, through one checked filter."""

from __future__ import annotations

import re

from tinykit.errors import TinykitError

# Words of C, and what model.c itself defines.
# fmt: off
_TAKEN = frozenset({
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
    "union", "unsigned", "void", "volatile", "while", "asm", "main", "bool", "true", "false",
    "status", "arena", "listener", "features", "scores", "layers", "exits", "thresholds",
    "threshold_rows",
})
# fmt: on

# Keeps generated lines within 100 columns.
LONGEST = 28


def c_identifier(name: str) -> str:
    """`name` as a lower-case C identifier of at most LONGEST characters, or a few more.

    >>> c_identifier("Block/conv 1")
    'block_conv_1'
    >>> c_identifier("3x3")
    'n3x3'
    >>> c_identifier("float")
    'float_'

    Raises:
        TinykitError: no letter or digit is left.
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not text:
        raise TinykitError(
            f"the name {name!r} has no letter or digit to make a C identifier of.",
            remedy="Rename the layer or tensor.",
        )
    if text[0].isdigit():
        text = f"n{text}"
    text = text[:LONGEST].rstrip("_")
    if text in _TAKEN or text.startswith("tk_"):
        text = f"{text}_"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise AssertionError(f"{text!r} is not an identifier")
    return text


def unique_identifiers(names: list[str]) -> dict[str, str]:
    """A different identifier for each of `names`; clashes get _2, _3 and so on."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = c_identifier(name)
        candidate, count = base, 1
        while candidate in taken:
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate)
        result[name] = candidate
    return result


def one_line(text: str) -> str:
    """`text` made safe for one C comment line: printable, no line break, no comment marks.

    >>> one_line("a*/b\\nc")
    'a* /b c'
    """
    flat = re.sub(r"\s+", " ", text)
    flat = "".join(c if c.isascii() and c.isprintable() else "?" for c in flat)
    return flat.replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def short_name(text: str, limit: int = 48) -> str:
    """`text` for a comment that must stay on one line of 100 columns.

    >>> short_name("conv 1")
    'conv 1'
    >>> short_name("x" * 60, limit=8)
    'xxxxx...'
    """
    line = one_line(text).strip() or "?"
    return line if len(line) <= limit else line[: limit - 3] + "..."


def c_string(text: str) -> str:
    """`text` as a C string literal, quotes included; bytes beyond ASCII as UTF-8 octal escapes.

    >>> c_string('say "yes"')
    '"say \\\\"yes\\\\""'
    """
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= byte < 127 and char != "?":
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'
