"""The results of one Label Studio annotation (regions, choices, texts) as a record."""

from __future__ import annotations

from typing import Any

import numpy as np

from veduta.pool import masks
from veduta.pool.readers.layouts import shapes
from veduta.pool.readers.layouts.gather import plain
from veduta.pool.readers.layouts.label_studio_rle import decode
from veduta.pool.readers.layouts.noted import whole
from veduta.pool.readers.notes import Notes

_REGIONS = ("rectangle", "polygon", "ellipse", "keypoint", "brush", "bitmask")
_PLACE = ("x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points", "rle")
_OF_REGION = ("choices", "text", "number", "rating", "taxonomy")
_FLAT = ("choices", "taxonomy", "text")
_OWN = ("class", "bbox", "segmentation", "keypoints", "labels", "score")  # names that a region's record has of its own
_NO_SIZE = "regions dropped (the picture's size is not given)"


class Results:
    """Collects the results of one task. Regions come in percent of the picture; the record has them in pixels."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._objects: dict[str, dict[str, Any]] = {}
        self._labels: list[str] = []
        self._captions: list[str] = []
        self._columns: dict[str, Any] = {}
        self._size: tuple[int | None, int | None] = (None, None)
        self._regions = False

    def take(self, results: list[dict[str, Any]]) -> None:
        """The `result` list of an annotation."""
        ids = {str(r["id"]) for r in results if _form(r.get("value")) and r.get("id") is not None}
        later = []
        for number, result in enumerate(results):
            value = result.get("value")
            if not isinstance(value, dict):
                self._notes.count(f"results of the kind '{result.get('type')}' left out")
            elif _form(value):
                key = self._key(result, value, number)
                self._region(key, result, value)
                later.append((key, result, value))
            elif result.get("id") is not None and str(result["id"]) in ids:
                later.append((str(result["id"]), result, value))
            else:
                self._of_image(str(result.get("from_name")), value)
        for key, result, value in later:  # a text can come before the box that it belongs to
            self._of_region(key, result, value)

    def take_flat(self, name: str, given: Any, kind: str = "") -> bool:
        """One field of a JSON-MIN record; False if it is none of the annotation's.

        kind: "choices" or "taxonomy" where the field is that in other records, so that a text is a single choice.
        """
        if isinstance(given, list) and given and all(isinstance(v, dict) for v in given):
            regions = [v for v in given if _form(v)]
            for number, value in enumerate(regions):
                key = self._key(value, value, number)
                self._region(key, value, value)
                self._of_region(key, {"from_name": name, "type": value.get("type")}, value)
            return bool(regions)
        if isinstance(given, dict) and ("choices" in given or "text" in given or "taxonomy" in given):
            self._of_image(name, given)
            return True
        if isinstance(given, list) and given and all(isinstance(v, str) for v in given):
            self._of_image(name, {kind or "text": given})
            return True
        if isinstance(given, str) and kind:
            self._of_image(name, {kind: [given] if given else []})
            return True
        return False

    def record(self) -> dict[str, Any]:
        """What the results say of the picture."""
        found: dict[str, Any] = {**self._columns}
        if self._regions:
            found["objects"] = list(self._objects.values())
        if self._labels:
            found["labels"] = self._labels
            if len(self._labels) == 1:
                found["label"] = self._labels[0]
        if self._captions:
            found["captions"] = self._captions
        width, height = self._size
        return {**found, "width": width, "height": height}

    def _key(self, result: dict[str, Any], value: dict[str, Any], number: int) -> str:
        """What the results of one region have in common: its id, else its place, unless that has a class by then."""
        if result.get("id") is not None:
            return str(result["id"])
        place = str([value.get(k) for k in _PLACE])
        known = self._objects.get(place)
        return f"{number} {place}" if known and known.get("class") is not None and _labels(value) else place

    def _region(self, key: str, result: dict[str, Any], value: dict[str, Any]) -> None:
        self._regions = True
        form = _form(value)
        width, height = whole(result.get("original_width")), whole(result.get("original_height"))
        if width is None or height is None:
            self._notes.count(_NO_SIZE)
            return
        self._size = (width, height)
        if result.get("image_rotation"):
            self._notes.count("regions drawn on a picture that was turned in Label Studio (read as they stand)")
        thing = self._shape(form, value, width, height)
        if thing is None:
            self._notes.count(f"malformed regions dropped ({form})")
            return
        labels = _labels(value)
        extra = {"labels": labels} if len(labels) > 1 else {}
        if isinstance(result.get("score"), (int, float)):
            extra["score"] = result["score"]
        merged = {**extra, **thing, "class": labels[0] if labels else None}
        if key in self._objects:  # a box and its class can come as two results of one id
            merged = {**self._objects[key], **{k: v for k, v in merged.items() if v is not None}}
        self._objects[key] = merged

    def _shape(self, form: str, value: dict[str, Any], width: int, height: int) -> dict[str, Any] | None:
        across, down = width / 100, height / 100
        try:
            if form == "polygon":
                found = shapes.points(value.get("points"))
                return shapes.polygon([(x * across, y * down) for x, y in found]) if found and len(found) > 2 else None
            if form in ("brush", "bitmask"):
                return self._brush(value, width, height)
            x, y = float(value["x"]) * across, float(value["y"]) * down
            angle = float(value.get("rotation") or 0)
            if form == "ellipse":
                return shapes.ellipse(x, y, float(value["radiusX"]) * across, float(value["radiusY"]) * down, angle)
            if form == "keypoint":
                return shapes.keypoints([(x, y)])
            w, h = float(value["width"]) * across, float(value["height"]) * down
        except (KeyError, TypeError, ValueError):
            return None
        if angle % 360:
            return shapes.turned(shapes.rotate(shapes.corners(x, y, w, h), (x, y), angle), self._notes)
        return {"bbox": [x, y, w, h]}

    def _brush(self, value: dict[str, Any], width: int, height: int) -> dict[str, Any] | None:
        pixels = decode(value.get("rle"), width, height) if value.get("format") == "rle" else None
        if pixels is None or not pixels.any():
            return None
        ys, xs = np.nonzero(pixels)
        box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        return {
            "bbox": [float(v) for v in box],
            "segmentation": {"size": [height, width], "counts": masks.from_pixels(pixels)},
        }

    def _of_region(self, key: str, result: dict[str, Any], value: dict[str, Any]) -> None:
        """A choice or text that belongs to one region: its attribute."""
        thing = self._objects.get(key)
        given = next((v for k, v in value.items() if k in _OF_REGION), None)
        if given is None:
            return
        if thing is None:
            self._notes.count("texts and choices of regions that were dropped left out")
            return
        name = str(result.get("from_name") or "text")
        single = given[0] if isinstance(given, list) and len(given) == 1 else given
        have = thing.get(name)
        if name in _OWN or (have is not None and have != single):
            name = f"{name}_{result.get('type') or 'value'}"
        thing[name] = single

    def _of_image(self, name: str, value: dict[str, Any]) -> None:
        if isinstance(value.get("choices"), list):
            self._labels += [str(v) for v in value["choices"] if str(v) not in self._labels]
        elif isinstance(value.get("taxonomy"), list):
            self._labels += [" / ".join(map(str, v)) if isinstance(v, list) else str(v) for v in value["taxonomy"]]
        elif "text" in value:
            texts = value["text"] if isinstance(value["text"], list) else [value["text"]]
            self._captions += [str(t) for t in texts if t]
        else:
            kept = {k: v for k, v in value.items() if plain(v)}
            if len(kept) == 1:
                self._columns[name] = next(iter(kept.values()))
            else:
                self._notes.count(f"results of '{name}' left out")


def _labels(value: dict[str, Any]) -> list[str]:
    named = value.get(f"{_form(value)}labels") or value.get("labels")
    return [str(v) for v in named] if isinstance(named, list) else []


def _form(value: Any) -> str:
    """What kind of region a value is; "" for none."""
    if not isinstance(value, dict):
        return ""
    for form in _REGIONS:
        if f"{form}labels" in value:
            return form
    if "rle" in value:
        return "brush"
    if "points" in value:
        return "polygon"
    if "radiusX" in value:
        return "ellipse"
    if "x" in value and "y" in value:
        return "keypoint" if "height" not in value else "rectangle"
    return ""


def flat_kinds(records: list[Any]) -> dict[str, str]:
    """Which fields of JSON-MIN records are choices or texts: a single one is written as a text, several as a mapping."""
    found: dict[str, str] = {}
    for record in records:
        for name, given in record.items() if isinstance(record, dict) else ():
            kind = next((k for k in _FLAT if isinstance(given, dict) and isinstance(given.get(k), list)), "")
            if kind:
                found[name] = kind
    return found
