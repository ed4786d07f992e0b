"""GET /row, /neighbours: all about one image."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from veduta.app import boxes, relations
from veduta.app.api.pool import kind_of
from veduta.app.api.rows import Row, position_of, read
from veduta.app.session import Here
from veduta.app.state import Version
from veduta.app.view import embedding_of

router = APIRouter()
Key = Annotated[str, Query(max_length=1000)]


class Value(BaseModel):
    """A column's value at one row; a vector is told by its length and norm. made_by: null for columns of the source."""

    name: str
    kind: str
    value: Any
    made_by: dict[str, Any] | None


class Event(BaseModel):
    """Something that was done to the pool this image is in."""

    version: int
    operation: str
    started: str
    adds: list[str]


class Detail(Row):
    """An image. columns: everything known about it. objects: boxes (x, y, w, h in pixels of the oriented image), ...,
    those of operations after those of the source.
    relations: between objects.
    """

    columns: list[Value]
    objects: list[dict[str, Any]]
    relations: list[relations.Relation]
    history: list[Event]


@router.get("/row")
def row(here: Here, key: Key, version: Version = None) -> Detail:
    """All that is known about an image."""
    pool = here.pool(version)
    position = position_of(here, pool, key)
    [first] = read(pool, [position])
    names = [name for name in pool.schema.names if name != "image"]
    values = pool.take([position], names).to_pylist()[0]
    columns = []
    for name in names:
        kind = kind_of(pool.schema.field(name).type)
        columns.append(
            Value(name=name, kind=kind, value=_plain(values[name], kind), made_by=pool.provenance(name) or None)
        )
    done = [
        Event(version=record.version, operation=record.operation, started=record.started, adds=record.adds)
        for record in pool.lineage()
    ]
    objects = [_plain(thing, "other") for thing in values.get("objects") or []]
    # After the objects, whose places relations name.
    found = boxes.read(values, boxes.columns(pool))
    objects += [
        {"class": b.name, "box": list(b.box), "mask": None, "keypoints": None, "score": b.score, "source": b.detector}
        for b in found
    ]
    related = relations.read(values.get("relations"), values.get("objects") or [])
    return Detail(**first.model_dump(), columns=columns, objects=objects, relations=related, history=done)


def _plain(value: Any, kind: str) -> Any:
    """As JSON: no NaN, no bytes, no long vector."""
    if kind == "vector" and value is not None:
        return {"dim": len(value), "norm": round(float(np.linalg.norm(np.asarray(value, np.float64))), 4)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(part, "other") for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, "other") for part in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


class Neighbours(BaseModel):
    """The most alike, best first; `score` is the cosine."""

    rows: list[Row]


@router.get("/neighbours")
def neighbours(
    here: Here,
    key: Key,
    version: Version = None,
    k: Annotated[int, Query(ge=1, le=100)] = 12,
    embedding: Annotated[
        str | None, Query(max_length=200, description="which vectors; null: those of the search")
    ] = None,
) -> Neighbours:
    """The images nearest to one of the pool."""
    from veduta.search import search

    pool = here.pool(version)
    row = position_of(here, pool, key)
    found = search(pool, row=row, k=k, embedding=embedding or embedding_of(pool), columns=[])
    return Neighbours(rows=read(pool, found.rows, found.scores.tolist()))
