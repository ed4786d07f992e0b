"""The report of `judge cross-retrieve`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.judge import words
from veduta.judge.report import Card, Group, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.cross_ranking import Direction
    from veduta.judge.cross_retrieve import Crossed, CrossRetrieve
    from veduta.pool import View

EXAMPLES = 8
"""Queries shown of each kind: found first, found latest."""


def report(asked: CrossRetrieve, crossed: Crossed, pool: View) -> Report:
    """Figures of both directions, hubs, and queries that were found first and latest, with what came instead."""
    figures = asked.figures(crossed)
    n, m = len(crossed.rows), len(crossed.texts)
    page = Report(f"Images and texts by '{asked.encoder}'", subtitle=str(getattr(pool, "path", "")))
    k = min(asked.k)
    there, back = (direction.recall(k) for direction in crossed.directions.values())
    page.verdict = (
        f"{there:.1%} of {words.count(m, 'text')} find their image among {n:,} at {k}, and {back:.1%} of the images one of "
        "their texts."
    )
    page.cards = [
        Card(
            f"{row['value']:.3f}", f"{row['direction']}, {row['metric']}", f"95 %: {row['from']:.3f} to {row['to']:.3f}"
        )
        for row in figures
        if row["metric"] != "median rank"
    ]
    section = page.section("Figures")
    section.table(
        figures,
        note=f"Searched were {crossed.scope}: {n:,} images by '{crossed.column}' and {m:,} texts of '{asked.text}', compared by "
        f"{asked.score}; of several true ones the first found counts. Intervals over images; "
        f"{words.count(crossed.skipped, 'row')} without a vector or a text left out.",
    )
    for note in crossed.notes:
        section.note(note, "warn")
    hubs = {name: _hub(direction) for name, direction in crossed.directions.items()}
    section.table(
        [{"direction": name, **hub} for name, hub in hubs.items()],
        title="Hubness",
        columns={"share of queries for which it comes first": "percent", "comes first for some query": "percent"},
        note="A good space has no image that comes first for many texts.",
    )
    pictures = [*_texts(page, crossed), *_images(page, crossed, pool)]
    if pictures:
        from veduta.judge.thumbnails import fill

        fill(pool, pictures)
    _next(page, crossed, pool)
    page.facts = {
        "parameters": asked.parameters(), "images": n, "texts": m, "column": crossed.column, "skipped": crossed.skipped,
        "scope": crossed.scope, "notes": crossed.notes, "figures": figures, "hubness": hubs,
    }  # fmt: skip
    return page


def _hub(direction: Direction) -> dict[str, Any]:
    _, share = direction.hub()
    return {
        "share of queries for which it comes first": share, "comes first for some query": direction.reached(),
        "searched": direction.searched,
    }  # fmt: skip


def examples(direction: Direction) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places among the queries: some found first, evenly spread, and those found latest."""
    first = np.flatnonzero(direction.rank == 1)
    first = first[np.unique(np.linspace(0, len(first) - 1, min(EXAMPLES, len(first))).astype(int))]
    late = np.argsort(-direction.rank, kind="stable")[:EXAMPLES]
    return first, late[direction.rank[late] > 1]


def _texts(page: Report, crossed: Crossed) -> list[Picture]:
    """Texts with their true image and the first five."""
    direction, pictures = crossed.found.text_to_image, []
    for title, chosen in zip(("Texts whose image comes first", "Texts whose image comes latest"), examples(direction)):
        groups = []
        for i in chosen.tolist():
            text = int(direction.queries[i])
            own, rank = int(crossed.owner[text]), int(direction.rank[i])
            shown = [Picture("its image", row=int(crossed.rows[own]), badge="true", tone="good")]
            for place, image in enumerate(direction.top[i].tolist(), 1):
                true = crossed.groups[image] == crossed.groups[own]
                shown.append(Picture(f"{place}", row=int(crossed.rows[image]), tone="good" if true else ""))
            groups.append(
                Group(_short(crossed.texts[text], 140), shown, note=f"found at {rank:,} of {direction.searched:,}")
            )
            pictures += shown
        if groups:
            page.section(title).groups(groups, fit="contain")
    return pictures


def _images(page: Report, crossed: Crossed, pool: View) -> list[Picture]:
    """Images with their own texts and the first five."""
    direction, pictures = crossed.found.image_to_text, []
    for title, chosen in zip(("Images whose text comes first", "Images whose text comes latest"), examples(direction)):
        shown = []
        for i in chosen.tolist():
            image, rank = int(direction.queries[i]), int(direction.rank[i])
            own = np.flatnonzero(crossed.owner == image)
            top = [
                (
                    f"{place}. {_short(crossed.texts[text], 70)}",
                    "good" if crossed.groups[crossed.owner[text]] == crossed.groups[image] else "",
                )
                for place, text in enumerate(direction.top[i].tolist(), 1)
            ]
            shown.append(
                Picture(
                    f"found at {rank:,} of {direction.searched:,}",
                    lines=top,
                    facts={"its texts": [crossed.texts[text] for text in own]},
                    row=int(crossed.rows[image]),
                )
            )
        if shown:
            page.section(title).images(shown, note="The first five texts; the true ones are green.")
        pictures += shown
    return pictures


def _next(page: Report, crossed: Crossed, pool: View) -> None:
    text = _short(crossed.texts[0], 60)
    command = f"veduta search {shlex.quote(str(getattr(pool, 'path', 'POOL')))} {shlex.quote(text)}"
    if crossed.column not in ("embedding", "embedding_text"):
        command += f" --embedding {crossed.column}"
    page.section("Next").commands([(command, "search the pool by words in this space")])


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
