# SPDX-License-Identifier: Apache-2.0
"""Read a TOML table key by key, and say exactly which key is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError


class Keys:
    """The keys of one table; every one must be taken before `end`."""

    def __init__(self, table: Mapping[str, Any], path: Path, prefix: str = "") -> None:
        self._table = table
        self._path = path
        self._prefix = prefix
        self._known: set[str] = set()

    def error(self, key: str, what: str, remedy: str) -> TinykitError:
        """An error about `key`, ready to raise."""
        return TinykitError(f"key `{self._prefix}{key}` {what}.", where=self._path, remedy=remedy)

    def names(self) -> list[str]:
        """The keys that the table has."""
        return list(self._table)

    def _take(self, key: str, kind: str) -> Any:
        self._known.add(key)
        if key not in self._table:
            raise self.error(key, "is missing", f"Add it; it is {kind}.")
        return self._table[key]

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._take(key, "a text")
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"is {value!r}, not a text", "Put a text in quotes.")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""
        value = self.text(key)
        if value not in choices:
            raise self.error(
                key, f"is {value!r}", f"It must be one of {', '.join(map(repr, choices))}."
            )
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; may be empty."""
        value = self._take(key, "a list of texts, possibly empty")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(
                key, f"is {value!r}, not a list of texts", 'Write it as ["a", "b"], or [].'
            )
        return tuple(value)

    def integer(self, key: str, *, least: int) -> int:
        """A whole number, at least `least`."""
        value = self._take(key, f"a whole number, at least {least}")
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(
                key, f"is {value!r}", f"It must be a whole number without quotes, from {least} up."
            )
        return value

    def positive(self, key: str) -> float:
        """A number above 0."""
        value = self._take(key, "a number above 0")
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise self.error(key, f"is {value!r}", "It must be a number above 0, without quotes.")
        return float(value)

    def table(self, key: str, remedy: str = "", *, optional: bool = False) -> Keys:
        """A table; an empty one if it is missing and `optional`."""
        self._known.add(key)
        if key not in self._table and not optional:
            name = f"[{self._prefix}{key}]"
            raise TinykitError(
                f"the table {name} is missing.",
                where=self._path,
                remedy=f"Add {name}: {remedy or 'see the boards of tinykit'}.",
            )
        value = self._table.get(key, {})
        if not isinstance(value, dict):
            raise self.error(
                key, f"is {value!r}, not a table", f"Write it as [{self._prefix}{key}]."
            )
        return Keys(value, self._path, f"{self._prefix}{key}.")

    def end(self) -> None:
        """Refuse keys that nothing took: most are misspellings."""
        for key in self._table:
            if key not in self._known:
                close = get_close_matches(key, self._known, n=1)
                remedy = f"Did you mean `{close[0]}`?" if close else "Remove it."
                known = ", ".join(sorted(self._known))
                raise self.error(key, "is unknown", f"{remedy} Known here: {known}.")
