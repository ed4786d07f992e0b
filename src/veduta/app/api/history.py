"""GET /history, POST /undo: what was done to the pool, and going back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from veduta.app.session import Here
from veduta.pool.lineage import effective

router = APIRouter()
SHOWN = 50
"""Members of a list that are told: a selection made by hand may name thousands of keys."""


class Event(BaseModel):
    """One run. version, before: of the pool, after and before it. effective: the present content came from it."""

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


class History(BaseModel):
    """Everything that was done to the pool, newest first."""

    records: list[Event]


@router.get("/history")
def history(here: Here) -> History:
    """All runs, undone ones included."""
    pool = here.pool()
    log = pool.log()
    kept = {id(record) for record in effective(log, pool.version)}
    return History(
        records=[
            Event(
                version=record.version,
                before=record.before,
                operation=record.operation,
                parameters=short(record.parameters),
                reads=record.reads,
                adds=record.adds,
                rows=record.rows,
                seconds=record.seconds,
                started=record.started,
                details=short(record.details),
                effective=id(record) in kept,
            )
            for record in reversed(log)
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


class Back(BaseModel):
    """to: the version whose content comes back; null: before the last run that still counts."""

    model_config = ConfigDict(extra="forbid")
    to: int | None = Field(None, ge=1, le=2**53)


class Version(BaseModel):
    """The new version."""

    version: int


@router.post("/undo")
def undo(here: Here, back: Back) -> Version:
    """Go back. That is a new version, so that it can be undone too."""
    return Version(version=here.writable().undo(back.to).version)
