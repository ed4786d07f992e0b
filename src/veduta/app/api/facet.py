"""GET /facet, /suggest: what a column holds, in the view and in the whole pool."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel

from veduta.app import sql
from veduta.app.columns import BINS, Codes, Names, Numbers
from veduta.app.session import Here
from veduta.app.state import State, Version
from veduta.pool import Pool

router = APIRouter()
SHOWN, SUGGESTED = 100, 20


class Counted(BaseModel):
    """A value. count: rows of the view, were this column not chosen by; all: rows of the pool."""

    value: str | bool
    count: int
    all: int


class Nulls(BaseModel):
    """Rows without a value."""

    count: int
    all: int


class Facet(BaseModel):
    """A column. values: for text, bool and lists, the most frequent; more: how many further ones there are. edges (31),
    counts, all (30): a histogram, for numbers. Both are empty for a column that names its rows.
    """

    column: str
    kind: Literal["values", "number", "names"]
    nulls: Nulls
    distinct: int = 0
    values: list[Counted] = []
    more: int = 0
    edges: list[float] = []
    counts: list[int] = []
    all: list[int] = []


@router.get("/facet")
def facet(here: Here, state: State, column: Annotated[str, Query(max_length=200)]) -> Facet:
    """Counts of a column's values."""
    pool = here.pool(state.version)
    held = here.held.column(pool, column)
    mask = here.views.mask(pool, state, without=column)
    if isinstance(held, Numbers):
        return _histogram(column, held, mask)
    return (
        _names(column, held, mask)
        if isinstance(held, Names)
        else _values(column, held, mask, pool.dataset.count_rows())
    )


Mask = NDArray[np.bool_] | None
"""(n,) the rows of the view, None for all."""


def _values(column: str, held: Codes, mask: Mask, total: int) -> Facet:
    size = len(held.names)
    every = np.bincount(held.codes + 1, minlength=size + 1)
    count = every
    if mask is not None:
        count = np.bincount(held.codes[mask if held.rows is None else mask[held.rows]] + 1, minlength=size + 1)
    nulls = Nulls(count=int(count[0]), all=int(every[0]))
    if held.rows is not None:
        nulls = _missing(_without_members(held, total), mask)
    order = np.argsort(-count[1:], kind="stable")[:SHOWN]
    values = [Counted(value=held.names[i], count=int(count[i + 1]), all=int(every[i + 1])) for i in order]
    return Facet(column=column, kind="values", nulls=nulls, distinct=size, values=values, more=max(0, size - SHOWN))


def _without_members(held: Codes, total: int) -> NDArray[np.bool_]:
    empty = np.ones(total, bool)
    empty[held.rows] = False
    return empty


def _missing(missing: NDArray[np.bool_], mask: Mask) -> Nulls:
    every = int(np.count_nonzero(missing))
    return Nulls(count=every if mask is None else int(np.count_nonzero(missing & mask)), all=every)


def _names(column: str, held: Names, mask: Mask) -> Facet:
    return Facet(column=column, kind="names", nulls=_missing(held.missing, mask), distinct=held.distinct)


def _histogram(column: str, held: Numbers, mask: Mask) -> Facet:
    every = np.bincount(held.bins, minlength=BINS + 1)
    count = every if mask is None else np.bincount(held.bins[mask], minlength=BINS + 1)
    nulls = Nulls(count=int(count[-1]), all=int(every[-1]))
    if not every[:-1].any():
        return Facet(column=column, kind="number", nulls=nulls)
    edges, counts, whole = held.edges.tolist(), count[:-1].tolist(), every[:-1].tolist()
    return Facet(column=column, kind="number", nulls=nulls, edges=edges, counts=counts, all=whole)


@router.get("/suggest")
def suggest(
    here: Here,
    column: Annotated[str, Query(max_length=200)],
    prefix: Annotated[str, Query(max_length=200)] = "",
    version: Version = None,
) -> list[str]:
    """Up to 20 values of a column that begin with some letters, the most frequent first."""
    pool = here.pool(version)
    held = here.held.column(pool, column)
    if isinstance(held, Numbers):
        return []
    if isinstance(held, Names):
        return list(
            here.held.kept.get(("suggest", pool.version, column, prefix), lambda: _begin(pool, column, prefix), _size)
        )
    begin = prefix.lower()
    found = (str(name) for name in held.names if str(name).lower().startswith(begin))
    return [name for _, name in zip(range(SUGGESTED), found)]


def _begin(pool: Pool, column: str, prefix: str) -> tuple[str, ...]:
    condition = sql.begins(pool, column, prefix)
    return tuple(dict.fromkeys(map(str, pool.table([column], where=condition, limit=SUGGESTED).column(0).to_pylist())))


def _size(values: tuple[str, ...]) -> int:
    return sum(map(len, values)) + 500
