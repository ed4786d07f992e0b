"""GET and POST /selections, GET /selections/compare: which rows are kept, and why the others are not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from veduta.app import sql
from veduta.app.api.history import short
from veduta.app.session import Here, Session
from veduta.app.state import ViewState
from veduta.app.view import asked
from veduta.engine.operation import Selector
from veduta.errors import BadInput
from veduta.judge.pool_scan import kind_of
from veduta.pool import Pool
from veduta.pool.selection import column_names
from veduta.select.picked import MOST, Picked
from veduta.select.where import Where

router = APIRouter()
REASONS = 20
Version = Annotated[int | None, Query(ge=1, le=2**53)]
Name = Annotated[str, Query(pattern=r"^[A-Za-z_]\w{0,99}$")]


class Reason(BaseModel):
    """Why rows were left out; names and numbers in it are cut where many rows share its kind."""

    reason: str
    count: int


class Stored(BaseModel):
    """A selection. reasons: the most frequent ones."""

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
            kind = kind_of(reason)
            kinds[kind] = kinds.get(kind, 0) + count
        counted = kinds
    order = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))[:REASONS]
    return [Reason(reason=reason, count=count) for reason, count in order]


class Wanted(BaseModel):
    """A selection to make: of the rows of a view, or of some keys."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z_]\w{0,99}$", description="letters, digits and underscores")
    state: ViewState | None = None
    keys: list[str] | None = Field(None, min_length=1, max_length=MOST)
    note: str = Field("", max_length=2000)


class Made(BaseModel):
    """The new selection. version: of the pool that has it."""

    version: int
    kept: int


@router.post("/selections")
def make(here: Here, wanted: Wanted) -> Made:
    """Store a selection under a name; one of that name is replaced, older versions keep it.

    A view that conditions describe is stored as its condition, any other by the keys of its images.
    """
    if (wanted.state is None) == (wanted.keys is None):
        raise BadInput("a selection is made of a view or of keys; give one of 'state' and 'keys'")
    operation = _picked(wanted) if wanted.state is None else _of_view(here, wanted.state, wanted.note)
    pool = here.writable()
    chosen = pool.select(operation, name=wanted.name)
    return Made(version=pool.version, kept=len(chosen))


def _picked(wanted: Wanted) -> Selector:
    return Picked(keys=tuple(wanted.keys or ()), reason="not picked", note=wanted.note)


def _of_view(here: Session, state: ViewState, note: str) -> Selector:
    pool = here.pool(state.version)
    conditions = [sql.checked(state.where)] if state.where else []
    conditions += [sql.of_pick(pool, pick) for pick in state.pick]
    if not asked(state):
        return Where(sql=sql.all_of(conditions) or "true")
    shown = here.views.rows(pool, state)
    if not len(shown.rows):
        raise BadInput("this view shows no image, so that nothing can be kept; change the view first")
    words = [f"'{state.text}'" if state.text else "", f"like {state.like}" if state.like else ""]
    words += ["like a picture" if state.image else "", *conditions]
    reason = f"not in the view: {', '.join(word for word in words if word)}"[:500]
    keys = pool.take(shown.rows, ["key"]).column(0).to_pylist()
    return Picked(keys=keys, reason=reason, note=note)


class Compared(BaseModel):
    """Rows that two selections keep."""

    both: int
    only_a: int
    only_b: int
    neither: int


@router.get("/selections/compare")
def compare(here: Here, a: Name, b: Name, version: Version = None) -> Compared:
    """How two selections differ."""
    pool = here.pool(version)
    one, two = (_keeps(pool, name) for name in (a, b))
    return Compared(
        both=int((one & two).sum()),
        only_a=int((one & ~two).sum()),
        only_b=int((~one & two).sum()),
        neither=int((~one & ~two).sum()),
    )


def _keeps(pool: Pool, name: str) -> np.ndarray:
    if name not in pool.selections():
        raise BadInput(f"the pool has no selection '{name}' (it has: {', '.join(pool.selections()) or 'none'})")
    return np.asarray(pool.table([column_names(name)[0]]).column(0).fill_null(False))
