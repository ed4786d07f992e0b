"""The report of `judge domain-shift`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import drawn, words
from veduta.judge.domain_shift import CLASSIFY, verdict
from veduta.judge.report import Card, Group, Picture, Report
from veduta.judge.thumbnails import fill

if TYPE_CHECKING:
    from veduta.judge.classify import Judged
    from veduta.judge.domain_shift import DomainShift, Shift
    from veduta.pool import View

WORST, OF_A_CLASS = 8, 3
NEXT = {
    "nothing": "The classifier can be used here as it stands.",
    "undecided": "Map or label more classes, or name a larger reference: the interval runs from no shift to one that matters.",
    "decision": "Fit the last layer on rows of this pool (`veduta learn probe`), or fine-tune; the features carry over.",
    "labels": "Look at the labels first (`veduta annotate label-issues`, and the map's review); if they are right, train the features on this domain.",
    "unknown": f"Embed this pool (`veduta annotate embed`) and name labels that can be learned; scores: {CLASSIFY}.",
}


def report(asked: DomainShift, shift: Shift, pool: View, reference: View) -> Report:
    """The fall, who is to blame, class by class, and the classes that fall most as pictures of both pools."""
    page = Report("Domain shift", subtitle=f"{getattr(pool, 'path', '')} against {asked.reference}")
    page.verdict = verdict(shift)
    page.tone = "warn" if shift.shifted else ""
    page.cards = [
        Card(f"{shift.own_recall.mean():.3f}", "mean recall here", f"{words.count(len(shift.classes), 'class', 'classes')}; top-5 {shift.own_top5:.3f}"),
        Card(f"{shift.reference_recall.mean():.3f}", "mean recall in the reference", f"top-5 {shift.reference_top5:.3f}"),
        Card(f"{100 * shift.drop:.1f}", "points of fall", f"95 %: {100 * shift.low:.1f} to {100 * shift.high:.1f}, over classes"),
    ]  # fmt: skip
    if shift.probe:
        p = shift.probe
        page.cards.append(
            Card(
                f"{p.accuracy:.3f}",
                "linear probe here",
                f"95 %: {p.low:.3f} to {p.high:.3f}; majority {p.majority:.3f}",
            )
        )
    section = page.section("What it means")
    section.text(NEXT[shift.blame])
    section.text(
        "Recall is averaged over classes, each counting alike. A linear probe is trained on frozen features of this pool alone: "
        "what it can tell apart, labels and features allow."
        + ("" if shift.probe else f" There is none here: {shift.unprobed}.")
    )
    section.text(
        f"The median short side is {shift.sides[0]:.0f} pixels here and {shift.sides[1]:.0f} in the reference"
        + (
            "; small pictures that are enlarged look unlike what the model knows, which may be a part of the fall."
            if shift.sides[0] < 0.5 * shift.sides[1]
            else "."
        )
    )
    for note in shift.notes:
        section.note(note, "info")
    page.section("Classes").figure(
        _picture(shift), alt="Recall of each class here against the reference",
        caption="Each point is a class, or several; below the dotted line it is told worse here.",
    ).table(_rows(shift), columns={"here": "percent", "reference": "percent"}, limit=1000, note="The widest falls come first.")  # fmt: skip
    _worst(page, shift, pool, reference)
    page.facts = {
        "parameters": asked.parameters(), "blame": shift.blame, "classes": len(shift.classes),
        "recall": float(shift.own_recall.mean()), "reference_recall": float(shift.reference_recall.mean()),
        "drop": shift.drop, "from": shift.low, "to": shift.high, "notes": shift.notes, "sides": list(shift.sides),
        "probe": asdict(shift.probe) if shift.probe else None, "unprobed": shift.unprobed,
    }  # fmt: skip
    return page


def _order(shift: Shift) -> np.ndarray:
    """The classes by their fall, the widest first; of equals those with more rows here."""
    counts = np.bincount(shift.own.truth, minlength=len(shift.own.names))[shift.classes]
    return np.lexsort((shift.classes, -counts, shift.own_recall - shift.reference_recall))


def _rows(shift: Shift) -> list[dict[str, Any]]:
    rows = []
    for i in _order(shift):
        number = int(shift.classes[i])
        wrong = _wrong(shift.own, number)
        rows.append({
            "class": shift.own.names[number], "here": shift.own_recall[i], "rows here": int((shift.own.truth == number).sum()),
            "reference": shift.reference_recall[i], "rows there": int((shift.reference.truth == number).sum()),
            "taken here for": ", ".join(f"{name} ({count})" for name, count in wrong[:2]),
        })  # fmt: skip
    return rows


def _wrong(judged: Judged, number: int) -> list[tuple[str, int]]:
    told = judged.predicted[judged.truth == number]
    return [
        (judged.names[c], count)
        for c, count in sorted(Counter(told[told != number].tolist()).items(), key=lambda i: (-i[1], i[0]))
    ]


def _picture(shift: Shift) -> Any:
    made, axes = drawn.figure(4.6, 4.2)
    spots = Counter(zip(shift.reference_recall.round(3).tolist(), shift.own_recall.round(3).tolist(), strict=True))
    axes.plot([0, 1], [0, 1], color=drawn.QUIET, linewidth=0.9, linestyle=":")
    axes.scatter(
        [x for x, _ in spots],
        [y for _, y in spots],
        [14 * count**0.7 + 8 for count in spots.values()],
        color=drawn.ACCENT,
        alpha=0.6,
    )
    axes.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), xlabel="recall in the reference", ylabel="recall here")
    return made


def _worst(page: Report, shift: Shift, pool: View, reference: View) -> None:
    groups: list[Group] = []
    here: list[Picture] = []
    there: list[Picture] = []
    for i in _order(shift)[:WORST]:
        number = int(shift.classes[i])
        if shift.reference_recall[i] <= shift.own_recall[i]:
            continue
        own = [
            Picture(
                "here", row=int(shift.own.rows[at]), lines=[(f"told {shift.own.names[shift.own.predicted[at]]}", "bad")]
            )
            for at in np.flatnonzero((shift.own.truth == number) & (shift.own.predicted != number))[:OF_A_CLASS]
        ]
        other = [
            Picture("reference", row=int(shift.reference.rows[at]))
            for at in np.flatnonzero(shift.reference.truth == number)[:1]
        ]
        here += own
        there += other
        fall = f"recall {shift.own_recall[i]:.0%} here, {shift.reference_recall[i]:.0%} in the reference"
        groups.append(Group(shift.own.names[number], [*own, *other], note=fall))
    if groups:
        fill(pool, here)
        fill(reference, there)
        page.section("The widest falls").groups(groups)
