"""GET /pool: what the pool is."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from fastapi import APIRouter
from pydantic import BaseModel

from veduta.app.plane import axes
from veduta.app.session import Here
from veduta.app.state import Version
from veduta.app.view import embedding_of
from veduta.errors import BadInput
from veduta.pool import Pool

router = APIRouter()

Kind = Literal["number", "bool", "text", "list", "vector", "other"]


class Column(BaseModel):
    """A column. made_by: the operation and its parameters, null for columns of the source."""

    name: str
    type: str
    kind: Kind
    made_by: dict[str, Any] | None


class About(BaseModel):
    """A pool at one version. map: it can be drawn. search: the column of vectors that is searched, null for none. text: words find images
    too. thumbs: small pictures that are stored. damage: why newer versions than this one cannot be read.
    """

    name: str
    version: int
    newest: int
    rows: int
    errors: int
    columns: list[Column]
    embeddings: list[str]
    selections: list[str]
    map: bool
    search: str | None
    text: bool
    thumbs: int
    damage: str | None


@router.get("/pool")
def about(here: Here, version: Version = None) -> About:
    """The pool at a version, the newest by default."""
    pool = here.pool(version)
    columns = [
        Column(name=f.name, type=str(f.type), kind=kind_of(f.type), made_by=pool.provenance(f.name) or None)
        for f in pool.schema
        if f.name != "image"
    ]
    return About(
        name=here.path.name,
        version=pool.version,
        newest=pool.version if version is None else here.newest(),  # a change that comes just now must not part the two
        rows=len(pool),
        errors=int(here.held.matches(pool, "error is not null").sum()),
        columns=columns,
        embeddings=[c.name for c in columns if c.kind == "vector"],
        selections=pool.selections(),
        map=axes(pool) is not None,
        search=_searched(pool),
        text=_takes_words(pool),
        thumbs=here.thumbnails.count(),
        damage=here.damage(),
    )


def _searched(pool: Pool) -> str | None:
    try:
        return embedding_of(pool)
    except BadInput:
        return None


def _takes_words(pool: Pool) -> bool:
    """Whether the encoder has a text side; told by the columns, since to ask the encoder is to load it."""
    column = _searched(pool)
    encoder = str(pool.provenance(column).get("parameters", {}).get("encoder", "")) if column else ""
    return f"{column}_text" in pool.schema.names or encoder.startswith("open_clip:")


def kind_of(type_: pa.DataType) -> Kind:
    """What can be done with a column: a histogram, a choice of values, ..."""
    if pa.types.is_boolean(type_):
        return "bool"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "text"
    if pa.types.is_fixed_size_list(type_) and pa.types.is_floating(type_.value_type):
        return "vector"
    return "list" if pa.types.is_list(type_) else "other"
