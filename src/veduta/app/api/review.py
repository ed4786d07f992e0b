"""Review: what operations found, for a person to decide."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from veduta.annotate.review import Kind, Review, column_of
from veduta.app import duplicates
from veduta.app.api.history import Changed
from veduta.app.api.rows import Row, read
from veduta.app.columns import Codes, Numbers
from veduta.app.session import Here, Session
from veduta.app.state import Version
from veduta.app.view import embedding_of
from veduta.errors import BadInput
from veduta.pool import Pool

router = APIRouter()
Start = Annotated[int, Query(ge=0, le=2**53)]
Count = Annotated[int, Query(ge=1, le=100)]
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
    out = [_duplicates(here, pool)]
    for kind, (column, _, _, _, mend) in FOUND.items():
        ready = column in pool.schema.names
        if not ready and kind in ("people", "generated"):
            continue
        rows = _found(here, pool, kind) if ready else np.empty(0, np.int64)
        left = int((~_decided(here, pool, kind)[rows]).sum())
        out.append(
            ReviewKind(
                kind=kind, total=len(rows), open=left, columns_needed=[column], ready=ready, mend=f"{mend} {here.path}"
            )
        )
    return Kinds(kinds=out)


def _duplicates(here: Session, pool: Pool) -> ReviewKind:
    ready = duplicates.COLUMN in pool.schema.names
    groups = _groups(here, pool) if ready else []
    decided = _decided(here, pool, "duplicates")
    left = sum(not decided[[row for row, _ in group.members]].all() for group in groups)
    return ReviewKind(
        kind="duplicates",
        total=len(groups),
        open=left,
        columns_needed=[duplicates.COLUMN],
        ready=ready,
        mend=f"veduta select deduplicate {here.path} --as near",
    )


def _groups(here: Session, pool: Pool) -> list[duplicates.Group]:
    def size(groups: list[duplicates.Group]) -> int:
        return sum(200 + 120 * len(group.members) for group in groups)

    return here.held.kept.get(("groups", pool.version), lambda: duplicates.groups(pool), size)


def _found(here: Session, pool: Pool, kind: str) -> NDArray[np.int64]:
    return np.flatnonzero(here.held.matches(pool, FOUND[kind][1]))


def _decided(here: Session, pool: Pool, kind: str) -> NDArray[np.bool_]:
    """(n,) whether something is decided about a row."""
    codes = _decisions(here, pool, kind)
    return np.zeros(pool.dataset.count_rows(), bool) if codes is None else codes.codes >= 0


def _decisions(here: Session, pool: Pool, kind: str) -> Codes | None:
    name = column_of(kind)
    if name not in pool.schema.names:
        return None
    held = here.held.column(pool, name)
    return held if isinstance(held, Codes) else None


class Suspect(Row):
    """An image that something was found about. quality: how sure; decision: null while it is open."""

    given: str | None = None
    suggested: str | None = None
    quality: float | None = None
    decision: str | None = None
    neighbours: list[Row] = Field(default_factory=list)


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
        rows = rows[~_decided(here, pool, kind)[rows]]
    sorted_by = here.held.column(pool, score) if score in pool.schema.names else None
    if isinstance(sorted_by, Numbers):
        values = sorted_by.values[rows]
        rows = rows[np.argsort(-values if down else values, kind="stable")]
    part = rows[start : start + count]
    names = [name for name in ("label", "label_suggested", score, column_of(kind)) if name in pool.schema.names]
    more = pool.take(part, names).to_pylist() if len(part) else []
    nearest = _evidence(pool, part) if evidence and len(part) else {}
    items = [
        Suspect(
            **row.model_dump(),
            given=values.get("label"),
            suggested=values.get("label_suggested"),
            quality=values.get(score) if score else None,
            decision=values.get(column_of(kind)),
            neighbours=nearest.get(row.row, []),
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


class Member(Row):
    """A duplicate. similarity: to the representative; null for equal files."""

    similarity: float | None = None
    decision: str | None = None


class Group(BaseModel):
    """Images that show the same, of which the representative is kept."""

    representative: Row
    members: list[Member]


class Groups(BaseModel):
    """A piece of the list, largest groups first."""

    total: int
    groups: list[Group]


@router.get("/review/duplicates")
def duplicate_groups(here: Here, version: Version = None, start: Start = 0, count: Count = 20) -> Groups:
    """Groups of duplicates, the largest first."""
    pool = here.pool(version)
    pool.require(duplicates.COLUMN, needed_by="this review", mend=f"make it: veduta select deduplicate {here.path}")
    groups = _groups(here, pool)
    decisions = _decisions(here, pool, "duplicates")
    out = []
    for group in groups[start : start + count]:
        rows = read(pool, [group.representative, *(row for row, _ in group.members)])
        members = []
        for row, (position, similarity) in zip(rows[1:], group.members, strict=True):
            code = -1 if decisions is None else int(decisions.codes[position])
            decision = decisions.names[code] if decisions is not None and code >= 0 else None
            members.append(Member(**row.model_dump(), similarity=similarity, decision=decision))
        out.append(Group(representative=rows[0], members=members))
    return Groups(total=len(groups), groups=out)


class Threshold(BaseModel):
    """What a threshold would do. left_out, groups: images that would go, and groups, by pairs at or above it; whole: every
    image was looked at, else a few thousand, evenly spread. above, below: pairs [image, image, cosine] nearest to it.
    """

    whole: bool
    left_out: int
    groups: int
    above: list[tuple[Row, Row, float]]
    below: list[tuple[Row, Row, float]]


@router.get("/review/threshold")
def threshold(
    here: Here, value: Annotated[float, Query(ge=-1, le=1, allow_inf_nan=False)], version: Version = None
) -> Threshold:
    """Pairs on both sides of a threshold, each of an image and the one most like it. The first call of a version takes
    seconds.
    """
    pool = here.pool(version)
    embedding = embedding_of(pool)
    name = ("pairs", pool.version, embedding)
    pairs = here.held.kept.get(name, lambda: duplicates.pairs(pool, embedding), lambda pairs: pairs.bytes)
    found = duplicates.around(pairs, value)
    rows = {row.row: row for row in read(pool, found.rows)}

    def told(pairs: list[tuple[int, int, float]]) -> list[tuple[Row, Row, float]]:
        return [(rows[a], rows[b], round(score, 4)) for a, b, score in pairs]

    return Threshold(
        whole=pairs.whole,
        left_out=found.left_out,
        groups=found.groups,
        above=told(found.above),
        below=told(found.below),
    )


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
