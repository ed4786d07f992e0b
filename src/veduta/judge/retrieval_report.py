"""The report of `Retrieval`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veduta.judge.report import Card, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.retrieval import Found, Retrieval
    from veduta.pool import View

SHOWN = 24


def report(asked: Retrieval, found: Found, pool: View) -> Report:
    """The figures, the groups that are found worst, and the queries whose first hit comes latest."""
    figures, ranked = asked.figures(found), found.ranked
    page = Report(f"Retrieval by '{asked.embedding}'", subtitle=str(getattr(pool, "path", "")))
    mean, first = figures[0]["value"], figures[1]
    page.verdict = (
        f"{first['value']:.1%} of {len(ranked.queries):,} queries have a hit at {first['metric'][2:]}; mAP {mean:.3f}."
    )
    page.cards = [
        Card(f"{row['value']:.3f}", row["metric"], f"95 %: {row['from']:.3f} to {row['to']:.3f}") for row in figures
    ]
    what = "kept in" if asked.keep_self else "taken out of"
    section = page.section("Figures")
    for note in found.notes:
        section.note(note, "warn")
    section.table(
        figures,
        note=f"{len(found.database_rows):,} rows to find in {found.groups:,} groups by '{asked.group}'; the query itself is {what} "
        f"the ranking; {found.skipped:,} queries have nothing to find and are left out.",
    )
    rows = found.query_rows[ranked.queries]
    values = [str(value) for value in pool.take(rows, [asked.group]).column(0).to_pylist()]
    names, where = np.unique(values, return_inverse=True)
    counts = np.bincount(where)
    means = np.bincount(where, ranked.precision) / counts
    order = np.argsort(means, kind="stable")
    page.section("Groups").table(
        [{"group": names[i], "queries": int(counts[i]), "mAP": float(means[i])} for i in order],
        note="The groups that are found worst come first.",
    )
    late = np.argsort(-ranked.first, kind="stable")[:SHOWN]
    late = late[ranked.first[late] > 1]
    if len(late):
        from veduta.judge.thumbnails import fill

        pictures = [
            Picture(caption=values[i], lines=[f"first hit at {ranked.first[i]:,}"], row=int(rows[i])) for i in late
        ]
        fill(pool, pictures)
        page.section("Hardest queries").images(pictures)
    page.facts = {
        "parameters": asked.parameters(),
        "queries": len(ranked.queries),
        "skipped": found.skipped,
        "figures": figures,
        "notes": found.notes,
    }
    return page
