# SPDX-License-Identifier: Apache-2.0
"""Plots as hand-made SVG: colours come from the page's style sheet, so they follow light and dark.

Every function returns markup in which each text is escaped, the same bytes for the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10

from markupsafe import Markup, escape

from tinykit.front import climbing
from tinykit.report.document import Arena, BoardResult, Cloud, Epoch, Figures, Stage

_CHAR = 7.0


def thousands(value: float) -> str:
    """12 345 with narrow spaces."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def short(value: float) -> str:
    """Three digits and a unit: 8.51 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}\N{NO-BREAK SPACE}{unit}"
    return f"{value:.0f}"


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _rect(
    x: float, y: float, wide: float, high: float, kind: str, title: str = "", more: str = ""
) -> str:
    hint = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0):.1f}" height="{high:.1f}" '
        f'class="{kind}"{more}>{hint}</rect>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _cut(text: str, room: float) -> str:
    fits = max(int(room / _CHAR), 2)
    return text if len(text) <= fits else text[: fits - 1] + "…"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers in [low, high]."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** floor(log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw * 0.999)
    first = -(-low // step)
    return [
        (first + i) * step for i in range(count * 3) if (first + i) * step <= high + step * 1e-6
    ]


def training_curves(stages: Sequence[Stage], what: str) -> Markup:
    """Training and validation curves of all stages in a row; `what` is "accuracy" or "loss"."""
    train: Callable[[Epoch], float]
    validation: Callable[[Epoch], float]
    if what == "accuracy":
        train, validation = (
            (lambda e: 100 * e.train_accuracy),
            (lambda e: 100 * e.validation_accuracy),
        )
    else:
        train, validation = (lambda e: e.loss), (lambda e: e.validation_loss)
    shown = [stage for stage in stages if stage.epochs]
    values = [f(e) for stage in shown for e in stage.epochs for f in (train, validation)]
    width, height, left, right, top, bottom = 460.0, 240.0, 40.0, 12.0, 26.0, 26.0
    low, high = (min(values), max(values)) if what == "accuracy" else (0.0, max(values))
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low) or 1.0
    if what == "accuracy":
        low, high = max(low, 0.0), min(max(high, low + 1.0), 100.0)
    else:
        low = 0.0
    total = sum(len(stage.epochs) for stage in shown)

    def x_of(epoch: float) -> float:
        return left + (epoch + 0.5) / total * (width - left - right)

    def y_of(value: float) -> float:
        return height - bottom - (value - low) / (high - low) * (height - top - bottom)

    parts = []
    for tick in ticks(low, high):
        parts.append(_line(left, y_of(tick), width - right, y_of(tick), "grid"))
        unit = "\N{NARROW NO-BREAK SPACE}%" if what == "accuracy" else ""
        parts.append(_text(left - 6, y_of(tick) + 4, f"{tick:g}{unit}", "tick", "end"))
    start = 0
    for number, stage in enumerate(shown):
        edge = x_of(start - 0.5)
        if number:
            parts.append(_line(edge, top - 18, edge, height - bottom, "stage"))
        name = "float" if stage.name == "float" else "QAT"
        room = len(stage.epochs) / total * (width - left - right) - 8
        parts.append(_text(edge + (5 if number else 0), top - 10, _cut(name, room), "axis"))
        for curve, kind in ((train, "train"), (validation, "validation")):
            path = " ".join(
                f"{x_of(start + i):.1f},{y_of(curve(e)):.1f}" for i, e in enumerate(stage.epochs)
            )
            parts.append(f'<polyline points="{path}" class="curve {kind}"/>')
        if 0 <= stage.best_epoch < len(stage.epochs):
            y = y_of(validation(stage.epochs[stage.best_epoch]))
            x = x_of(start + stage.best_epoch)
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="best">'
                f"<title>kept: epoch {stage.best_epoch + 1}</title></circle>"
            )
        start += len(stage.epochs)
    parts.append(_line(left, height - bottom, width - right, height - bottom, "axisline"))
    parts.append(_text(left, height - 8, "epoch 1", "tick"))
    parts.append(_text(width - right, height - 8, str(total), "tick", "end"))
    return _svg(width, height, f"{what} over the epochs", parts)


def scatter(clouds: Sequence[Cloud], across: str) -> Markup:
    """Scores, percent, over a cost with a logarithmic scale; a line joins a cloud's front."""
    points = [point for cloud in clouds for point in cloud.points]
    costs, scores = [p.cost for p in points], [p.score for p in points]
    width, height, left, right, top, bottom = 460.0, 280.0, 44.0, 14.0, 12.0, 40.0
    low, high = min(scores), max(scores)
    low, high = max(low - 0.05 * (high - low) - 0.5, 0.0), min(high + 0.05 * (high - low), 100.0)
    near, far = log10(max(min(costs), 1.0)) - 0.05, log10(max(max(costs), 1.0)) + 0.05

    def x_of(cost: float) -> float:
        return left + (log10(max(cost, 1.0)) - near) / (far - near) * (width - left - right)

    def y_of(score: float) -> float:
        return height - bottom - (score - low) / (high - low) * (height - top - bottom)

    parts = []
    for tick in ticks(low, high, 5):
        parts.append(_line(left, y_of(tick), width - right, y_of(tick), "grid"))
        parts.append(_text(left - 6, y_of(tick) + 4, f"{tick:g}", "tick", "end"))
    for cost in _log_ticks(10**near, 10**far):
        parts.append(_line(x_of(cost), top, x_of(cost), height - bottom, "grid"))
        parts.append(_text(x_of(cost), height - bottom + 16, short(cost), "tick", "middle"))
    for number, cloud in enumerate(clouds):
        ordered = sorted(cloud.points, key=lambda p: (p.cost, -p.score))
        if cloud.joined:
            best = climbing(ordered, lambda p: p.score)
            path = " ".join(f"{x_of(p.cost):.1f},{y_of(p.score):.1f}" for p in best)
            parts.append(f'<polyline points="{path}" class="curve cloud{number}"/>')
        for p in ordered:
            hint = escape(f"{p.name}: {p.score:.2f} %, {thousands(p.cost)}")
            parts.append(
                f'<circle cx="{x_of(p.cost):.1f}" cy="{y_of(p.score):.1f}" r="3.2" '
                f'class="dot cloud{number}"><title>{hint}</title></circle>'
            )
    parts.append(_line(left, height - bottom, width - right, height - bottom, "axisline"))
    parts.append(_text((left + width - right) / 2, height - 6, across, "axis", "middle"))
    return _svg(width, height, f"scores over {across}", parts)


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade in [low, high]; of a wide range only the first."""
    steps = (1, 2, 5) if high / low < 500 else (1,)
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    every = [step * 10.0**decade for decade in decades for step in steps]
    return [one for one in every if low <= one <= high]


def confusion_matrix(figures: Figures) -> Markup:
    """True classes down, predicted classes across; shade is the share of the true class."""
    labels = [row.label for row in figures.per_class]
    n = len(labels)
    cell = 44.0 if n <= 8 else 36.0 if n <= 12 else 28.0
    room = min(max(len(name) for name in labels) * _CHAR + 10, 130.0)
    left, top = room + 18, room * 0.72 + 22
    parts = [
        _text(left + n * cell / 2, 11, "predicted", "axis", "middle"),
        f'<text transform="translate(11 {top + n * cell / 2:.1f}) rotate(-90)" class="axis" '
        'text-anchor="middle">true</text>',
    ]
    for i, name in enumerate(labels):
        middle = (i + 0.5) * cell
        parts.append(_text(left - 7, top + middle + 4, _cut(name, room), "label", "end"))
        parts.append(
            f'<text transform="translate({left + middle + 3:.1f} {top - 7:.1f}) rotate(-45)" '
            f'class="label">{escape(_cut(name, room))}</text>'
        )
        support = max(figures.per_class[i].count, 1)
        for j, count in enumerate(figures.confusion[i]):
            share = count / support
            x, y = left + j * cell, top + i * cell
            hint = f"{name} taken for {labels[j]}: {count} ({100 * share:.1f} %)"
            kind = "cell right" if i == j else "cell wrong"
            shade = 0.0 if not count else 0.08 + 0.86 * share
            parts.append(_rect(x, y, cell - 1.5, cell - 1.5, "cell empty", hint))
            if count:
                parts.append(
                    _rect(x, y, cell - 1.5, cell - 1.5, kind, hint, f' fill-opacity="{shade:.3f}"')
                )
                ink = "count over" if share > 0.5 else "count"
                parts.append(
                    _text(x + cell / 2 - 0.75, y + cell / 2 + 3.5, str(count), ink, "middle")
                )
    extra = room * 0.72
    return _svg(left + n * cell + extra, top + n * cell + 2, "confusion matrix", parts)


def class_bars(integers: Figures, floating: Figures | None) -> Markup:
    """F1 of each class as a bar; the float model's as a tick."""
    room = min(max(len(row.label) for row in integers.per_class) * _CHAR + 12, 140.0)
    width, step, right = 440.0, 24.0, 52.0
    wide = width - room - right
    others = {row.label: row.f1 for row in floating.per_class} if floating else {}
    parts = []
    for i, row in enumerate(integers.per_class):
        y = i * step + 4
        parts.append(_text(room - 8, y + 12, _cut(row.label, room), "label", "end"))
        parts.append(_rect(room, y + 1, wide, 14, "track"))
        parts.append(_rect(room, y + 1, wide * row.f1, 14, "bar", f"F1 {100 * row.f1:.1f} %"))
        if row.label in others:
            x = room + wide * others[row.label]
            parts.append(_line(x, y - 1, x, y + 17, "float"))
        parts.append(_text(room + wide + 8, y + 12, f"{100 * row.f1:.1f}", "value"))
    return _svg(width, len(integers.per_class) * step + 6, "F1 by class", parts)


