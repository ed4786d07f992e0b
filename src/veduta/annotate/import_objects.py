"""COCO results, `[{image_id, category_id, bbox, score}, ...]`, as one list of objects an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from veduta.pool.boxes import clip
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import OBJECT

Size = tuple[int | None, int | None]
SCORED = pa.struct([*OBJECT, pa.field("score", pa.float32())])
"""An object of a pool, and how sure the detector was."""


def are_results(table: pa.Table) -> bool:
    """Whether the columns are those of COCO results."""
    names = set(table.column_names)
    return {"image_id", "category_id"} <= names and bool(names & {"bbox", "segmentation", "keypoints"})


def objects(table: pa.Table, names: dict[str, str], notes: Notes) -> pa.Table:
    """(image_id, predicted_objects: list of SCORED, the surest first), a row an image in order of first mention."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        number = str(row["category_id"])
        if names and number not in names:
            notes.count(f"objects of category {number}, which the categories lack")
        box = row.get("bbox")
        if box is not None and (len(box) != 4 or None in box):
            notes.count("objects left out, as their box does not have four numbers")
            found.setdefault(row["image_id"], [])
            continue
        found.setdefault(row["image_id"], []).append(
            {
                "class": names.get(number, f"category {number}" if names else number),
                "box": box,
                "mask": _mask(row.get("segmentation"), notes),
                "keypoints": row.get("keypoints"),
                "score": row.get("score"),
            }
        )
    if not names:
        notes.guess("classes of the objects", "the numbers of the categories", "--categories ANNOTATIONS.json")
    things = [sorted(each, key=lambda one: -(one["score"] or 0.0)) for each in found.values()]
    ids = pa.array(list(found), table.schema.field("image_id").type)
    return pa.table({"image_id": ids, "predicted_objects": pa.array(things, pa.list_(SCORED))})


def inside(column: pa.Array, sizes: Sequence[Size], notes: Notes) -> pa.Array:
    """(n,) lists of SCORED with their boxes inside the image, told; objects of which nothing is inside are left out.

    sizes: width and height of each image, None where it is not known.
    """
    made: list[list[dict[str, Any]] | None] = []
    for things, (width, height) in zip(column.to_pylist(), sizes, strict=True):
        kept: list[dict[str, Any]] | None = None if things is None else []
        for thing in things or []:
            box, outcome = clip(thing["box"], width, height)
            if outcome:
                notes.count(outcome)
            if kept is not None and (box is not None or not outcome):
                kept.append({**thing, "box": box})
        made.append(kept)
    return pa.array(made, column.type)


def _mask(given: Any, notes: Notes) -> str | None:
    """A compressed run-length mask as its text; other forms are left out, told."""
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if isinstance(given, dict) and isinstance(given.get("counts"), str):
        return str(given["counts"])
    if given:
        notes.count("masks other than compressed run lengths left out")
    return None
