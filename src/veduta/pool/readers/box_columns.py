"""Boxes that a table holds in columns of their own (xmin, ymin, xmax, ymax, class), one box a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from veduta.pool.readers import json_bounds

Record = Mapping[str, Any]
Size = Callable[[], "tuple[int, int] | None"]

_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("minx", "miny", "maxx", "maxy"),
)
_SIZED = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
)
_CENTRED = (
    ("cx", "cy", "w", "h"),
    ("xc", "yc", "w", "h"),
    ("xcenter", "ycenter", "width", "height"),
    ("xcenter", "ycenter", "w", "h"),
    ("centerx", "centery", "width", "height"),
)
_FORMS = (
    [(names, "corners") for names in _CORNERS]
    + [(names, "centre and size") for names in _CENTRED]
    + [(names, "corner and size") for names in _SIZED]
)
_CLASS = (
    "class",
    "classname",
    "label",
    "labelname",
    "category",
    "categoryname",
    "name",
    "objectclass",
    "object",
    "tag",
    "species",
)
_NAMES = ("class", "classname", "label", "labelname", "category", "categoryname", "words")
_PREFIX = re.compile(r"^(bbox|box|bndbox|boundingbox)")
RELATIVE = "bbox_as_fractions"


class BoxColumns:
    """Which columns hold the box and which the class. columns: those that become part of an object.

    form: "corners", "corner and size", "centre and size", or "list" for one column of four numbers.
    """

    def __init__(self, form: str, box: list[str], class_: str | None) -> None:
        self.form, self.box, self.class_ = form, box, class_
        self.largest, self.found, self.misfits = 0.0, 0, 0

    @classmethod
    def of(cls, types: Mapping[str, pa.DataType]) -> BoxColumns | None:
        """The columns of the usual spellings, with or without `bbox_` before them; None if there are none."""
        plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(list(types))}
        bare = {_PREFIX.sub("", key): name for key, name in plain.items() if _PREFIX.match(key)}
        classes = [plain[n] for n in _CLASS if n in plain and not pa.types.is_nested(types[plain[n]])]
        texts = [plain[n] for n in _NAMES if n in plain and _is_text(types[plain[n]])]  # before numbers of classes
        class_ = next(iter([*texts, *classes]), None)
        if "objects" in plain:
            return None
        for names, form in _FORMS:
            for have in (bare, plain):
                if have is plain and class_ is None and names in _SIZED:
                    continue  # x and y beside the image's width and height
                if all(n in have and _is_number(types[have[n]]) for n in names):
                    return cls(form, [have[n] for n in names], class_)
        one = next((plain[n] for n in ("bbox", "box", "boundingbox") if n in plain), None)
        if one is not None and (_is_text(types[one]) or _is_numbers(types[one])):
            return cls("list", [one], class_)
        return None

    def see(self, record: Record) -> None:
        """Learn from a record whether coordinates are pixels or fractions."""
        numbers = self._numbers(record)
        self.found += numbers is not None
        self.misfits += numbers is None and self.is_partial(record)
        self.largest = max([self.largest, *(numbers or ())])

    def is_partial(self, record: Record) -> bool:
        """Whether some of the box is there, and no four numbers."""
        return self._numbers(record) is None and any(record.get(name) not in (None, "") for name in self.box)

    @property
    def are_boxes(self) -> bool:
        """Whether what was seen is a table of boxes."""
        return self.found > 0 and not (self.form == "list" and self.misfits)

    def object(self, record: Record, size: Size) -> dict[str, Any] | None:
        """The record's object as COCO has it, box (x, y, w, h) in pixels; None for a record without a box."""
        numbers = self._numbers(record)
        if numbers is None:
            return None
        a, b, c, d = numbers
        if self.form == "corners":
            box = [a, b, c - a, d - b]
        else:
            box = [a - c / 2, b - d / 2, c, d] if self.form == "centre and size" else [a, b, c, d]
        thing: dict[str, Any] = {"class": record.get(self.class_) if self.class_ else None}
        if not self.are_fractions:
            return {**thing, "bbox": box}
        known = size()
        if known is None:
            return {**thing, RELATIVE: box}
        width, height = known
        return {**thing, "bbox": [box[0] * width, box[1] * height, box[2] * width, box[3] * height]}

    @property
    def are_fractions(self) -> bool:
        """Whether all coordinates seen are fractions of the image's size."""
        return 0 < self.largest <= 1.0001

    def _numbers(self, record: Record) -> list[float] | None:
        if self.form == "list":
            value = record.get(self.box[0])
            if isinstance(value, str):
                try:
                    value = json_bounds.loads(value.replace("(", "[").replace(")", "]"))
                except ValueError:
                    return None
            values = list(value) if isinstance(value, (list, tuple)) else []
        else:
            values = [record.get(name) for name in self.box]
        if len(values) != 4 or any(not isinstance(v, (int, float)) or v != v for v in values):
            return None
        return [float(v) for v in values]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_numbers(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) and _is_number(kind.value_type)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
