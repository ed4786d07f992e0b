"""What the text of `relations` says about the objects of an image.

The column holds JSON as the source gave it: a list of mappings with a subject, a predicate and an object, or of triples.

| part | names that are read |
|---|---|
| subject, object | `subject`, `subject_id`, `object`, `object_id` |
| predicate | `predicate`, `relation`, `relationship`, `name`, `label` |

An end is an id (the `id` or `object_id` that the source gave its objects), a place in the list of objects from 0 on, the
name of a class, or a mapping with `object_id`, a name and a box of its own, as Visual Genome has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_PREDICATE = ("predicate", "relation", "relationship", "name", "label")
_ID = ("object_id", "id")
_NAME = ("name", "class", "label", "category")
MOST = 1000
"""Relations of one image that are read."""


class End(BaseModel):
    """A subject or an object. thing: its place among the image's objects; box: x, y, width, height; null where unknown."""

    name: str
    thing: int | None = None
    box: list[float] | None = None


class Relation(BaseModel):
    """subject, predicate, object: a person, rides, a horse."""

    subject: End
    predicate: str
    object: End


def read(text: str | None, objects: Sequence[Mapping[str, Any]]) -> list[Relation]:
    """The relations of an image; what cannot be understood is left away, since the text itself is shown as well."""
    try:
        given = json.loads(text or "[]")
    except ValueError:
        return []
    if isinstance(given, Mapping):
        given = given.get("relations", given.get("relationships", [given]))
    ids = _ids(objects)
    found = (_relation(one, objects, ids) for one in (given if isinstance(given, list) else [])[:MOST])
    return [relation for relation in found if relation is not None]


def _relation(given: Any, objects: Sequence[Mapping[str, Any]], ids: dict[str, int]) -> Relation | None:
    if isinstance(given, list) and len(given) == 3:
        subject, predicate, thing = given
    elif isinstance(given, Mapping):
        subject, thing = _first(given, ("subject", "subject_id")), _first(given, ("object", "object_id"))
        predicate = _first(given, _PREDICATE)
    else:
        return None
    ends = [_end(subject, objects, ids), _end(thing, objects, ids)]
    if ends[0] is None or ends[1] is None or not isinstance(predicate, str):
        return None
    return Relation(subject=ends[0], predicate=predicate, object=ends[1])


def _end(given: Any, objects: Sequence[Mapping[str, Any]], ids: dict[str, int]) -> End | None:
    own = given if isinstance(given, Mapping) else {}
    named = _first(own, _ID) if own else given
    place = _place(named, objects, ids)
    if place is not None:
        thing = objects[place]
        return End(name=str(thing.get("class") or f"object {place}"), thing=place, box=_box(thing.get("box")))
    name = _name(own) if own else given
    if isinstance(name, str) and name:
        same = [at for at, thing in enumerate(objects) if thing.get("class") == name]
        box = _box(own.get("box", own.get("bbox"))) or _corner(own)
        if box is None and len(same) == 1:
            return End(name=name, thing=same[0], box=_box(objects[same[0]].get("box")))
        return End(name=name, box=box)
    return End(name=f"object {named}") if isinstance(named, (int, str)) and not isinstance(named, bool) else None


def _place(named: Any, objects: Sequence[Mapping[str, Any]], ids: dict[str, int]) -> int | None:
    """Where an end is among the objects: by the source's ids where it has some, else by number."""
    if isinstance(named, bool) or not isinstance(named, (int, str)):
        return None
    if ids:
        return ids.get(str(named))
    return named if isinstance(named, int) and 0 <= named < len(objects) else None


def _ids(objects: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Place of each object by the id that its source gave it, which is among its attributes."""
    found: dict[str, int] = {}
    for place, thing in enumerate(objects):
        try:
            attributes = json.loads(thing.get("attributes") or "{}")
        except ValueError:
            continue
        own = _first(attributes, _ID) if isinstance(attributes, Mapping) else None
        if own is not None:
            found.setdefault(str(own), place)
    return found


def _first(given: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _name(given: Mapping[str, Any]) -> Any:
    names = given.get("names")
    return names[0] if isinstance(names, list) and names else _first(given, _NAME)


def _box(given: Any) -> list[float] | None:
    whole = isinstance(given, (list, tuple)) and len(given) == 4
    return [float(v) for v in given] if whole and all(_is_number(v) for v in given) else None


def _corner(given: Mapping[str, Any]) -> list[float] | None:
    return _box([given.get(name) for name in ("x", "y", "w", "h")])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
