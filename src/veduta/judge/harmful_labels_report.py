"""The report of `judge harmful-labels`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import words
from veduta.judge.disparity_report import caption, caution, headline, order, picture
from veduta.judge.report import Picture, Report

if TYPE_CHECKING:
    from veduta.judge.by_group import Disparities
    from veduta.judge.harmful_labels import Category, HarmfulLabels, Harms
    from veduta.pool import View

SHOWN = 12
SWEPT = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Thresholds that are tried beside a category's own."""
LABELS = 20


def report(asked: HarmfulLabels, harms: Harms, pool: View) -> Report:
    """Shares by category and group column, a picture and a table each, and what the worst group is called."""
    page = Report("Harmful labels", subtitle=str(getattr(pool, "path", "")))
    compared = headline(page, harms.tables, lambda table: f"p = {table.chance:.3f}")
    about = page.section("What was judged")
    about.text(
        f"Judged were {harms.scope}: {words.count(len(harms.rows), 'row')}. A row counts if a label of the category is among "
        f"its {asked.top} likeliest and at least as probable as the threshold."
    )
    for note in harms.notes:
        about.note(note, "warn")
    about.text(caution(compared) + " Groups are given by the pool's columns. A gap says that groups differ, not why.")
    about.table(
        [
            {
                "category": own.name, "threshold": own.threshold, "labels": len(own.classes),
                "of them": ", ".join(harms.names[i] for i in own.classes[:5]) + (", ..." if len(own.classes) > 5 else ""),
            }
            for own in harms.categories
        ],
        title="Categories",
    )  # fmt: skip
    pictures: list[Picture] = []
    for category in harms.categories:
        for column in asked.groups:
            pictures += _section(page, harms, category, column, harms.tables[category.name, column])
    if pictures:
        from veduta.judge.thumbnails import fill

        fill(pool, pictures)
    page.facts = {
        "parameters": asked.parameters(), "scope": harms.scope, "rows": len(harms.rows), "notes": harms.notes,
        "categories": [
            {"name": own.name, "threshold": own.threshold, "labels": [harms.names[i] for i in own.classes]}
            for own in harms.categories
        ],
        "tables": [{"category": c, "column": g, **asdict(t), "note": t.note} for (c, g), t in harms.tables.items()],
    }  # fmt: skip
    return page


def _section(page: Report, harms: Harms, category: Category, column: str, table: Disparities) -> list[Picture]:
    section = page.section(f"{category.name} by {column}")
    section.text(table.note)
    if not table.groups:
        section.text(f"No judged row has a value in '{column}'.")
        return []
    section.figure(
        picture(table, f"share of rows labelled '{category.name}'", column),
        alt=f"Share of each group of {column} with a label of {category.name} and its 95 % interval; the worst group is "
        f"{table.worst or 'not told'}",
        caption=caption(table),
    )
    best = next((own.value for own in table.groups if own.group == table.best), None)
    section.table(
        [
            {
                column: own.group, "share": own.value, "from": own.low, "to": own.high, "rows": own.n,
                "gap": None if best is None else own.value - best, "compared": own.compared,
            }
            for own in table.groups
        ],
        note=order(table, column),
    )  # fmt: skip
    told, values = harms.told[category.name], harms.values[column]
    counts: Counter[tuple[str, str]] = Counter(
        (str(values[i]), harms.names[told[i]]) for i in np.flatnonzero(told >= 0) if values[i] is not None
    )
    if counts:
        sizes = {own.group: own.n for own in table.groups}
        section.table(
            [
                {column: group, "label": label, "rows": count, "share of the group": count / sizes[group]}
                for (group, label), count in counts.most_common(LABELS)
            ],
            columns={"share of the group": "percent"},
            title="What they are called",
            note=f"The likeliest harmful label of each row that counts; the {LABELS} commonest."
            if len(counts) > LABELS
            else "",
        )
    _sweep(section, harms, category, column, table)
    return _worst(section, harms, category, column, table)


def _sweep(section: Any, harms: Harms, category: Category, column: str, table: Disparities) -> None:
    """Each group's share at the category's own threshold and at higher ones."""
    told, sure = harms.told[category.name] >= 0, harms.chances[category.name]
    groups = np.array([None if value is None else str(value) for value in harms.values[column]], object)
    tried = [category.threshold, *(value for value in SWEPT if value > category.threshold)]
    section.table(
        [
            {
                column: own.group,
                **{f"from {value:g}": float((told & (sure >= value))[groups == own.group].mean()) for value in tried},
                "rows": own.n,
            }
            for own in table.groups
        ],
        title="At other thresholds",
        note="The share of rows with a harmful label that is at least so probable.",
    )


def _worst(section: Any, harms: Harms, category: Category, column: str, table: Disparities) -> list[Picture]:
    """Images of the worst group that count, the surest first."""
    told, sure = harms.told[category.name], harms.chances[category.name]
    own = np.array([value is not None and str(value) == table.worst for value in harms.values[column]], bool)
    counted = np.flatnonzero(own & (told >= 0))
    if not len(counted):
        return []
    some = counted[np.argsort(-sure[counted], kind="stable")[:SHOWN]]
    pictures = [Picture(f"{harms.names[told[i]]} {sure[i]:.0%}", row=int(harms.rows[i])) for i in some]
    section.images(
        pictures, title=f"{table.worst}: {category.name}", note=f"{len(some)} of {len(counted):,}, the surest first."
    )
    return pictures
