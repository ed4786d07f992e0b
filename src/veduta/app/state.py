"""What a page shows: the part of its URL that says which rows, in which order."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from veduta.errors import BadInput

LONGEST = 4000
ALIKE = 50
"""Images that one query may be made of."""
CORNERS = 128
"""Corners that a polygon may have."""


Version = Annotated[int | None, Query(ge=1, le=2**53)]
"""As a parameter of an endpoint: a version of the pool, the newest where it is absent."""

Start = Annotated[int, Query(ge=0, le=2**53)]
"""As a parameter of an endpoint: where a piece of a list begins."""
Count = Annotated[int, Query(ge=1, le=100)]
"""As a parameter of an endpoint: how long a piece of a list is."""


class Pick(BaseModel):
    """One facet's choice: any of some values (null for rows without one), or a range of numbers [low, high]."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    column: str = Field(max_length=200)
    values: tuple[str | bool | None, ...] | None = Field(None, max_length=500)
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)


Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Polygon = Annotated[tuple[Number, ...], Field(min_length=6, max_length=2 * CORNERS)]
"""x, y, x, y, ... in the numbers of the map's columns."""
Key = Annotated[str, Field(max_length=1000)]


class ViewState(BaseModel):
    """Rows of one version: those that satisfy the filters, nearest to the query first, else sorted by a column.

    where: an SQL condition. pick: facets' choices, all of which hold. inside: polygons on the map; rows in any of them.
    text, like (keys, or one), image (an id that POST /api/queries gave): parts of one query; top: how many of the nearest
    are shown. Hashable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int | None = None
    where: str | None = None
    pick: tuple[Pick, ...] = ()
    inside: tuple[Polygon, ...] = Field((), max_length=20)
    text: str | None = None
    like: tuple[Key, ...] = Field((), max_length=ALIKE)
    image: str | None = None
    top: int = 1000
    sort: str | None = None
    desc: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """A page's state names every part; null stands for the default, and a single key for a list of one."""
        if not isinstance(given, dict):
            return given
        known = {name: value for name, value in given.items() if value is not None}
        return {**known, "like": [known["like"]]} if isinstance(known.get("like"), str) else known

    @field_validator("inside")
    @classmethod
    def _pairs(cls, polygons: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if any(len(polygon) % 2 for polygon in polygons):
            raise ValueError("a polygon has two numbers a corner")
        return polygons


def _state(
    version: Version = None,
    where: Annotated[str | None, Query(max_length=LONGEST)] = None,
    pick: Annotated[str | None, Query(max_length=4 * LONGEST, description="JSON: a list of picks")] = None,
    text: Annotated[str | None, Query(max_length=LONGEST)] = None,
    like: Annotated[list[Annotated[str, Field(max_length=1000)]] | None, Query(description="keys")] = None,
    image: Annotated[str | None, Query(max_length=64, description="an id that POST /api/queries gave")] = None,
    top: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    sort: Annotated[str | None, Query(max_length=200, description="a column")] = None,
    desc: bool = False,
    inside: Annotated[str | None, Query(max_length=16 * LONGEST, description="JSON: a list of polygons")] = None,
) -> ViewState:
    given = {"version": version, "where": where, "text": text, "image": image, "top": top, "sort": sort, "desc": desc}
    lists = {"pick": _list("pick", pick), "inside": _list("inside", inside), "like": [key for key in like or [] if key]}
    try:
        return ViewState(**{name: None if value == "" else value for name, value in given.items()}, **lists)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise BadInput(f"{where}: {problem['msg'].removeprefix('Value error, ').lower()}") from None


def _list(name: str, text: str | None) -> Any:
    try:
        return json.loads(text) if text else []
    except (ValueError, RecursionError):
        raise BadInput(f"{name} must be a JSON list, got {text!r:.80}") from None


State = Annotated[ViewState, Depends(_state)]
"""As a parameter of an endpoint: the state in the query string."""
