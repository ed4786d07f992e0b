"""GET /history, POST /undo: what was done, and going back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel

from veduta.app.session import Here
from veduta.errors import BadInput
from veduta.pool.readers.told import lines

router = APIRouter()
SHOWN = 50
"""Members of a list that are told: a selection made by hand may name thousands of keys."""


class Done(BaseModel):
    """A run. effective: the present content came from it; it was not undone. told: what an ingest read as what, or what an operation said."""

    version: int
    before: int
    operation: str
    parameters: dict[str, Any]
    reads: list[str]
    adds: list[str]
    rows: int
    seconds: float
    started: str
    details: dict[str, Any]
    effective: bool
    told: list[str]


class History(BaseModel):
    """Everything that was done, newest first."""

    records: list[Done]


@router.get("/history")
def history(here: Here) -> History:
    """Everything that was done to the pool, newest first."""
    pool = here.pool()
    effective = {record.version for record in pool.lineage()}
    return History(
        records=[
            Done(
                version=r.version,
                before=r.before,
                operation=r.operation,
                parameters=short(r.parameters),
                reads=r.reads,
                adds=r.adds,
                rows=r.rows,
                seconds=r.seconds,
                started=r.started,
                details=short(r.details),
                effective=r.version in effective,
                told=lines(r.details["source"]) if r.details.get("source") else list(r.details.get("told", [])),
            )
            for r in reversed(pool.log())
        ]
    )


def short(value: Any) -> Any:
    """The value with long lists and mappings cut, and how many members were left away."""
    if isinstance(value, dict):
        cut = {key: short(inner) for key, inner in list(value.items())[:SHOWN]}
        return {**cut, "...": f"{len(value) - SHOWN:,} more"} if len(value) > SHOWN else cut
    if isinstance(value, (list, tuple)):
        cut = [short(inner) for inner in value[:SHOWN]]
        return [*cut, f"... {len(value) - SHOWN:,} more"] if len(value) > SHOWN else cut
    return value


class Changed(BaseModel):
    """The pool's new version."""

    version: int


@router.post("/undo")
def undo(here: Here, to: Annotated[int | None, Body(embed=True, ge=1, le=2**53)] = None) -> Changed:
    """Make the pool what it was at a version, or before its last run; a new version, and nothing is lost."""
    pool = here.writable()
    if to is not None and to not in pool.versions():
        raise BadInput(f"{pool.path} has no version {to}; its newest is {pool.version}")
    return Changed(version=pool.undo(to).version)
