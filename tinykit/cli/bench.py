# SPDX-License-Identifier: Apache-2.0
"""`tinykit bench`: exact figures of networks and layers on every core, beside those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.bench import Anchor, Book, Case, Change, Goal, Result, Verdict

REGRESSED = 5
"""Exit status where a figure rose by more than --fail-on-regression allows."""


def bench(
    case: Annotated[
        list[str] | None,
        typer.Option("--case", "-c", help="Name of a case, or a pattern; may be repeated."),
    ] = None,
    core: Annotated[
        list[str] | None,
        typer.Option("--core", help="m0, m3, m4, m7, m33, m55, rv32imc or rv32imac_zbb."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSON file that all results so far are written to.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Take over from --out what has not changed since.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Results to compare with; benchmarks/baseline.json of a checkout."),
    ] = None,
    save_baseline: Annotated[
        Path | None, typer.Option(help="Keep the figures as a baseline in this file.")
    ] = None,
    fail_on_regression: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            min=0.0,
            help="Exit with status 5 if a figure rose by more than this against the baseline.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Builds and emulators at a time.", min=1, max=64)] = 2,
    keep: Annotated[
        Path | None, typer.Option(help="Folder in which the generated projects stay.")
    ] = None,
    list_cases: Annotated[bool, typer.Option("--list", help="Print the cases, and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure kernels and networks under QEMU: exact instructions, flash, arena and stack.

    Each firmware is built as any other and held to the interpreter, bit for bit: exit status 4 if
    one differs. All cases on all large cores by default, which takes many minutes.

    Example: [bold]tinykit bench --case 'pointwise-*' --core m4 --core rv32imc[/bold]
    """
    from tinykit import bench as room
    from tinykit.progress import progress

    chosen = room.cases(case or ())
    if list_cases:
        _show_cases(chosen, as_json=as_json)
        return
    queue = room.plan(chosen, room.cores(core or ()))
    path = baseline or room.default_baseline()
    known = None if path is None else room.load(path)
    with progress() as bar:
        task = bar.add_task("measure", total=len(queue), note="")

        def note(result: Result) -> None:
            bar.update(task, advance=1, note=f"{result.case} on {result.core}")

        results = room.run(queue, workers=jobs, out=out, resume=resume, keep=keep, note=note)
    if save_baseline is not None:
        room.save_baseline(save_baseline, results)
    book = room.load_anchors()
    found = None if known is None else room.changes(known, results)
    if as_json:
        show_json(_document(results, book, found))
    else:
        _show_results(results, book)
        _show_goals(book.verdicts(results), book)
        _show_faults(results)
        if path is not None and found is not None:
            _show_changes(found, path)
    _exit(results, found or [], fail_on_regression)


def _document(
    results: Sequence[Result], book: Book, found: Sequence[Change] | None
) -> dict[str, Any]:
    keys = {result.key for result in results}
    return {
        "results": [result.as_dict() for result in results],
        "anchors": [asdict(a) for a in book.anchors if (a.case, a.core) in keys],
        "goals": [verdict.as_dict() for verdict in book.verdicts(results)],
        "changes": None if found is None else [change.as_dict() for change in found],
    }


def _exit(results: Sequence[Result], found: Sequence[Change], allowed: float | None) -> None:
    """Leave with the status of the gravest fault, if there is one."""
    from tinykit.bench import regressions

    codes = {result.exit_code for result in results} - {0}
    if codes:
        raise typer.Exit(4 if 4 in codes else min(codes))
    if allowed is not None and regressions(found, allowed):
        raise typer.Exit(REGRESSED)


def _number(value: float, figure: str) -> str:
    return f"{value:.2f}" if figure == "per_mac" else f"{value:,.0f}"


def _anchor_text(anchor: Anchor | None) -> str | None:
    if anchor is None:
        return None
    about = "about " if anchor.about else ""
    return f"{about}{_number(anchor.value, anchor.figure)} {anchor.engine}"


def _goal_text(goal: Goal) -> str:
    if goal.against:
        return f"{goal.at_most:g} x {goal.against}"
    return _number(goal.at_most, goal.figure)


