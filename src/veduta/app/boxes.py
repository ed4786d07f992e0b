"""Boxes that operations wrote beside their flags: of faces, of persons, of whatever else was found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from veduta.pool import View

CORNERS = ("x1", "y1", "x2", "y2")
SUFFIX = "_boxes"


class Box(BaseModel):
    """What was found in a part of an image. box: x, y, width, height in pixels of the upright image. score, detector: null
    where the column does not tell.
    """

    name: str
    box: tuple[float, float, float, float]
    score: float | None = None
    detector: str | None = None


def columns(pool: View, *, beginning: tuple[str, ...] = ("",)) -> list[str]:
    """The pool's columns of boxes: lists of structures with the corners x1, y1, x2, y2, called `<something>_boxes`."""
    return [f.name for f in pool.schema if f.name.endswith(SUFFIX) and f.name.startswith(beginning) and _boxes(f.type)]


def _boxes(kind: pa.DataType) -> bool:
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    names = {kind.value_type.field(i).name for i in range(kind.value_type.num_fields)}
    return names.issuperset(CORNERS)


def read(values: Mapping[str, Any], names: Iterable[str]) -> list[Box]:
    """The boxes of a row, from the values of its columns; those that have no area are left away."""
    found = []
    for column in names:
        for one in values.get(column) or []:
            corners = [one[corner] for corner in CORNERS] if one else [None]
            if any(v is None or not math.isfinite(v) for v in corners):
                continue
            x1, y1, x2, y2 = corners
            if x2 > x1 and y2 > y1:
                score = one.get("score")
                told = None if score is None or not math.isfinite(score) else float(score)
                name = column.removesuffix(SUFFIX)
                found.append(Box(name=name, box=(x1, y1, x2 - x1, y2 - y1), score=told, detector=one.get("detector")))
    return found
