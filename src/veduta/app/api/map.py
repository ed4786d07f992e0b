"""GET /map, /colour: all rows as points, in binary."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from veduta.app.api.rows import BINARY
from veduta.app.columns import Codes, Names, Numbers
from veduta.app.plane import required
from veduta.app.session import Here
from veduta.app.state import Version
from veduta.errors import BadInput
from veduta.pool import Pool

router = APIRouter()
NAMES = 50
"""Values that get a colour of their own."""


@router.get("/map", response_class=Response, responses=BINARY)
def points(here: Here, version: Version = None) -> Response:
    """x of every row, then y of every row: float32, little-endian; NaN for rows without a place."""
    pool = here.pool(version)
    columns = required(pool)
    return _binary(np.concatenate([_numbers(here, pool, column).astype("<f4") for column in columns]))


def _numbers(here: Here, pool: Pool, column: str) -> np.ndarray:
    held = here.held.column(pool, column)
    if not isinstance(held, Numbers):
        raise BadInput(f"the column '{column}' must hold numbers to be an axis of the map")
    return held.values


class Legend(BaseModel):
    """What the numbers of /colour mean. names: of the codes 0, 1, ...; the code len(names) is all others, -1 null; empty
    for a column of numbers, whose values go from low to high (2nd to 98th percentile).
    """

    column: str
    names: list[str]
    others: int
    low: float | None = None
    high: float | None = None


@router.get("/legend")
def legend(here: Here, column: Annotated[str, Query(max_length=200)], version: Version = None) -> Legend:
    """What the numbers of /colour mean."""
    held = _scalar(here, here.pool(version), column)
    if isinstance(held, Codes):
        return Legend(column=column, names=[str(n) for n in held.names[:NAMES]], others=max(0, len(held.names) - NAMES))
    finite = held.values[np.isfinite(held.values)]
    low, high = np.percentile(finite, [2, 98]).tolist() if len(finite) else (0.0, 1.0)
    return Legend(column=column, names=[], others=0, low=low, high=high)


@router.get("/colour", response_class=Response, responses=BINARY)
def colour(here: Here, column: Annotated[str, Query(max_length=200)], version: Version = None) -> Response:
    """A number for every row: float32, little-endian; the value of a number column, else a code of /legend."""
    held = _scalar(here, here.pool(version), column)
    values = np.minimum(held.codes, NAMES) if isinstance(held, Codes) else held.values
    return _binary(values.astype("<f4"))


def _scalar(here: Here, pool: Pool, column: str) -> Numbers | Codes:
    held = here.held.column(pool, column)
    if isinstance(held, Names) or (isinstance(held, Codes) and held.rows is not None):
        what = "a name of its own for nearly every row" if isinstance(held, Names) else "lists"
        raise BadInput(f"the column '{column}' holds {what}, by which the map cannot be coloured")
    return held


def _binary(values: np.ndarray) -> Response:
    return Response(values.tobytes(), media_type="application/octet-stream")
