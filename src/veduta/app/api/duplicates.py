"""Review of duplicates: their groups, and what another threshold would do."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from veduta.app import duplicates
from veduta.app.api.rows import Row, read
from veduta.app.decided import decided, decisions
from veduta.app.session import Here, Session
from veduta.app.state import Count, Start, Version
from veduta.app.view import embedding_of
from veduta.pool import Pool

router = APIRouter()


def counted(here: Session, pool: Pool) -> tuple[int, int]:
    """Groups, and how many of them have a member about which nothing is decided."""
    groups = _groups(here, pool) if duplicates.COLUMN in pool.schema.names else []
    done = decided(here, pool, "duplicates")
    return len(groups), sum(not done[[row for row, _ in group.members]].all() for group in groups)


def _groups(here: Session, pool: Pool) -> list[duplicates.Group]:
    def size(groups: list[duplicates.Group]) -> int:
        return sum(200 + 120 * len(group.members) for group in groups)

    return here.held.kept.get(("groups", pool.version), lambda: duplicates.groups(pool), size)


class Member(Row):
    """A duplicate. similarity: to the representative; null for equal files."""

    similarity: float | None = None
    decision: str | None = None


class Group(BaseModel):
    """Images that show the same, of which the representative is kept. labels, splits: what they have several of, else null."""

    representative: Row
    members: list[Member]
    labels: str | None = None
    splits: str | None = None


class Groups(BaseModel):
    """A piece of the list, largest groups first. labels, splits: how many groups contradict themselves, of all."""

    total: int
    labels: int = 0
    splits: int = 0
    groups: list[Group]


@router.get("/review/duplicates")
def duplicate_groups(
    here: Here,
    version: Version = None,
    start: Start = 0,
    count: Count = 20,
    only: Literal["labels", "splits"] | None = None,
) -> Groups:
    """Groups of duplicates, the largest first; only those with contradicting labels, or across splits, where asked."""
    pool = here.pool(version)
    pool.require(duplicates.COLUMN, needed_by="this review", mend=f"make it: veduta select deduplicate {here.path}")
    every = _groups(here, pool)
    groups = [group for group in every if only is None or getattr(group, only)]
    known = decisions(here, pool, "duplicates")
    out = []
    for group in groups[start : start + count]:
        rows = read(pool, [group.representative, *(row for row, _ in group.members)])
        members = []
        for row, (position, similarity) in zip(rows[1:], group.members, strict=True):
            code = -1 if known is None else int(known.codes[position])
            decision = known.names[code] if known is not None and code >= 0 else None
            members.append(Member(**row.model_dump(), similarity=similarity, decision=decision))
        out.append(Group(representative=rows[0], members=members, labels=group.labels, splits=group.splits))
    labels, splits = (sum(getattr(group, name) is not None for group in every) for name in ("labels", "splits"))
    return Groups(total=len(groups), labels=labels, splits=splits, groups=out)


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
