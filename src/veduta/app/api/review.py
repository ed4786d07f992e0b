"""Review: what operations found, for a person to decide."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from veduta.annotate.review import Kind, Review, column_of
from veduta.app import boxes, duplicates
from veduta.app.api.duplicates import counted as groups
from veduta.app.api.history import Changed
from veduta.app.api.rows import Row, read
from veduta.app.boxes import Box
from veduta.app.columns import Numbers
from veduta.app.decided import decided
from veduta.app.session import Here, Session
from veduta.app.state import Count, Start, Version
from veduta.app.view import embedding_of
from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.pool.selection import column_names

router = APIRouter()
EVIDENCE = 8
"""Neighbours shown beside a label that looks wrong."""

FOUND = {
    "label-issues": ("label_issue", "label_issue", "label_quality", False, "veduta annotate label-issues"),
    "outliers": ("is_outlier", "is_outlier", "outlier", True, "veduta annotate outlier"),
    "undecodable": ("error", "error is not null", None, False, "veduta ingest"),
    "people": ("has_person", "has_person", "person_score", True, "an operation that writes has_person"),
    "generated": ("is_generated", "is_generated", "generated_score", True, "an operation that writes is_generated"),
}
"""Kind: the column it needs, the condition of its rows, the column they are sorted by, whether downwards, what makes it."""
BOXES = {"people": ("person", "face"), "generated": ("generated",)}
"""Kind: what columns of boxes that show what was found begin with."""
SAMPLED = {"people": "people-sample"}
"""Kind: the selector whose choices are looked at too, to learn what was missed."""


class ReviewKind(BaseModel):
    """Something to review. total: what was found; open: what is not decided. mend: the command that finds it."""

    kind: str
    total: int
    open: int
    columns_needed: list[str]
    ready: bool
    mend: str


class Kinds(BaseModel):
    """All that can be reviewed."""

    kinds: list[ReviewKind]


@router.get("/review")
def kinds(here: Here, version: Version = None) -> Kinds:
    """What there is to review, and how much of it is open."""
    pool = here.pool(version)
    total, left = groups(here, pool)
    out = [
        ReviewKind(
            kind="duplicates",
            total=total,
            open=left,
            columns_needed=[duplicates.COLUMN],
            ready=duplicates.COLUMN in pool.schema.names,
            mend=f"veduta select deduplicate {here.path} --as near",
        )
    ]
    for kind, (column, _, _, _, mend) in FOUND.items():
        ready = column in pool.schema.names
        if not ready and kind in ("people", "generated"):
            continue
        rows = _found(here, pool, kind) if ready else np.empty(0, np.int64)
        left = int((~decided(here, pool, kind)[rows]).sum())
        out.append(
            ReviewKind(
                kind=kind, total=len(rows), open=left, columns_needed=[column], ready=ready, mend=f"{mend} {here.path}"
            )
        )
    return Kinds(kinds=out)


def _found(here: Session, pool: Pool, kind: str) -> NDArray[np.int64]:
    drawn = [name for name in pool.selections() if _made_by(pool, name) == SAMPLED.get(kind)]
    return np.flatnonzero(here.held.matches(pool, " or ".join([FOUND[kind][1], *(f"select_{name}" for name in drawn)])))


def _made_by(pool: Pool, selection: str) -> str:
    """The operation that made a selection; "" where it is not told."""
    return pool.provenance(column_names(selection)[0]).get("operation", "")


class Suspect(Row):
    """An image that something was found about. quality: how sure; decision: null while it is open. boxes: what was found, where it is."""

    given: str | None = None
    suggested: str | None = None
    quality: float | None = None
    decision: str | None = None
    neighbours: list[Row] = Field(default_factory=list)
    boxes: list[Box] = Field(default_factory=list)


class Suspects(BaseModel):
    """A piece of a list, worst first."""

    total: int
    items: list[Suspect]


@router.get("/review/labels")
def labels(here: Here, version: Version = None, start: Start = 0, count: Count = 20, open: bool = False) -> Suspects:
    """Labels that look wrong, with the nearest images as evidence; what was decided already is among them unless `open`."""
    pool = here.pool(version)
    return _suspects(here, pool, "label-issues", start, count, open, evidence=True)


@router.get("/review/outliers")
def outliers(here: Here, version: Version = None, start: Start = 0, count: Count = 50, open: bool = False) -> Suspects:
    """Images unlike all others."""
    return _suspects(here, here.pool(version), "outliers", start, count, open)


@router.get("/review/undecodable")
def undecodable(
    here: Here, version: Version = None, start: Start = 0, count: Count = 50, open: bool = False
) -> Suspects:
    """Files that cannot be decoded; `error` says why."""
    return _suspects(here, here.pool(version), "undecodable", start, count, open)


@router.get("/review/flagged/{kind}")
def flagged(
    here: Here,
    kind: Literal["people", "generated"],
    version: Version = None,
    start: Start = 0,
    count: Count = 50,
    open: bool = False,
) -> Suspects:
    """Images with people, or made by a machine, where a column says so."""
    return _suspects(here, here.pool(version), kind, start, count, open)


def _suspects(
    here: Session, pool: Pool, kind: str, start: int, count: int, open: bool, evidence: bool = False
) -> Suspects:
    column, _, score, down, mend = FOUND[kind]
    pool.require(column, needed_by="this review", mend=f"make it: {mend} {here.path}")
    rows = _found(here, pool, kind)
    if open:
        rows = rows[~decided(here, pool, kind)[rows]]
    sorted_by = here.held.column(pool, score) if score in pool.schema.names else None
    if isinstance(sorted_by, Numbers):
        values = sorted_by.values[rows]
        rows = rows[np.argsort(-values if down else values, kind="stable")]
    part = rows[start : start + count]
    names = [name for name in ("label", "label_suggested", score, column_of(kind)) if name in pool.schema.names]
    framed = boxes.columns(pool, beginning=BOXES[kind]) if kind in BOXES else []
    more = pool.take(part, [*names, *framed]).to_pylist() if len(part) else []
    nearest = _evidence(pool, part) if evidence and len(part) else {}
    items = [
        Suspect(
            **row.model_dump(),
            given=values.get("label"),
            suggested=values.get("label_suggested"),
            quality=values.get(score) if score else None,
            decision=values.get(column_of(kind)),
            neighbours=nearest.get(row.row, []),
            boxes=boxes.read(values, framed),
        )
        for row, values in zip(read(pool, part), more, strict=True)
    ]
    return Suspects(total=len(rows), items=items)


def _evidence(pool: Pool, rows: NDArray[np.int64]) -> dict[int, list[Row]]:
    """The most alike images with a label, for each of some rows: one pass over the vectors for all of them."""
    from veduta.search.lens import Finder, unit_vectors

    try:
        column = embedding_of(pool)
    except BadInput:
        return {}
    queries = unit_vectors(pool, column, rows)
    sound = queries.any(axis=1)
    rows, queries = rows[sound], queries[sound]
    if not len(rows):
        return {}
    found = Finder(pool, column, "label is not null", exactly=True).exactly(queries, EVIDENCE + 1)
    near = [
        [(int(r), float(s)) for r, s in zip(*one, strict=True) if r != own][:EVIDENCE]
        for own, one in zip(rows, found, strict=True)
    ]
    known = {row.row: row for row in read(pool, sorted({r for one in near for r, _ in one}))}
    return {
        int(own): [known[r].model_copy(update={"score": s}) for r, s in one]
        for own, one in zip(rows, near, strict=True)
    }


class Decision(BaseModel):
    """Decisions on images of a kind, by key: accept, dismiss, keep, leave-out, open or relabel:NAME."""

    kind: Kind
    decisions: dict[Annotated[str, Field(max_length=1000)], Annotated[str, Field(max_length=300)]] = Field(
        min_length=1, max_length=10_000
    )


@router.post("/decide")
def decide(here: Here, decision: Decision) -> Changed:
    """Write decisions down: one new version of the pool."""
    operation = Review(kind=decision.kind, decisions=decision.decisions)
    return Changed(version=here.writable().annotate(operation).version)
