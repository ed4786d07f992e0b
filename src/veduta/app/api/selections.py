"""Selections: who was kept and why not, what two have in common, and new ones from what is seen."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from veduta.app import sql
from veduta.app.api.history import short
from veduta.app.session import Here, Session
from veduta.app.state import Version, ViewState
from veduta.app.view import asked, conditions
from veduta.engine.operation import Selector
from veduta.errors import BadInput
from veduta.judge.pool_scan import reason_kind
from veduta.pool import Pool
from veduta.pool.selection import column_names
from veduta.select.picked import MOST, Picked
from veduta.select.where import Where

router = APIRouter()
Name = Annotated[str, Query(max_length=100)]
REASONS = 20


class Reason(BaseModel):
    """Why rows were left out, without what is particular to one row where there are many reasons."""

    reason: str
    count: int


class Stored(BaseModel):
    """A selection. reasons: the most frequent 20."""

    name: str
    kept: int
    left: int
    reasons: list[Reason]
    operation: str | None
    parameters: dict[str, Any]


@router.get("/selections")
def selections(here: Here, version: Version = None) -> list[Stored]:
    """All selections of the pool at a version."""
    pool = here.pool(version)
    return [_stored(here, pool, name) for name in pool.selections()]


def _stored(here: Session, pool: Pool, name: str) -> Stored:
    def read() -> Stored:
        keep, reasons = (column.combine_chunks() for column in pool.table(list(column_names(name))).columns)
        kept = int(pc.sum(keep.fill_null(False)).as_py() or 0)  # pyright: ignore[reportOptionalMemberAccess]
        made = pool.provenance(column_names(name)[0])
        return Stored(
            name=name,
            kept=kept,
            left=len(keep) - kept,
            reasons=_reasons(reasons),
            operation=made.get("operation"),
            parameters=short(made.get("parameters", {})),
        )

    return here.held.kept.get(("selection", pool.version, name), read, lambda _: 4096)


def _reasons(reasons: pa.Array) -> list[Reason]:
    counted = {entry["values"]: entry["counts"] for entry in pc.value_counts(reasons.drop_null()).to_pylist()}
    if len(counted) > REASONS:
        kinds: dict[str, int] = {}
        for reason, count in counted.items():
            kind = reason_kind(reason)
            kinds[kind] = kinds.get(kind, 0) + count
        counted = kinds
    order = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))[:REASONS]
    return [Reason(reason=reason, count=count) for reason, count in order]


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

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z_]\w{0,99}$", description="letters, digits and underscores")
    state: ViewState | None = None
    keys: list[str] | None = Field(None, min_length=1, max_length=MOST)
    note: str = Field("", max_length=500)


class Made(BaseModel):
    """The new version, and how many rows are kept."""

    version: int
    kept: int


@router.post("/selections")
def make(here: Here, making: Making) -> Made:
    """Keep the rows of a view (conditions stay conditions, a search becomes its keys) or those with some keys."""
    if making.state is not None and making.keys is not None:
        raise BadInput("a selection is made of a view or of keys; give one of 'state' and 'keys'")
    pool = here.writable()
    if making.name in pool.selections():
        raise BadInput(f"the pool has a selection '{making.name}' already; choose another name")
    if making.keys is not None:
        reason = f"not picked by hand: {making.note}" if making.note else "not picked by hand"
        operation = Picked(keys=tuple(making.keys), reason=reason, note=making.note)
    else:
        operation = _of_view(here, making.state or ViewState(), making.note)
    chosen = pool.select(operation, name=making.name)
    return Made(version=pool.version, kept=len(chosen))


def _of_view(here: Session, state: ViewState, note: str) -> Selector:
    pool = here.pool(state.version)
    where = sql.all_of(conditions(pool, state)) or "true"
    words = [
        *conditions(pool, state.model_copy(update={"inside": ()})),
        *(["drawn around on the map"] if state.inside else []),
    ]
    if not asked(state):
        return Where(sql=where, reason=_reason(words, note) if state.inside or note else None)
    rows = here.views.rows(pool, state).rows
    if not len(rows):
        raise BadInput("this view shows no image, so that nothing can be kept; change the view first")
    query = [f"'{state.text}'" if state.text else "", f"like {', '.join(state.like)}" if state.like else ""]
    query = [word for word in (*query, "like a picture" if state.image else "") if word]
    keys = tuple(pool.take(rows, ["key"]).column(0).to_pylist())
    return Picked(keys=keys, reason=_reason([*query, *words], ""), note=note)


def _reason(words: list[str], note: str) -> str:
    """Why a row is left out of a view's rows, short enough to stand in every one of them."""
    why = f"not in the view: {', '.join(words)}" if words else "not in the view"
    return f"{why}; {note}"[:500] if note else why[:500]
