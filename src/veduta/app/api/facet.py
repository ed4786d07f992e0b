"""GET /facet, /suggest: what a column holds, in the view and in the whole pool."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel

from veduta.app.held import Codes, Numbers
from veduta.app.session import Here
from veduta.app.state import State

router = APIRouter()
SHOWN = 100
BINS = 30
MANY = 0.5
"""A text column with more distinct values than this share of its rows names its rows and is no facet."""


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
    total = pool.dataset.count_rows()
    inside = np.ones(total, bool) if mask is None else mask
    return _histogram(column, held, inside) if isinstance(held, Numbers) else _values(column, held, inside)


def _values(column: str, held: Codes, inside: NDArray[np.bool_]) -> Facet:
    size = len(held.names)
    chosen = inside if held.rows is None else inside[held.rows]
    every = np.bincount(held.codes + 1, minlength=size + 1)
    count = np.bincount(held.codes[chosen] + 1, minlength=size + 1)
    nulls = Nulls(count=int(count[0]), all=int(every[0]))
    if held.rows is not None:  # an empty list has no member
        has = np.zeros(len(inside), bool)
        has[held.rows] = True
        nulls = Nulls(count=int((inside & ~has).sum()), all=int((~has).sum()))
    if held.rows is None and size > max(SHOWN, MANY * len(inside)):
        return Facet(column=column, kind="names", nulls=nulls, distinct=size)
    order = np.argsort(-count[1:], kind="stable")[:SHOWN]
    values = [Counted(value=held.names[i], count=int(count[i + 1]), all=int(every[i + 1])) for i in order]
    return Facet(column=column, kind="values", nulls=nulls, distinct=size, values=values, more=max(0, size - SHOWN))


def _histogram(column: str, held: Numbers, inside: NDArray[np.bool_]) -> Facet:
    finite = np.isfinite(held.values)
    nulls = Nulls(count=int((inside & ~finite).sum()), all=int((~finite).sum()))
    values = held.values[finite].astype(np.float64)
    if not len(values):
        return Facet(column=column, kind="number", nulls=nulls)
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    every, _ = np.histogram(values, edges)
    counts, _ = np.histogram(values[inside[finite]], edges)
    return Facet(
        column=column, kind="number", nulls=nulls, edges=edges.tolist(), counts=counts.tolist(), all=every.tolist()
    )


@router.get("/suggest")
def suggest(
    here: Here,
    column: Annotated[str, Query(max_length=200)],
    prefix: Annotated[str, Query(max_length=200)] = "",
    version: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> list[str]:
    """Up to 20 values of a column that begin with some letters, the most frequent first."""
    held = here.held.column(here.pool(version), column)
    if isinstance(held, Numbers):
        return []
    begin = prefix.lower()
    found = (str(name) for name in held.names if str(name).lower().startswith(begin))
    return [name for _, name in zip(range(20), found)]
