"""The report of a pool: what is in it, what is wrong, what was left out, what it cost, how it was made, what next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from veduta.judge import thumbnails, words
from veduta.judge.pictures import Groups, Pictures
from veduta.judge.pool_contents import contents
from veduta.judge.pool_contradictions import contradictions
from veduta.judge.pool_faults import WORDS, faults
from veduta.judge.pool_history import ahead, cost, made
from veduta.judge.pool_scan import Scan, scan
from veduta.judge.pool_source import source as what_was_read
from veduta.judge.report import Card, Group, Picture, Report, Scatter
from veduta.pool import Pool

REASONS = 8
IN_WORDS = {
    "dark": "too dark",
    "bright": "too bright",
    "low_contrast": "with low contrast",
    "blurry": "blurry",
    "low_information": "nearly empty",
    "odd_aspect": "of odd shape",
    "odd_size": "of odd size",
    "grayscale": "without colour",
}
PER_REASON = 8


def pool_report(
    pool: Pool,
    *,
    timings: Sequence[Mapping[str, Any]] | None = None,
    max_clusters: int = 24,
    per_group: int = 8,
    source: str | None = None,
    selection: str | None = None,
    commands: Sequence[tuple[str, str]] | None = None,
) -> Report:
    """Everything a person wants to see of a pool; a chapter appears where its columns exist.

    timings: stages of the run ({"stage", "rows", "seconds"}, as `engine.progress.Timed` keeps them), default: the lineage.
    max_clusters, per_group: how many contact sheets, and pictures on each. source: where the images came from, in words.
    selection: the one to speak of first, default "proposed" or the newest. commands: (command, what it does) to try next.

    Cost: one scan of the small columns (about 8 bytes a row and column in memory) and some hundred thumbnails.
    """
    names = pool.selections()
    chosen = selection or next((n for n in ("proposed", "curated") if n in names), names[-1] if names else None)
    found = scan(pool, names)
    report = Report(pool.path.name)
    contents(report, found, max_clusters=max_clusters, per_group=per_group)
    what_was_read(report, pool)
    wrong = faults(report, pool, found) | contradictions(report, pool, found)
    if names:
        _left_out(report, pool, found, names, str(chosen))
    cost(report, pool, found, timings)
    made(report, pool, source)
    ahead(report, pool, chosen, commands)
    _head(report, pool, found, wrong, chosen, source)
    pictures = _pictures(report)
    _describe(pool, pictures, f"reason_{chosen}" if chosen else None)
    images = thumbnails.fill(pool, pictures)
    heads = [images[p.row] for p in _heads(report) if p.row in images]
    banner = thumbnails.mosaic(heads[:11])
    if banner is not None:
        report.banner = Picture("pictures from the pool", thumbnails.data_uri(banner, 78), *banner.size)
    return report


def _left_out(report: Report, pool: Pool, scan: Scan, names: list[str], chosen: str) -> None:
    section = report.section("What was left out, and why")
    flags, n = scan.flags, scan.rows
    keep = {name: flags.get(f"select_{name}", np.zeros(n, bool)) for name in names}
    kept = int(keep[chosen].sum())
    section.text(
        f"The selection **{chosen}** keeps {words.count(kept, 'image')} of {n:,} ({words.share(kept, n)}). "
        "Nothing is deleted: every row left out stays in the pool with its reason, and another selection may take it back."
    )
    if f"reason_{chosen}" in scan.words:
        counts = scan.counts(f"reason_{chosen}")
        section.bars("Reasons", counts[:REASONS], total=n, tone="warn")
    others = [
        {
            "selection": name,
            "made by": pool.provenance(f"select_{name}").get("operation", "–"),
            "keeps": int(keep[name].sum()),
            "of all": float(keep[name].sum()) / max(1, n),
            "leaves out": n - int(keep[name].sum()),
        }
        for name in names
    ]
    if len(names) > 1:
        section.table(others, title="All selections", columns={"of all": "percent"})
    if f"reason_{chosen}" not in scan.words:
        return
    groups = []
    good = ~scan.failed()
    for kind, number in scan.counts(f"reason_{chosen}")[:REASONS]:
        rows = scan.having(f"reason_{chosen}", kind)
        rows = rows[good[rows]][:PER_REASON]
        if len(rows):
            reasons = pool.take(rows, [f"reason_{chosen}"]).column(0).to_pylist()
            pictures = [Picture(row=int(row), lines=[reason or ""]) for row, reason in zip(rows, reasons, strict=True)]
            groups.append(Group(kind[:1].upper() + kind[1:], pictures, words.count(number, "image")))
    if groups:
        section.heading("Examples")
        section.groups(groups, fit="contain")


def _head(
    report: Report, pool: Pool, scan: Scan, wrong: Mapping[str, int], chosen: str | None, source: str | None
) -> None:
    """Title, verdict and key figures."""
    n, octets = scan.rows, float(np.nansum(scan.numbers["bytes"])) if "bytes" in scan.numbers else 0.0
    parts = [words.count(n, "image"), words.size(octets) if octets else "", source or "", f"version {pool.version}"]
    report.subtitle = " · ".join(part for part in parts if part)
    report.verdict = verdict(n, wrong, *_kept(scan, chosen))
    kept = _kept(scan, chosen)[1]
    bad, twice = wrong.get("undecodable", 0), wrong.get("exact", 0) + wrong.get("near", 0)
    labels = wrong.get("labels") or wrong.get("chance")
    report.tone = "warn" if bad or twice or labels else "good"
    report.cards = [Card(n, "images", words.size(octets) if octets else "")]
    report.cards.append(
        Card(bad, "cannot be decoded", words.share(bad, n) if bad else "every file opens", "bad" if bad else "good")
    )
    if "duplicate_of" in scan.words or "near" in wrong:
        report.cards.append(
            Card(
                twice,
                "duplicates",
                f"{wrong.get('exact', 0):,} exact, {wrong.get('near', 0):,} near",
                "warn" if twice else "good",
            )
        )
    if wrong.get("chance"):
        report.cards.append(Card("not judged", "labels", "hardly to be told from the images; none flagged", "warn"))
    elif "labels" in wrong:
        report.cards.append(
            Card(
                wrong["labels"],
                "doubtful labels",
                words.share(wrong["labels"], n),
                "warn" if wrong["labels"] else "good",
            )
        )
    quality = sum(wrong.get(kind, 0) for kind in WORDS)
    if scan.quality():
        report.cards.append(Card(quality, "quality findings", "dark, blurry, odd, …", "warn" if quality else "good"))
    if chosen:
        report.cards.append(Card(kept, "images kept", f"selection {chosen}, {words.share(kept, n)}", "info"))
    report.facts["counts"] = {"images": n, "bytes": octets, **wrong, **({"kept": kept} if chosen else {})}
    records = pool.lineage()
    report.footer = f"{pool.path.name}, version {pool.version}" + (f", {records[-1].started}" if records else "") + "."


def _kept(scan: Scan, chosen: str | None) -> tuple[str | None, int]:
    return chosen, int(scan.flags[f"select_{chosen}"].sum()) if chosen and f"select_{chosen}" in scan.flags else 0


def verdict(images: int, wrong: Mapping[str, int], selection: str | None, kept: int) -> str:
    """The outcome in one sentence."""
    said = []
    if wrong.get("undecodable"):
        said.append(f"{wrong['undecodable']:,} cannot be decoded")
    if wrong.get("exact"):
        said.append(words.count(wrong["exact"], "exact duplicate"))
    if wrong.get("near"):
        said.append(f"{words.count(wrong['near'], 'near-duplicate')} in {words.count(wrong.get('groups', 0), 'group')}")
    if wrong.get("conflicts"):
        said.append(f"{words.count(wrong['conflicts'], 'image')} with contradicting labels on their copies")
    if wrong.get("leaks"):
        said.append(f"{words.count(wrong['leaks'], 'image')} with copies across splits")
    if wrong.get("labels"):
        said.append(words.count(wrong["labels"], "doubtful label"))
    if wrong.get("chance"):
        said.append("labels that cannot be told from the images")
    said += [f"{wrong[kind]:,} {text}" for kind, text in IN_WORDS.items() if wrong.get(kind)]
    if wrong.get("outliers"):
        said.append(words.count(wrong["outliers"], "outlier"))
    text = f"**{words.count(images, 'image')}**; " + (", ".join(said) if said else "nothing wrong was found")
    return text + (f"; the selection {selection} keeps **{kept:,}**." if selection else ".")


def _items(report: Report, kind: type) -> list[Any]:
    return [item for section in report.sections for item in section.items if isinstance(item, kind)]


def _pictures(report: Report) -> list[Picture]:
    """Every picture of the report, in order."""
    found = [p for item in _items(report, Groups) for group in item.groups for p in group.pictures]
    found += [p for item in _items(report, Pictures) for p in item.pictures]
    return found + [pin[3] for item in _items(report, Scatter) for pin in item.pins]


def _heads(report: Report) -> list[Picture]:
    """The pictures of the banner: the first of every group, or the first grid."""
    groups = [item for item in report.sections[0].items if isinstance(item, Groups)]
    if groups:
        depth = max(len(group.pictures) for group in groups[0].groups)
        return [g.pictures[i] for i in range(depth) for g in groups[0].groups if i < len(g.pictures)]
    return [p for item in report.sections[0].items if isinstance(item, Pictures) for p in item.pictures]


def _describe(pool: Pool, pictures: Sequence[Picture], reason: str | None) -> None:
    """Give the pictures their names and what the larger view tells of them."""
    rows = sorted({picture.row for picture in pictures if picture.row is not None})
    wanted = [
        "key",
        "width",
        "height",
        "format",
        "bytes",
        "label",
        "cluster_name",
        "error",
        *([reason] if reason else []),
    ]
    table = pool.take(rows, [name for name in wanted if name in pool.schema.names])
    known = dict(zip(rows, table.to_pylist(), strict=True))
    for picture in pictures:
        if picture.row is None:
            continue
        row = known[picture.row]
        picture.caption = picture.caption or PurePosixPath(row["key"]).name or row["key"]
        facts = {"file": row["key"], "label": row.get("label"), "cluster": row.get("cluster_name")}
        if row["width"]:
            facts["size"] = f"{row['width']} × {row['height']} px, {row['format']}, {words.size(row['bytes'] or 0)}"
        if row["error"]:
            facts["cannot be decoded"] = row["error"]
            picture.missing = row["error"]
        if reason and row.get(reason):
            facts["left out"] = row[reason]
        picture.facts = {name: value for name, value in facts.items() if value}