def _show_results(results: Sequence[Result], book: Book) -> None:
    """One row a result; anchor, ratio and goal are those of its main figure."""
    verdicts = book.verdicts(results)
    rows: list[Sequence[object]] = []
    for result in results:
        if result.figures is None:
            rows.append((result.case, result.core, "not measured", *[None] * 8))
            continue
        main = "instructions" if result.is_network else "per_mac"
        own = next(iter(book.anchors_of(*result.key, main)), None)
        goal = next((v for v in verdicts if v.goal.is_about(*result.key, main)), None)
        rows.append(
            (
                result.case,
                result.core,
                result.figures.instructions,
                _predicted(result),
                _number(result.figures.per_mac, "per_mac"),
                result.figures.flash,
                result.figures.arena,
                _anchor_text(own),
                f"{result.figures.of(main) / own.value:.2f}" if own else None,
                _goal_text(goal.goal) if goal else None,
                _met(goal) if goal else None,
            )
        )
    columns = ("case", "core", "instructions", "predicted", "per MAC", "flash B", "arena B")
    title = "Exact counts under QEMU; of one inference, or of the one layer that the case names"
    show_table(title, (*columns, "anchor", "ratio", "goal", "met"), rows, right=2)


def _error(result: Result) -> float | None:
    """How far the model of cost was off, in percent."""
    if result.figures is None or result.predicted is None:
        return None
    return 100.0 * (result.predicted / result.figures.instructions - 1.0)


def _predicted(result: Result) -> str | None:
    error = _error(result)
    return None if error is None else f"{error:+.1f} %"


def _met(verdict: Verdict) -> str:
    return "yes" if verdict.met else "no"


def _show_goals(verdicts: Sequence[Verdict], book: Book) -> None:
    rows = []
    for verdict in verdicts:
        goal = verdict.goal
        own = next(iter(book.anchors_of(goal.case, goal.core, goal.figure)), None)
        value = f"{verdict.value:.2f}" if goal.against else _number(verdict.value, goal.figure)
        figure = goal.figure.replace("per_mac", "per MAC")
        wanted = f"{_goal_text(goal)} {goal.note}".strip()
        rows.append((goal.case, goal.core, figure, value, wanted, _met(verdict), _anchor_text(own)))
    if rows:
        columns = ("case", "core", "figure", "ours", "at most", "met", "anchor")
        show_table("Goals", columns, rows, right=3)


def _show_faults(results: Sequence[Result]) -> None:
    rows = []
    for result in results:
        if result.error is not None:
            rows.append((result.case, result.core, result.error["error"]))
        elif not result.exact:
            rows.append((result.case, result.core, f"NOT bit-exact: {result.differences[0]}"))
    if rows:
        show_table("Faults", ("case", "core", "what"), rows, right=3)
    exact = sum(result.exact for result in results)
    wrong = sum(bool(result.differences) for result in results)
    verdict = f"[red]NOT bit-exact: {wrong}[/red]" if wrong else "[green]bit-exact[/green]"
    show(f"{verdict}: {exact} of {len(results)} measured, board = interpreter")
    errors = [error for result in results if (error := _error(result)) is not None]
    if errors:
        show(f"predicted instructions are off by at most {max(map(abs, errors)):.1f} %")


def _show_changes(found: Sequence[Change], path: Path) -> None:
    rows = [
        (
            change.case,
            change.core,
            change.figure + ("" if change.same_network else " (other network)"),
            change.before,
            change.after if change.after is not None else "lost",
            f"{change.percent:+.2f}" if change.after is not None else None,
        )
        for change in found
    ]
    if rows:
        columns = ("case", "core", "figure", "before", "now", "percent")
        show_table(f"Against {path}", columns, rows, right=3)
    else:
        show(f"nothing changed against {path}")


def _show_cases(chosen: Sequence[Case], *, as_json: bool) -> None:
    members = ("name", "kind", "policy", "what")
    rows = [tuple(getattr(case, member) for member in members) for case in chosen]
    if as_json:
        show_json([dict(zip(members, row, strict=True)) for row in rows])
    else:
        show_table("Cases", ("case", "counted", "bits", "shape"), rows, right=4)
