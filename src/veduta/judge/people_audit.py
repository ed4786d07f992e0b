"""How many people a filter has left in a pool, and how far it can be trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.people import BODIES, FACES
from veduta.annotate.review import column_of
from veduta.engine.operation import Field
from veduta.errors import BadInput
from veduta.judge import people_sheet, words
from veduta.judge.operation import Judge
from veduta.judge.people_sheet import Seen
from veduta.judge.stratified import UNKNOWN, Estimate, Stratum, part, share
from veduta.pool.schema import INPUTS, PARAMETERS
from veduta.pool.selection import column_names
from veduta.select.human_free import NOBODY, SEEN
from veduta.select.people_sample import KEPT

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

STRATUM, REVIEW = "people_stratum", column_of("people")
KINDS = {
    "people": lambda seen: seen.verdict in ("part", "person"),
    "whole persons": lambda seen: seen.verdict == "person",
    "faces": lambda seen: bool(seen.face),
}
"""What is counted -> whether a verdict is a case of it. Parts count as people; faces are estimated where they are told."""
SIDES = (0.05, 0.1, 0.25, 0.5)
"""Cuts of the size of a person: the side of a square of the box's area, in shares of that of the image."""


@dataclass(frozen=True)
class Found:
    """Of one kind: residual, the share of cases among rows that the filter keeps; precision; recall; and the counts behind."""

    residual: Estimate
    precision: Estimate
    recall: Estimate
    strata: list[Stratum]


@dataclass
class Audit:
    """rows (n,) of the sample in the order of the sheet, their keys, strata and verdicts (None where there is none).

    sizes: rows by stratum, in order; found: by kind; notes: what the reader must know; sheet: where it was written or read.
    """

    rows: NDArray[np.int64]
    keys: list[str]
    strata: list[str]
    seen: list[Seen | None]
    flagged: NDArray[np.bool_]
    sizes: dict[str, int]
    found: dict[str, Found] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sheet: str | None = None
    annotated: Annotated | None = None

    @property
    def judged(self) -> int:
        """How many rows of the sample have a verdict."""
        return sum(one is not None for one in self.seen)

    @property
    def kept(self) -> int:
        """How many rows the filter keeps."""
        return sum(size for name, size in self.sizes.items() if name.startswith(KEPT))


@dataclass(frozen=True)
class Annotated:
    """The filter against what is annotated, over all rows with annotations. by_size: (largest person's size, flagged, all)."""

    hits: int
    misses: int
    false: int
    right: int
    by_size: list[tuple[str, int, int]]
    missed: list[int]


class PeopleAudit(Judge):
    """Estimate how many people are left where none were found: residual rate, recall and precision from a checked sample.

    Draw the sample with `select people-sample`; then this writes the sheet (a CSV with one line an image, the report beside it
    showing the pictures in the same order) and, run again, reads its verdicts: `verdict` is none, part or person, and `face`
    yes or no or nothing. Decisions of the review of people in the app count too ("shows people": person, "nobody": none); the
    sheet's word goes first. Verdicts in a sheet are never overwritten.

    Every verdict weighs as many rows as it stands for, N_h / n_h in its stratum. The residual rate and precision have Wilson's
    interval with the effective number of rows, recall the interval recovered from both (see `stratified`). Where objects are
    annotated, the filter is also measured against these, by size of the person. It says how many people may be left, never that
    there are none. Cost: the pictures of the sample, 320 pixels each.
    """

    sample: str = Field("people_sample", min_length=1, description="the selection that people-sample drew")
    sheet: str | None = Field(
        None, description="CSV of the verdicts: written where it is not there, its verdicts read where it is"
    )

    def reads(self) -> list[str]:
        return [*column_names(self.sample), STRATUM, "has_person", "person_score"]

    def check(self, pool: View) -> None:
        mend = f"draw it: veduta select people-sample POOL --as {self.sample}"
        chosen = pool.require(column_names(self.sample)[0], needed_by=self.operation(), mend=mend)
        stratum = pool.require(STRATUM, needed_by=self.operation(), mend=mend)
        made = [(one.metadata or {}).get(key) for key in (PARAMETERS, INPUTS) for one in (chosen, stratum)]
        if made[0] != made[1] or made[2] != made[3]:
            raise BadInput(
                f"people-audit: the strata in '{STRATUM}' are those of a later draw than the sample '{self.sample}'; draw that again"
            )

    def judge(self, pool: View) -> Report:
        """Write the sheet where there is none, measure, and lay out."""
        from veduta.judge.people_audit_report import report

        audit = self.measure(pool)
        if self.sheet is not None:
            audit.sheet = str(people_sheet.complete(Path(self.sheet).expanduser(), audit.keys))
        return report(self, audit, pool)

    def measure(self, pool: View) -> Audit:
        """The sample, its verdicts, and every estimate that these allow."""
        self.check(pool)
        rows = pool.rows(column_names(self.sample)[0])
        columns = [name for name in ("key", STRATUM, "has_person", REVIEW) if name in pool.schema.names]
        values = pool.take(rows, columns).to_pylist()
        order = people_sheet.shuffled([one["key"] for one in values])
        rows, values = rows[order], [values[i] for i in order]
        told = people_sheet.read(Path(self.sheet).expanduser()) if self.sheet is not None else {}
        audit = Audit(
            rows=rows,
            keys=[one["key"] for one in values],
            strata=[one[STRATUM] for one in values],
            seen=[told.get(one["key"]) or _reviewed(one.get(REVIEW)) for one in values],
            flagged=np.array([bool(one["has_person"]) for one in values], bool),
            sizes=_sizes(pool),
        )
        foreign = sorted(set(told) - set(audit.keys))
        if foreign:
            audit.notes.append(
                f"Not of the sample, and not counted: {words.count(len(foreign), 'line')} of the sheet, such as '{foreign[0]}'."
            )
        both = [(told.get(one["key"]), _reviewed(one.get(REVIEW))) for one in values]
        torn = sum(a is not None and b is not None and (a.verdict == "none") != (b.verdict == "none") for a, b in both)
        if torn:
            audit.notes.append(
                f"{torn:,} verdicts of the sheet contradict the review in the app; the sheet's were taken."
            )
        for kind in KINDS:
            audit.found[kind] = _estimated(audit, kind)
        audit.annotated = _annotated(pool)
        return audit


