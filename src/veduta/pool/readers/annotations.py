"""Annotated objects as sources give them, made into the pool's `objects`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from veduta.pool import masks
from veduta.pool.boxes import clip, inside
from veduta.pool.readers import json_bounds
from veduta.pool.readers.infer import clean, plain
from veduta.pool.readers.notes import Notes

_CLASS = ("class", "category", "class_name", "category_name", "label", "name")
_BOX = ("box", "bbox")
_KNOWN = {*_CLASS, *_BOX, "mask", "segmentation", "keypoints", "iscrowd", "attributes", "source"}


def to_objects(
    given: Any, width: int | None, height: int | None, notes: Notes, names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """COCO-like annotations as the pool's objects.

    given: a list of mappings (class or category, bbox [x, y, w, h] in pixels, segmentation, keypoints, iscrowd, ...),
    a mapping of lists as Hugging Face data sets have them, or JSON text of either.
    width, height: of the image, where the source states them: boxes are clipped to it, and polygons become masks; else
    they wait in the attributes until the picture is decoded (`veduta.pool.geometry`), as they do where the boxes say
    that the sides are swapped.
    names: class names where classes are given as numbers.
    Boxes without an area are dropped; what was clipped or dropped is counted in `notes`.
    """
    if isinstance(given, str):
        given = _parse(given, notes)
    if given is not None and not isinstance(given, (Mapping, list, tuple)):
        notes.count("objects that are no list of objects dropped")
        given = None
    if isinstance(given, Mapping):
        lists = {k: v for k, v in given.items() if isinstance(v, (list, tuple))}
        longest = max(map(len, lists.values()), default=0)
        given = [{k: v[i] for k, v in lists.items() if i < len(v)} for i in range(longest)]
    if width and height and _of_the_other_side(given, width, height):
        width = height = None
    found = []
    for one in given or []:
        thing = _object(one, width, height, notes, names) if isinstance(one, Mapping) else None
        if thing is not None:
            found.append(thing)
    return found


def add_keypoints(
    objects: list[dict[str, Any]], people: Any, width: int | None, height: int | None, notes: Notes
) -> None:
    """Give persons their keypoints: the person with the same box gets them, others become objects of their own."""
    for person in to_objects(people, width, height, notes):
        if person["class"] is None:
            person["class"] = "person"
        same = (o for o in objects if o["class"] == "person" and o["box"] == person["box"] and not o["keypoints"])
        match = next(same, None)
        if match is None:
            objects.append(person)
        else:
            match["keypoints"] = person["keypoints"]


def _object(
    given: Mapping[str, Any], width: int | None, height: int | None, notes: Notes, names: Sequence[str]
) -> dict[str, Any] | None:
    label = next((given[k] for k in _CLASS if given.get(k) is not None), None)
    if isinstance(label, int) and 0 <= label < len(names):
        label = names[label]
    box, outcome = clip(_box(given), width, height)
    if outcome:
        notes.count(outcome)
        if box is None:
            return None
    extra = {k: v for k, v in given.items() if k not in _KNOWN and v is not None}
    attributes = given.get("attributes")
    if isinstance(attributes, Mapping):
        extra = {**attributes, **extra}
        attributes = None
    segmentation = given.get("segmentation")
    mask = given.get("mask") if isinstance(given.get("mask"), str) else None
    if segmentation and mask is None:
        if width and height:
            try:
                mask = masks.encode(segmentation, width, height)
            except (ValueError, TypeError):
                notes.count("malformed masks dropped")
        else:
            extra["segmentation"] = segmentation
    keypoints = given.get("keypoints")
    return {
        "class": None if label is None else clean(str(label)),
        "box": box,
        "mask": mask,
        "keypoints": [float(v) for v in keypoints] if keypoints else None,
        "attributes": attributes if not extra else json.dumps(plain(extra), ensure_ascii=False, sort_keys=True),
        "iscrowd": None if given.get("iscrowd") is None else bool(given["iscrowd"]),
        "source": given.get("source") if isinstance(given.get("source"), str) else None,
    }


def _of_the_other_side(given: Any, width: int, height: int) -> bool:
    """Whether boxes lie beyond the stated frame and all within it turned by 90 degrees: clipping would destroy them."""
    things = [one for one in given or [] if isinstance(one, Mapping)]
    boxes = [box for box in (clip(_box(one), None, None)[0] for one in things) if box]
    return not inside(boxes, (width, height)) and inside(boxes, (height, width))


def _box(given: Mapping[str, Any]) -> Any:
    return next((given[k] for k in _BOX if given.get(k) is not None), None)


def _parse(text: str, notes: Notes) -> Any:
    try:
        return json_bounds.loads(text)
    except ValueError:
        notes.count("objects that are not JSON dropped")
        return None
