"""VGG Image Annotator (VIA): a project, or its export as JSON or CSV, with regions and attributes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from veduta.errors import SourceError
from veduta.pool.readers import json_bounds
from veduta.pool.readers.layouts import shapes, texts
from veduta.pool.readers.layouts.coco_file import load_json
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather, listed, plain
from veduta.pool.readers.layouts.noted import Noted
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_REGIONS = re.compile(rb'"regions"\s*:\s*[\[{]')
_TABLE = re.compile(rb'(?:\xef\xbb\xbf)?"?#?filename"?,[^\n]*"?region_shape_attributes"?,"?region_attributes"?')
_ENDS = (".json", ".csv")
_CLASS = ("class", "label", "category", "type", "name", "object")


def is_via(head: bytes) -> bool:
    """Whether the start of a JSON or CSV file is that of VIA's."""
    if _TABLE.match(head):
        return True
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    exported = _REGIONS.search(head) and b'"filename"' in head and b'"file_attributes"' in head
    return b'"_via_img_metadata"' in head or b'"_via_settings"' in head or bool(exported)


class Via:
    """The layout `via`. The class of a region is its attribute `class`, `label`, `category`, `type` or `name`, else its only one."""

    name = "via"
    title = "VGG Image Annotator"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(claimed(survey, tree, _ENDS, is_via), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else claimed(survey, tree, _ENDS, is_via)
        return gather(self.title, tree, files, read, notes, asked=self._files is not None)


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """All pictures of a project."""
    content = _table(data, path) if path.lower().endswith(".csv") else load_json(data, path)
    if not isinstance(content, dict):
        raise SourceError(f"{path} is not VIA's: expected an object")
    given = content.get("_via_img_metadata", content)
    for entry in given.values() if isinstance(given, dict) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
            notes.count("entries without a file name left out")
            continue
        regions = entry.get("regions")
        regions = list(regions.values()) if isinstance(regions, dict) else listed(regions)
        things = [t for r in regions if isinstance(r, dict) and (t := _object(r, notes))]
        about = entry.get("file_attributes")
        facts = {k: v for k, v in about.items() if plain(v) and v != ""} if isinstance(about, dict) else {}
        yield Entry([entry["filename"]], {**facts, "objects": things})


def _table(data: bytes, path: str) -> dict[str, Any]:
    """The rows of a CSV export, one a region, as the mapping that the JSON export has."""
    found: dict[str, Any] = {}
    try:
        for row in csv.DictReader(io.StringIO(texts.decode(data), newline=""), skipinitialspace=True):
            values = {str(k).lstrip("#"): v for k, v in row.items()}
            name = values.get("filename")
            new = {
                "filename": name,
                "regions": [],
                "file_attributes": json_bounds.loads(values.get("file_attributes") or "{}"),
            }
            entry = found.setdefault(f"{name}{values.get('file_size')}", new)
            shape = json_bounds.loads(values.get("region_shape_attributes") or "{}")
            if shape:
                about = json_bounds.loads(values.get("region_attributes") or "{}")
                entry["regions"].append({"shape_attributes": shape, "region_attributes": about})
    except (csv.Error, ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read as a table of VIA: {error}; mend the file") from None
    return found


def _object(region: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    shape = region.get("shape_attributes")
    form = shape.get("name") if isinstance(shape, dict) else None
    try:
        thing = _geometry(str(form), shape or {})
    except (KeyError, TypeError, ValueError):
        thing = None
    if thing is None:
        notes.count(f"malformed or unknown regions dropped ({form})")
        return None
    given = region.get("region_attributes")
    about = {k: v for k, v in given.items() if v not in ("", {}, None)} if isinstance(given, dict) else {}
    key = next((k for k in _CLASS if k in about), None) or (next(iter(about)) if len(about) == 1 else None)
    name = about.pop(key) if key else None
    if isinstance(name, dict):  # check boxes: those that are set
        name = ", ".join(k for k, v in name.items() if v)
    return {**about, **thing, "class": name}


def _geometry(form: str, shape: dict[str, Any]) -> dict[str, Any] | None:
    def number(key: str) -> float:
        return float(shape[key])

    if form == "rect":
        return {"bbox": [number("x"), number("y"), number("width"), number("height")]}
    if form in ("circle", "ellipse"):
        rx, ry = (number("r"), number("r")) if form == "circle" else (number("rx"), number("ry"))
        angle = float(shape.get("theta") or 0) * 180 / 3.141592653589793
        return shapes.ellipse(number("cx"), number("cy"), rx, ry, angle)
    if form == "point":
        return shapes.keypoints([(number("cx"), number("cy"))])
    pairs = shapes.points(list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)))
    if pairs and form == "polygon" and len(pairs) > 2:
        return shapes.polygon(pairs)
    return {**shapes.line(pairs), "shape": form} if pairs and form == "polyline" else None
