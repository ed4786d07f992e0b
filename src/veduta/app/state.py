"""What a page shows: the part of its URL that says which rows, in which order."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from veduta.errors import BadInput

LONGEST = 4000


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


class ViewState(BaseModel):
    """Rows of one version: those that satisfy the filters, nearest to the query first, else sorted by a column.

    where: an SQL condition. pick: facets' choices, all of which hold. text, like (a key), image (an id that
    POST /api/queries gave): parts of one query; top: how many of the nearest are shown. Hashable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int | None = None
    where: str | None = None
    pick: tuple[Pick, ...] = ()
    text: str | None = None
    like: str | None = None
    image: str | None = None
    top: int = 1000
    sort: str | None = None
    desc: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """A page's state names every part; null stands for the default."""
        return {k: v for k, v in given.items() if v is not None} if isinstance(given, dict) else given


_PICKS = TypeAdapter(tuple[Pick, ...])


def _state(
    version: Version = None,
    where: Annotated[str | None, Query(max_length=LONGEST)] = None,
    pick: Annotated[str | None, Query(max_length=4 * LONGEST, description="JSON: a list of picks")] = None,
    text: Annotated[str | None, Query(max_length=LONGEST)] = None,
    like: Annotated[str | None, Query(max_length=1000, description="a key")] = None,
    image: Annotated[str | None, Query(max_length=64, description="an id that POST /api/queries gave")] = None,
    top: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    sort: Annotated[str | None, Query(max_length=200, description="a column")] = None,
    desc: bool = False,
) -> ViewState:
    given: dict[str, Any] = {"version": version, "text": text, "like": like, "image": image, "top": top, "sort": sort}
    try:
        picks = _PICKS.validate_json(pick) if pick else ()
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(
            f"pick must be a JSON list of choices: {problem['msg'].lower()} at {json.dumps(problem['loc'])}"
        ) from None
    blank = {name: value or None for name, value in given.items() if isinstance(value, str)}
    return ViewState(**{**given, **blank}, where=where or None, pick=picks, desc=desc)


State = Annotated[ViewState, Depends(_state)]
"""As a parameter of an endpoint: the state in the query string."""