def layer_bars(board: BoardResult, most: int) -> Markup:
    """Instructions of each layer of one board; `most` is the longest bar of all boards."""
    rows = board.instructions.layers
    room = min(max((len(row.name) for row in rows), default=4) * _CHAR + 10, 130.0)
    width, step, right = 420.0, 19.0, 58.0
    wide = width - room - right
    parts = []
    for i, row in enumerate(rows):
        y = i * step + 2
        share = row.instructions / max(board.instructions.inference or 1, 1)
        hint = f"{row.name}: {thousands(row.instructions)} instructions, {100 * share:.1f} %"
        parts.append(_text(room - 8, y + 11, _cut(row.name, room), "label", "end"))
        parts.append(
            _rect(room, y + 2, max(wide * row.instructions / max(most, 1), 1), 11, "bar", hint)
        )
        end = room + wide * row.instructions / max(most, 1)
        parts.append(_text(end + 6, y + 11, short(row.instructions), "value"))
    return _svg(width, len(rows) * step + 4, f"instructions by layer on {board.board_name}", parts)


def arena_map(arena: Arena) -> Markup:
    """Buffers over bytes (across) and layers (down)."""
    room = min(max((len(name) for name in arena.layers), default=4) * _CHAR + 12, 140.0)
    width, step, top, right = 976.0, 26.0, 24.0, 78.0
    wide = width - room - right
    scale = wide / max(arena.size, 1)
    last = max(len(arena.layers) - 1, 0)
    parts = [_rect(room, top, wide, (last + 1) * step, "track")]
    for tick in ticks(0, arena.size, 6):
        x = room + tick * scale
        parts.append(_line(x, top - 4, x, top + (last + 1) * step, "grid"))
        parts.append(_text(x, top - 9, thousands(tick), "tick", "middle"))
    for i, b in enumerate(arena.buffers):
        first, end = max(b.first, 0), min(b.last, last)
        if end < first:
            continue
        scratch = b.name.startswith("scratch:")
        x, y = room + b.offset * scale, top + first * step
        kind = "block scratch" if scratch else f"block tone{i % 3}"
        hint = f"{b.name}: {thousands(b.size)} bytes at {thousands(b.offset)}"
        wide_b, high_b = b.size * scale, (end - first + 1) * step
        parts.append(_rect(x + 0.5, y + 1, max(wide_b - 1, 1), high_b - 2, kind, hint))
        if wide_b > 44:
            name = "scratch" if scratch else b.name
            parts.append(_text(x + 7, y + high_b / 2 + 4, _cut(name, wide_b - 12), "inblock"))
    for i, name in enumerate(arena.layers):
        live = arena.occupied[i]
        y = top + i * step + 17
        parts.append(_text(room - 8, y, _cut(name, room), "label", "end"))
        kind = "value strong" if live == arena.lower_bound else "value"
        parts.append(_text(width, y, thousands(live), kind, "end"))
    parts.append(_text(width, top - 9, "live bytes", "tick", "end"))
    return _svg(width, top + (last + 1) * step + 4, "arena by layer", parts)


def stacked(parts_bytes: dict[str, int], capacity: int, label: str) -> Markup:
    """Bytes by part against what the board has."""
    width, high, done, total = 420.0, 16.0, 0.0, sum(parts_bytes.values())
    scale = width / max(total, 1)
    parts = [_rect(0, 0, width, high, "track")]
    for i, (name, size) in enumerate(parts_bytes.items()):
        hint = f"{name}: {thousands(size)} bytes"
        if size > 0:
            gap = min(1.0, size * scale / 2)
            parts.append(_rect(done * scale, 0, size * scale - gap, high, f"part{i % 6}", hint))
        done += size
    # A second, thin bar: how much of the board that is.
    used = min(total / max(capacity, 1), 1.0)
    parts.append(_rect(0, high + 5, width, 3, "track"))
    parts.append(_rect(0, high + 5, max(width * used, 1), 3, "bar", f"{100 * used:.1f} % used"))
    return _svg(width, high + 10, label, parts)
