# SPDX-License-Identifier: Apache-2.0
"""The one exception that reaches a user: what is wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class TinykitError(Exception):
    """A fault in the input or the machine, not in tinykit; shown without a traceback.

    Args:
        what: one sentence that names the thing and what is wrong with it.
        where: the file, layer, line or board that it concerns.
        remedy: one sentence that tells the user what to do.
        exit_code: the exit status of the command, never 0.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        remedy: str | None = None,
        exit_code: int = 1,
    ) -> None:
        if exit_code == 0:
            raise ValueError("an error must not exit with status 0")
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        self.exit_code = exit_code
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{remedy}"

    def as_dict(self) -> dict[str, str | int | None]:
        """The same for `--json`."""
        return {"error": self.what, "where": self.where, "remedy": self.remedy}


class DoesNotFitError(TinykitError):
    """The network needs more flash or RAM than the board has (exit status 3)."""

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy, exit_code=3)


class MismatchError(TinykitError):
    """Two executors of one Network disagree (exit status 4)."""

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy, exit_code=4)
