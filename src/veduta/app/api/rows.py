"""GET /rows, /match, /thumbs: the grid."""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from veduta.app.held import rows as matching
from veduta.app.session import Here, Session
from veduta.app.state import State, Version
from veduta.errors import BadInput
from veduta.pool import Pool

router = APIRouter()
COLUMNS = ("key", "width", "height", "error", "label")
PART = 100
"""Pictures that are made before it is asked again whether anybody still waits."""

BINARY = {200: {"content": {"application/octet-stream": {}}}}


class Row(BaseModel):
    """A row of the grid. row: its position in the pool at this version. score: likeness to the query."""

    row: int
    key: str
    width: int | None
    height: int | None
    error: str | None
    label: str | None
    score: float | None = None


class Rows(BaseModel):
    """A piece of a view. total: rows of the whole view."""

    version: int
    total: int
    rows: list[Row]


@router.get("/rows")
def rows(
    here: Here,
    state: State,
    start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    count: Annotated[int, Query(ge=0, le=500)] = 100,
) -> Rows:
    """Rows `start` to `start + count` of a view."""
    pool = here.pool(state.version)
    shown = here.views.rows(pool, state)
    part = slice(start, start + count)
    scores = None if shown.scores is None else shown.scores[part].tolist()
    return Rows(version=pool.version, total=len(shown.rows), rows=read(pool, shown.rows[part], scores))


def read(pool: Pool, positions: Any, scores: list[float] | None = None) -> list[Row]:
    """The rows at some positions, in their order."""
    table = pool.take(positions, COLUMNS).to_pylist()
    return [
        Row(row=int(row), **values, score=None if scores is None else scores[i])
        for i, (row, values) in enumerate(zip(positions, table, strict=True))
    ]


@router.get("/match", response_class=Response, responses=BINARY)
def match(here: Here, state: State) -> Response:
    """All row positions of a view, in order: uint32, little-endian."""
    shown = here.views.rows(here.pool(state.version), state)
    return Response(shown.rows.astype("<u4").tobytes(), media_type="application/octet-stream")


@router.get("/thumbs", response_class=Response, responses=BINARY)
async def thumbs(
    request: Request,
    here: Here,
    rows: Annotated[
        str, Query(pattern=r"^[0-9]{1,10}(,[0-9]{1,10}){0,199}$", description="at most 200 positions: 1,2,3")
    ],
    version: Version = None,
    side: Literal["64", "128", "256", "512"] = "128",
) -> Response:
    """Small pictures, for each row in order: uint32 row, uint32 length, JPEG; little-endian, length 0 for no picture."""
    pool = await run_in_threadpool(here.pool, version)
    wanted = within(pool, [int(row) for row in rows.split(",")])
    body = bytearray()
    for start in range(0, len(wanted), PART):
        if await request.is_disconnected():  # scrolled past: what nobody waits for is not made
            break
        part = wanted[start : start + PART]
        pictures = await run_in_threadpool(here.thumbnails.get, pool, part, int(side))  # pyright: ignore[reportArgumentType]
        for row, picture in zip(part, pictures, strict=True):
            body += struct.pack("<II", row, len(picture)) + picture
    # Not for the browser's cache: another pool may be shown at this address tomorrow.
    return Response(bytes(body), media_type="application/octet-stream")


def within(pool: Pool, wanted: list[int]) -> list[int]:
    """The positions, if the pool has them all. Raises BadInput."""
    total = pool.dataset.count_rows()
    if wanted and max(wanted) >= total:
        raise BadInput(f"the pool has {total:,} rows at version {pool.version}; there is no row {max(wanted):,}")
    return wanted


def position_of(here: Session, pool: Pool, key: str) -> int:
    """The position of a key. Cost: a pass over the keys, the first time. Raises BadInput."""

    def find() -> int:
        found = matching(pool, "key = '" + key.replace("'", "''") + "'")
        if not len(found):
            raise BadInput(f"the pool has no image '{key:.200}' at version {pool.version}")
        return int(found[0])

    return here.held.kept.get(("key", pool.version, key), find, lambda _: 200 + len(key))
