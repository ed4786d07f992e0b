"""The report of `judge people-audit`: the pictures to judge, what the verdicts amount to, and what was not looked at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import words
from veduta.judge.intervals import wilson
from veduta.judge.report import Card, Picture, Report, Section
from veduta.judge.thumbnails import fill
from veduta.pool.schema import FINGERPRINT, OPERATION
from veduta.select.people_sample import KEPT

if TYPE_CHECKING:
    from veduta.judge.people_audit import Annotated, Audit, PeopleAudit
    from veduta.judge.stratified import Estimate
    from veduta.pool import View

SIDE = 256
SHOWN = 24


def report(asked: PeopleAudit, audit: Audit, pool: View) -> Report:
    """Figures first, then the pictures that explain them, then those that are still to be judged."""
    place = str(getattr(pool, "path", "POOL"))
    page = Report("People audit", subtitle=place)
    people = audit.found["people"]
    known = not math.isnan(people.residual.value)
    open_ = len(audit.keys) - audit.judged
    page.verdict = _verdict(audit)
    page.tone = "warn" if open_ or not known else "info"
    page.cards = [
        Card(f"{audit.judged:,} of {len(audit.keys):,}", "images of the sample judged"),
        _card(people.residual, "people left where nobody was found"),
        _card(people.recall, "of the people found (recall)"),
        _card(people.precision, "of the flagged show people (precision)"),
    ]
    if audit.judged:
        _estimates(page.section("Estimates"), audit)
    pictures = _mistakes(page, audit)
    if audit.annotated is not None:
        pictures += _against(page, audit.annotated)
    _checked(page, pool)
    pictures += _to_do(page, asked, audit, place)
    fill(pool, pictures, SIDE)
    page.facts = {
        "parameters": asked.parameters(),
        "sheet": audit.sheet,
        "judged": audit.judged,
        "drawn": len(audit.keys),
        "rows_kept": audit.kept,
        "found": {
            kind: {name: [one.value, one.low, one.high] for name, one in _three(found)}
            for kind, found in audit.found.items()
        },
        "notes": audit.notes,
    }
    return page


def _verdict(audit: Audit) -> str:
    people = audit.found["people"]
    nobody = f"No person found in {words.count(audit.kept, 'image')}"
    if math.isnan(people.residual.value):
        return (
            f"{nobody}. How many are left **is not known**: {audit.judged:,} of {len(audit.keys):,} images are judged, and every "
            "stratum needs a verdict."
        )
    some = "" if audit.judged == len(audit.keys) else f", {audit.judged:,} of {len(audit.keys):,} judged so far"
    left = f"{nobody}; estimated residual **{_percent(people.residual.value)}** ({_between(people.residual)}{some})."
    if math.isnan(people.recall.value):
        return left
    found = (
        f"Of all images with people the detectors found {_percent(people.recall.value)} ({_between(people.recall)})."
    )
    return f"{left} {found}"


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.3g} %"


def _between(one: Estimate) -> str:
    return "95 %: unknown" if math.isnan(one.low) else f"95 %: {100 * one.low:.3g} to {100 * one.high:.3g} %"


def _card(one: Estimate, label: str) -> Card:
    return Card(_percent(one.value), label, "" if math.isnan(one.value) else _between(one))


def _three(found: Any) -> list[tuple[str, Estimate]]:
    return [("residual", found.residual), ("precision", found.precision), ("recall", found.recall)]


def _estimates(section: Section, audit: Audit) -> None:
    section.text(
        "Residual: the share with people among images on which nobody was found. Recall: of all images with people, those that "
        "were flagged. Precision: of the flagged, those with people. Each verdict weighs as many rows as it stands for. "
        "People are whole persons and parts; faces are estimated from the verdicts that tell."
    )
    section.table(
        [
            {"of": kind, "measure": name, "estimate": one.value, "from": one.low, "to": one.high}
            for kind, found in audit.found.items()
            for name, one in _three(found)
            if not math.isnan(one.value)
        ],
        columns={"estimate": "percent", "from": "percent", "to": "percent"},
    )
    section.table(
        [
            {"stratum": one.name, "rows": one.size, "judged": one.judged, "with people": one.hits}
            for one in audit.found["people"].strata
        ],
        title="Strata",
        note="Each side from the lowest scores to the highest.",
    )
    for note in audit.notes:
        section.note(note, "warn")


def _mistakes(page: Report, audit: Audit) -> list[Picture]:
    """Judged images on which the detectors were wrong."""
    seen = [(i, one) for i, one in enumerate(audit.seen) if one is not None]
    kept = [name.startswith(KEPT) for name in audit.strata]
    missed = [i for i, one in seen if kept[i] and one.verdict != "none"]
    false = [i for i, one in seen if not kept[i] and one.verdict == "none"]
    pictures: list[Picture] = []
    if missed or false:
        section = page.section("Where the detectors were wrong")
        for some, title in ((missed, "People that were not found"), (false, "Flagged, and nobody there")):
            if some:
                shown = [_picture(audit, i) for i in some[:SHOWN]]
                more = f"{len(shown)} of {len(some):,} in the sample." if len(some) > len(shown) else ""
                section.images(shown, title=f"{title} ({len(some):,})", note=more)
                pictures += shown
    return pictures


def _picture(audit: Audit, i: int) -> Picture:
    one = audit.seen[i]
    return Picture(
        audit.keys[i], row=int(audit.rows[i]), lines=[audit.strata[i], one.verdict if one is not None else ""]
    )


def _against(page: Report, told: Annotated) -> list[Picture]:
    section = page.section("Against what is annotated")
    section.text(
        "All rows with annotated objects, flagged or not. An annotator's person is any class of people or their parts; what "
        "nobody annotated counts as nobody, so that precision is a lower bound."
    )
    rows = []
    for name, hits, total in (
        ("recall", told.hits, told.hits + told.misses),
        ("precision", told.hits, told.hits + told.false),
        ("residual", told.misses, told.misses + told.right),
    ):
        low, high = wilson(hits, total)
        rows.append(
            {"measure": name, "value": hits / total if total else math.nan, "from": low, "to": high, "of rows": total}
        )
    kinds = {"value": "percent", "from": "percent", "to": "percent"}
    section.table(rows, columns=kinds)  # pyright: ignore[reportArgumentType]
    sizes = []
    for name, hits, total in told.by_size:
        low, high = wilson(hits, total)
        sizes.append(
            {
                "largest person": name,
                "recall": hits / total if total else math.nan,
                "from": low,
                "to": high,
                "images": total,
            }
        )
    section.table(
        sizes,
        title="Recall by size",
        columns={"recall": "percent", "from": "percent", "to": "percent"},
        note="The side of a square of the largest person's area, in shares of the image's.",
    )
    shown = [Picture(f"row {row}", row=row) for row in told.missed[:SHOWN]]
    if shown:
        section.images(shown, title="Annotated people that were not found", note="The largest first.")
    return shown


def _checked(page: Report, pool: View) -> None:
    section = page.section("What was checked")
    metadata = pool.schema.field("has_person").metadata or {}
    made = metadata.get(OPERATION, b"").decode() or "the source"
    section.text(f"The flag is that of `{made}`: {metadata.get(FINGERPRINT, b'').decode() or 'no detector is named'}.")
    records = getattr(pool, "lineage", list)()
    policies = [record for record in records if record.operation == "human-free" and "funnel" in record.details]
    if not policies:
        section.text(
            "No selection of `human-free` is recorded; licences, authors, blank and unsafe images were not looked at."
        )
        return
    last = policies[-1].details
    section.table(
        last["funnel"], title=f"The funnel of the selection {policies[-1].parameters.get('as', 'human_free')}"
    )
    for title, entries in (("Checked", last["checked"]), ("Not checked", last["not_checked"])):
        section.heading(title)
        section.text("\n".join(f"- {entry}" for entry in entries))
    decided = last["reviewed"]
    if decided["decided"]:
        section.text(
            f"A person decided about {decided['decided']:,} images, against the flag in {decided['against_the_flag']:,}."
        )


def _to_do(page: Report, asked: PeopleAudit, audit: Audit, place: str) -> list[Picture]:
    left = np.flatnonzero([one is None for one in audit.seen])
    if not len(left):
        return []
    section = page.section("Still to be judged")
    section.text(
        "Look at each picture for people: **person** for a whole or nearly whole one, however small or far, photographed, drawn as "
        "if photographed or on a screen; **part** for a hand, a leg, a back of a head; **none** otherwise. Statues and toys are none. "
        "Under face: yes where a face can be made out."
    )
    sheet = asked.sheet or "verdicts.csv"
    section.commands(
        [
            (
                f"veduta judge people-audit {place} --sheet {sheet}",
                f"Fill in verdict and face in {sheet}, then run this again",
            ),
            (f"veduta view {place}", "Or decide in the review of people, and run the same"),
        ]
    )
    shown = [Picture(f"{i + 1}  {audit.keys[i]}", row=int(audit.rows[i])) for i in left.tolist()]
    section.images(shown, title=words.count(len(shown), "picture"), note="In the order in which a new sheet has them.")
    return shown
