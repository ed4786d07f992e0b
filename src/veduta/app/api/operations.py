"""GET /operations: what can be run, with everything that a form needs."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from veduta.app.places import is_place
from veduta.engine.registry import VERBS, find, of_verb

router = APIRouter()
EXTRA = {
    "annotate": {"where": "SQL: only these rows"},
    "select": {"name": "name of the selection; letters, digits and underscores"},
    "learn": {
        "where": "SQL: train on these rows only",
        "selection": "train on the rows that this selection keeps",
        "name": "name of the run",
    },
    "judge": {},
}
"""What a run takes besides the operation's own parameters, by verb: name -> description."""
HIDDEN = ("picked", "review")
"""Operations that other pages run."""


class Described(BaseModel):
    """An operation. text: its description, Markdown. schema: JSON schema of its parameters. places: parameters that name
    a network or something inside the pool. extra: what a run takes besides: name -> description.
    """

    verb: str
    name: str
    purpose: str
    text: str
    schema_: dict[str, Any]
    places: list[str]
    extra: dict[str, str]

    model_config = {
        "serialize_by_alias": True,
        "alias_generator": lambda name: name.rstrip("_"),
        "populate_by_name": True,
    }


@router.get("/operations")
def operations() -> list[Described]:
    """All operations of all installed packages, by verb and name. The first call imports them."""
    return _all()


@cache
def _all() -> list[Described]:
    found = []
    for verb in (v for v in VERBS if v in EXTRA):
        for name in (n for n in of_verb(verb) if n not in HIDDEN):
            cls = find(f"{verb}.{name}")
            found.append(
                Described(
                    verb=verb,
                    name=name,
                    purpose=cls.purpose(),
                    text=inspect.cleandoc(cls.__doc__ or ""),
                    schema_=cls.model_json_schema(),
                    places=[field for field in cls.model_fields if is_place(cls, field)],
                    extra=EXTRA[verb],
                )
            )
    return found
