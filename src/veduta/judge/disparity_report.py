"""The report of `judge disparity`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import drawn, words
from veduta.judge.by_group import LEAST
from veduta.judge.report import Card, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.by_group import Disparities
    from veduta.judge.disparity import Audit, Disparity
    from veduta.pool import View

GROUPS = 40
"""Groups that fit into the picture."""
SHOWN = 12


def report(asked: Disparity, audit: Audit, pool: View) -> Report:
    """Gaps by metric and column, a picture and a table each, and images on which the worst group fails."""
    page = Report("Disparity between groups", subtitle=str(getattr(pool, "path", "")))
    compared = headline(page, audit.tables, lambda table: f"{table.relative:.1%} of it; p = {table.chance:.3f}")
    about = page.section("What was judged")
    about.text(f"Judged were {audit.scope}: {words.count(len(audit.rows), 'row')}.")
    for note in audit.notes:
        about.note(note, "warn")
    about.text(caution(compared) + " A gap says that groups differ, not why.")
    pictures: list[Picture] = []
    for (metric, column), table in audit.tables.items():
        pictures += _section(page, audit, metric, column, table)
    if pictures:
        from veduta.judge.thumbnails import fill

        fill(pool, pictures)
    page.facts = {
        "parameters": asked.parameters(), "scope": audit.scope, "rows": len(audit.rows), "notes": audit.notes,
        "tables": [{"metric": m, "column": c, **asdict(t), "note": t.note} for (m, c), t in audit.tables.items()],
    }  # fmt: skip
    return page


def headline(page: Report, tables: Mapping[tuple[str, str], Disparities], gap: Callable[[Disparities], str]) -> int:
    """Verdict and cards of tables by (what, group column); how many have two groups to compare. gap: what to say of one."""
    compared = {key: table for key, table in tables.items() if table.worst is not None}
    page.verdict = f"No column has two groups of {LEAST} rows or more, so nothing can be compared."
    page.tone = "warn"
    if compared:
        (what, column), widest = max(compared.items(), key=lambda item: item[1].gap)
        page.verdict = f"The widest gap is of {what} by {column}: {widest.note}"
        page.tone = "warn" if widest.chance < 0.05 else ""
    for (what, column), table in compared.items():
        worst = next(own for own in table.groups if own.group == table.worst)
        between = f"95 %: {worst.low:.3f} to {worst.high:.3f}, {worst.n:,} rows"
        page.cards.append(Card(f"{worst.value:.3f}", f"{what}, worst {column}: {table.worst}", between))
        page.cards.append(Card(f"{table.gap:.3f}", f"gap to {table.best}", gap(table)))
    return len(compared)


def caution(comparisons: int) -> str:
    """What a reader must know of groups and of p."""
    many = f"; of {comparisons} comparisons one in twenty has p < 0.05 by chance." if comparisons > 1 else "."
    return (
        f"Groups of fewer than {LEAST} rows are shown, and never the worst or the best. p is the probability of at least this "
        f"gap if groups did not matter (1,000 permutations){many}"
    )


def caption(table: Disparities) -> str:
    """What stands under the picture of a table."""
    shown = f" The {GROUPS} worst of {len(table.groups)}." if len(table.groups) > GROUPS else ""
    return f"Dotted: all rows, {table.overall:.3f}. Grey: fewer than {LEAST} rows.{shown}"


def order(table: Disparities, column: str) -> str:
    """What stands under the rows of a table."""
    return (
        f"The worst group comes first; gaps are to {table.best or 'the best'}. {words.count(table.ungrouped, 'row')} without "
        f"a value in '{column}' left out."
    )


def _section(page: Report, audit: Audit, metric: str, column: str, table: Disparities) -> list[Picture]:
    section = page.section(f"{metric} by {column}")
    section.text(table.note)
    if not table.groups:
        section.text(f"No judged row has a value in '{column}'.")
        return []
    section.figure(
        picture(table, metric, column),
        alt=f"{metric} of each group of {column} with its 95 % interval; the worst group is {table.worst or 'not told'}",
        caption=caption(table),
    )
    best = next((own.value for own in table.groups if own.group == table.best), None)
    section.table(
        [
            {
                column: own.group, metric: own.value, "from": own.low, "to": own.high, "rows": own.n,
                "gap": None if best is None else best - own.value,
                "relative gap": None if not best else (best - own.value) / best, "compared": own.compared,
            }
            for own in table.groups
        ],
        columns={"relative gap": "percent"},
        note=order(table, column),
    )  # fmt: skip
    if table.worst is None:
        return []
    values, outcome = audit.values[column], audit.outcomes[metric]
    own = np.array([value is not None and str(value) == table.worst for value in values])
    failed = np.flatnonzero(own & (outcome == 0))
    if not len(failed):
        return []
    some = failed[np.linspace(0, len(failed) - 1, min(SHOWN, len(failed))).astype(int)]
    pictures = [Picture(table.worst, row=int(audit.rows[i])) for i in some]
    section.images(
        pictures, title=f"{table.worst}: {metric} is 0", note=f"{len(some)} of {len(failed):,}, evenly spread."
    )
    return pictures


def picture(table: Disparities, metric: str, column: str) -> Any:
    """Each group's value and interval, the worst at the top."""
    shown = table.groups[:GROUPS]
    made, axes = drawn.figure(6.0, 1.0 + 0.26 * len(shown))
    for i, own in enumerate(shown):
        colour = drawn.BAD if own.group == table.worst else drawn.ACCENT if own.compared else drawn.LINE
        axes.plot([own.low, own.high], [i, i], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot(own.value, i, "o", color=colour, markersize=6)
    axes.axvline(table.overall, color=drawn.QUIET, linewidth=0.9, linestyle=":")
    names = [own.group if len(own.group) <= 28 else own.group[:27] + "…" for own in shown]
    axes.set_yticks(range(len(shown)), [f"{name}  ({own.n:,})" for name, own in zip(names, shown, strict=True)])
    axes.invert_yaxis()
    axes.set(xlabel=metric, ylabel=column)
    axes.grid(axis="x", alpha=0.25)
    return made
