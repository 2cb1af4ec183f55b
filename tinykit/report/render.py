# SPDX-License-Identifier: Apache-2.0
"""From the document to one HTML file that needs nothing else, and to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.report.codec import CodecError, decode, parse_json, to_json
from tinykit.report.collect import collect
from tinykit.report.document import Cloud, Figures, Report, Spot

if TYPE_CHECKING:
    from jinja2 import Template

_TASKS = {"kws": "Keyword spotting", "har": "Activity recognition"}
_HELD_OUT = {"kws": "held-out speakers", "har": "held-out subjects"}


def write_report(run: Path) -> tuple[Path, Path]:
    """Write report.html and report.json into the run folder `run`.

    Returns:
        Paths of the page and of its JSON twin.

    Raises:
        TinykitError: there is no network, a file of the run is broken, or the folder is read-only.
    """
    report = collect(run)
    folder = run.parent if run.is_file() else run
    page, twin = folder / "report.html", folder / "report.json"
    write_atomic(page, render_html(report))
    write_atomic(twin, to_json(report))
    return page, twin


def load_report(path: Path) -> Report:
    """Read a report.json back.

    Raises:
        TinykitError: it cannot be read, or is no report.
    """
    remedy = "Write it again with `tinykit report RUN`."
    try:
        return decode(Report, parse_json(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, CodecError) as error:
        raise TinykitError(f"no report: {error}.", where=path, remedy=remedy) from error


def render_html(report: Report) -> str:
    """The page; everything from outside is escaped, and the same report gives the same bytes."""

    from tinykit.report import plots

    return page_template("report.html.j2").render(
        r=report,
        plots=plots,
        title=_TASKS.get(report.task, "Network"),
        held_out=_HELD_OUT.get(report.task, "held-out examples"),
        absent={one.part: one for one in report.missing},
        recipe=_settings(report.recipe or {}),
        fresh=[board for board in report.boards if not board.stale],
        confusions=_confusions(report.integers.test),
    )


def page_template(name: str) -> Template:
    """A template of a page, with the filters that its figures pass through."""
    from tinykit import templating
    from tinykit.report import plots

    environment = templating.environment(autoescape=True)
    environment.filters.update(
        thousands=plots.thousands,
        short=plots.short,
        percent=_percent,
        bytes=_bytes,
        shape=lambda shape: "\N{MULTIPLICATION SIGN}".join(str(n) for n in shape),
        points=_points,
        hertz=_hertz,
        significant=_significant,
        modes=_modes,
    )
    return environment.get_template(name)


def _modes(report: Report, metric: str) -> Cloud:
    """The modes of a network by what they cost."""
    spots = (Spot(m.name, m.instructions, 100 * getattr(m, metric)) for m in report.modes)
    return Cloud("modes", tuple(spots))


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\N{NARROW NO-BREAK SPACE}%"


def _points(value: float) -> str:
    """A difference of two shares, in percentage points, with a true minus sign."""
    text = f"{100 * value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _bytes(value: float) -> str:
    space = "\N{NARROW NO-BREAK SPACE}"
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.1f}{space}{unit}"
    return f"{value:.0f}{space}B"


def _hertz(value: float) -> str:
    return f"{value / 1e6:g}\N{NARROW NO-BREAK SPACE}MHz"


def _significant(value: float) -> str:
    """Three significant digits, never an exponent."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}" if value >= 0.001 else f"{value:.6f}"


def _settings(table: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(section, rows) of a recipe; the keys at its top come first, without a section."""
    top = [(key, _shown(one)) for key, one in table.items() if not isinstance(one, Mapping)]
    found = [("", top)] if top else []
    for key, one in table.items():
        if isinstance(one, Mapping) and one:
            found.append((key, [(name, _shown(value)) for name, value in _flat(one)]))
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, one in table.items():
        if isinstance(one, Mapping):
            rows += _flat(one, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, one))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value)
    return "\N{EN DASH}" if value == "" else str(value)


def _confusions(figures: Figures | None, count: int = 3) -> list[tuple[str, str, int]]:
    """The most frequent mistakes: (true, taken for, how often)."""
    if figures is None:
        return []
    labels = [row.label for row in figures.per_class]
    mistakes = [
        (labels[i], labels[j], times)
        for i, row in enumerate(figures.confusion)
        for j, times in enumerate(row)
        if i != j and times
    ]
    return sorted(mistakes, key=lambda one: (-one[2], one[0], one[1]))[:count]
