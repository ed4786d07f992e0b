"""The report of `judge leaks`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from veduta.judge import thumbnails, words
from veduta.judge.intervals import wilson
from veduta.judge.report import Card, Group, Picture, Report
from veduta.select.contradictions import texts

if TYPE_CHECKING:
    from veduta.judge.leaked import Leaked, Pair
    from veduta.pool import Pool

SHOWN = 24


def report(pool: Pool, found: list[Leaked], remarks: list[str], parameters: Mapping[str, Any]) -> Report:
    """The share of each evaluation split that leaks, its pairs, and what to do; parameters: those of `judge leaks`."""
    path = str(getattr(pool, "path", "POOL"))
    page = Report("Leaks between splits", subtitle=path)
    page.verdict = " ".join(_said(one) for one in found)
    leaked = sum(one.leaked for one in found)
    page.tone = "warn" if leaked else "good"
    page.cards = [
        Card(
            words.share(one.leaked, one.rows),
            f"of '{one.split}' leaks",
            f"{one.leaked:,} of {one.rows:,}; {_interval(one)}",
            "warn" if one.leaked else "good",
        )
        for one in found
    ]
    section = page.section("How much the evaluation is worth")
    for remark in remarks:
        section.note(remark[:1].upper() + remark[1:], "warn")
    section.table(
        [
            {
                "split": one.split, "images": one.rows, "leaked": one.leaked, "share": one.leaked / max(1, one.rows),
                "equal files": one.exact, "near copies": one.near, "contradicting labels": one.contradicting,
                "repeated inside": one.inside,
            }
            for one in found
        ],
        columns={"share": "percent"},
        note="leaked: an image of which the training rows hold a copy; contradicting labels: leaked, and labelled otherwise "
        "there; repeated inside: images that repeat another one of their own split.",
    )  # fmt: skip
    section.text(
        "Copies are found by their vectors, hashes and pixels. Strong crops, half of the grey copies, and mirrored and turned "
        "ones (unless they are asked for) are not, so the true share may be higher."
    )
    labels, splits = texts(pool, parameters["label"]), texts(pool, parameters["split"])
    pictures = []
    for one in found:
        if not one.pairs:
            continue
        section = page.section(f"Copies of '{one.split}' in the training data")
        groups = [_pair(pair, labels, splits) for pair in one.pairs[:SHOWN]]
        section.groups(groups, fit="contain", narrow=True)
        if len(one.pairs) > SHOWN:
            section.text(f"{len(one.pairs) - SHOWN:,} more not shown here; the JSON beside this page names all.")
        pictures += [picture for group in groups for picture in group.pictures]
    if leaked:
        _what_to_do(page, path, found, parameters["split"], parameters["transforms"])
    _named(pool, pictures)
    if pictures:
        thumbnails.fill(pool, pictures)
    page.facts = {"parameters": dict(parameters), "splits": [_facts(pool, one) for one in found], "remarks": remarks}
    return page


def _said(one: Leaked) -> str:
    if not one.leaked:
        return f"No image of '{one.split}' ({one.rows:,}) was found in the training data ({_interval(one)})."
    more = f", {one.contradicting:,} of them under another label" if one.contradicting else ""
    return (
        f"**{one.leaked:,} of {one.rows:,} images of '{one.split}' ({words.share(one.leaked, one.rows)}, {_interval(one)}) lie in "
        f"the training data too**{more}."
    )


def _interval(one: Leaked) -> str:
    low, high = wilson(one.leaked, one.rows)
    return f"95 %: {low:.1%} to {high:.1%}"


def _pair(pair: Pair, labels: list[str | None], splits: list[str | None]) -> Group:
    differ = labels[pair.row] != labels[pair.copy]
    pictures = []
    for row, badge in ((pair.row, "evaluated"), (pair.copy, "trained on")):
        lines = [splits[row] or "–"]
        if labels[row]:
            lines.append((labels[row], "bad" if differ else "good"))
        pictures.append(Picture(row=row, badge=badge, tone="good" if row == pair.row else "", lines=lines))
    note = (
        "same bytes" if pair.exact else f"cosine {pair.similarity:.3f}" if pair.similarity is not None else "near copy"
    )
    return Group("Contradicting labels" if differ else "Copy", pictures, note)


def _what_to_do(page: Report, path: str, found: list[Leaked], split: str, transforms: str) -> None:
    pool, section = shlex.quote(path), page.section("What to do")
    section.text(
        "Either take the copies out of the training data, or judge only by images that are new to it. The first changes what "
        "is trained, and test images keep their place; the second keeps models comparable that are trained already."
    )
    turns = "" if transforms == "none" else f" --transforms {transforms}"
    turns += "" if split == "split" else f" --split {shlex.quote(split)}"
    names = ", ".join("'" + one.split.replace("'", "''") + "'" for one in found)
    only = f'"{split} in ({names}) and duplicate_splits is null"'
    section.commands(
        [
            (
                f"veduta select deduplicate {pool} --as unleaked{turns}",
                "leaves the training copies out: test rows, then validation rows, stay",
            ),
            (f"veduta export {pool} unleaked --format folder --selection unleaked", "writes what is left"),
            (
                f"veduta select where {pool} --sql {only} --as honest",
                "after the first: only evaluation images without a copy",
            ),
        ]
    )


def _named(pool: Pool, pictures: list[Picture]) -> None:
    rows = sorted({picture.row for picture in pictures if picture.row is not None})
    keys = dict(zip(rows, pool.take(rows, ["key"]).column(0).to_pylist(), strict=True)) if rows else {}
    for picture in pictures:
        if picture.row is not None:
            picture.caption = keys[picture.row]
            picture.facts = {"file": keys[picture.row]}


def _facts(pool: Pool, one: Leaked) -> dict[str, object]:
    keys = pool.take([row for pair in one.pairs for row in (pair.row, pair.copy)], ["key"]).column(0).to_pylist()
    low, high = wilson(one.leaked, one.rows)
    return {
        "split": one.split, "images": one.rows, "leaked": one.leaked, "share": one.leaked / max(1, one.rows), "from": low,
        "to": high, "exact": one.exact, "near": one.near, "contradicting": one.contradicting, "inside": one.inside,
        "pairs": [[keys[2 * i], keys[2 * i + 1]] for i in range(len(one.pairs))],
    }  # fmt: skip
