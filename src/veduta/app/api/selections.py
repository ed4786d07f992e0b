"""Selections: who was kept and why not, what two have in common, and new ones from what is seen."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from veduta.app import sql
from veduta.app.api.row import Version
from veduta.app.session import Here, Session
from veduta.app.state import ViewState
from veduta.app.view import asked
from veduta.errors import BadInput
from veduta.pool import Pool

router = APIRouter()
Name = Annotated[str, Query(max_length=100)]
REASONS = 20


class Reason(BaseModel):
    """Why rows were left out."""

    reason: str
    count: int


class Stored(BaseModel):
    """A selection. reasons: the most frequent 20."""

    name: str
    kept: int
    left: int
    reasons: list[Reason]
    operation: str | None
    parameters: dict[str, Any] | None


@router.get("/selections")
def selections(here: Here, version: Version = None) -> list[Stored]:
    """All selections of the pool."""
    pool = here.pool(version)
    out = []
    for name in pool.selections():
        chosen = pool.selection(name)
        counts = Counter(reason for reason in chosen.reasons.to_pylist() if reason is not None)
        made = pool.provenance(f"select_{name}")
        out.append(
            Stored(
                name=name,
                kept=len(chosen),
                left=len(chosen.keep) - len(chosen),
                reasons=[Reason(reason=reason, count=count) for reason, count in counts.most_common(REASONS)],
                operation=made.get("operation"),
                parameters=made.get("parameters"),
            )
        )
    return out


class Compared(BaseModel):
    """How many rows two selections keep."""

    both: int
    only_a: int
    only_b: int
    neither: int


@router.get("/selections/compare")
def compare(here: Here, a: Name, b: Name, version: Version = None) -> Compared:
    """How many rows both, one or none of two selections keep."""
    pool = here.pool(version)
    first, second = pool.selection(a).keep, pool.selection(b).keep
    return Compared(
        both=int((first & second).sum()),
        only_a=int((first & ~second).sum()),
        only_b=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


class Making(BaseModel):
    """A new selection: of the rows of a view, or of keys."""

    name: str = Field(max_length=100)
    state: ViewState | None = None
    keys: list[str] | None = Field(None, max_length=100_000)
    note: str = Field("", max_length=500)


class Made(BaseModel):
    """The new version, and how many rows are kept."""

    version: int
    kept: int


@router.post("/selections")
def make(here: Here, making: Making) -> Made:
    """Keep the rows of a view (a condition stays a condition, a search becomes its keys) or those with some keys."""
    from veduta.select.picked import Picked
    from veduta.select.where import Where

    pool = here.writable()
    if making.name in pool.selections():
        raise BadInput(f"the pool has a selection '{making.name}' already; choose another name")
    if making.keys is not None:
        operation: Any = Picked(keys=making.keys, note=making.note)
    else:
        state = making.state or ViewState()
        condition = condition_of(pool, state)
        operation = (
            Picked(keys=_keys(here, state), note=making.note)
            if asked(state) or condition is None
            else Where(sql=condition)
        )
    chosen = pool.select(operation, name=making.name)
    return Made(version=pool.version, kept=len(chosen))


def condition_of(pool: Pool, state: ViewState) -> str | None:
    """A state's filters as SQL, None for all rows."""
    given = [sql.checked(state.where)] if state.where else []
    return sql.all_of(given + [sql.of_pick(pool, pick) for pick in state.pick])


def _keys(here: Session, state: ViewState) -> list[str]:
    pool = here.pool(state.version)
    rows = np.asarray(here.views.rows(pool, state).rows, np.int64)
    return pool.take(rows, ["key"]).column(0).to_pylist()