def _reviewed(decision: str | None) -> Seen | None:
    return Seen("person") if decision in SEEN else Seen("none") if decision in NOBODY else None


def _sizes(pool: View) -> dict[str, int]:
    """Rows by stratum: those kept first, each side from the lowest score."""
    counts: dict[str, int] = {}
    for batch in pool.batches([STRATUM]):
        for name in batch.column(0).to_pylist():
            if name is not None:
                counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (not item[0].startswith(KEPT), item[0])))


def _estimated(audit: Audit, kind: str) -> Found:
    counted = [
        (name, KINDS[kind](one))
        for name, one in zip(audit.strata, audit.seen, strict=True)
        if one is not None and (kind != "faces" or one.face is not None)
    ]
    strata = [
        Stratum(name, size, sum(own == name for own, _ in counted), sum(own == name and hit for own, hit in counted))
        for name, size in audit.sizes.items()
    ]
    kept = [one for one in strata if one.name.startswith(KEPT)]
    flagged = [one for one in strata if not one.name.startswith(KEPT)]
    residual, precision = share(kept), share(flagged)
    total = sum(one.size for one in flagged)
    # With one side alone, as a draw with `where` leaves it, nothing is known of the other.
    recall = part(precision.scaled(total), residual.scaled(audit.kept)) if kept and flagged else UNKNOWN
    return Found(residual, precision, recall, strata)


def _annotated(pool: View) -> Annotated | None:
    """The flag against the objects of the source; None where nothing is annotated, or the flag was made from it."""
    made = (pool.schema.field("has_person").metadata or {}).get(PARAMETERS, b"{}")
    if not pool.has("objects") or json.loads(made).get("annotations"):
        return None
    counts = {(truth, flag): 0 for truth in (True, False) for flag in (True, False)}
    names = [
        *(f"below {SIDES[0]:.0%}",),
        *(f"{a:.0%} to {b:.0%}" for a, b in pairwise(SIDES)),
        f"from {SIDES[-1]:.0%}",
    ]
    sizes = {name: [0, 0] for name in names}
    missed: list[tuple[float, int]] = []
    condition = "objects is not null and has_person is not null and error is null"
    rows = pool.rows(condition)
    for start in range(0, len(rows), 4096):
        some = rows[start : start + 4096]
        table = pool.take(some, ["objects", "has_person", "width", "height"]).to_pylist()
        for row, one in zip(some.tolist(), table, strict=True):
            side = _largest(one)
            counts[side is not None, one["has_person"]] += 1
            if side is None:
                continue
            own = sizes[names[int(np.searchsorted(SIDES, side, side="right"))]]
            own[0] += one["has_person"]
            own[1] += 1
            if not one["has_person"]:
                missed.append((-side, row))
    by_size = [(name, hits, total) for name, (hits, total) in sizes.items()]
    return Annotated(
        counts[True, True], counts[True, False], counts[False, True], counts[False, False], by_size,
        [row for _, row in sorted(missed)],
    )  # fmt: skip


def _largest(row: dict[str, Any]) -> float | None:
    """Side of the largest annotated person in shares of the image's; 1 where it has no box, None where there is none."""
    boxes = [thing["box"] for thing in row["objects"] if (thing["class"] or "").strip().lower() in BODIES | FACES]
    if not boxes:
        return None
    return max(
        1.0 if box is None else float(np.sqrt(max(box[2] * box[3], 0) / (row["width"] * row["height"])))
        for box in boxes
    )
