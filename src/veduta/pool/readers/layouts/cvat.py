"""CVAT XML 1.1, for images and for videos whose frames lie beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from veduta.errors import SourceError
from veduta.pool import masks
from veduta.pool.readers.layouts import safe_xml, shapes
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather
from veduta.pool.readers.layouts.noted import Noted, whole
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_MOST_BYTES = 1 << 29
_MARK = re.compile(rb"<version>1\.[01]<|<meta>\s*<(?:task|job|project)>|<image [^>]*\bname=[^>]*\bwidth=")
_FLAGS = ("occluded", "group_id", "z_order", "source", "keyframe")


def is_cvat(head: bytes) -> bool:
    """Whether the start of an XML file is that of CVAT's."""
    return b"<annotations>" in head[:4096] and bool(_MARK.search(head))


class Cvat:
    """The layout `cvat`. Tags of an image become its `labels` (and `label`, where there is one), subsets its `split`."""

    name = "cvat"
    title = "CVAT"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(claimed(survey, tree, [".xml"], is_cvat), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else claimed(survey, tree, [".xml"], is_cvat)
        return gather(self.title, tree, files, read, notes, asked=self._files is not None)


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """The images of a file, then the frames that its tracks speak of."""
    try:
        root = safe_xml.parse(data, _MOST_BYTES, notes)
    except ValueError as error:
        raise SourceError(f"{path} cannot be read as XML: {error}") from None
    for image in root.iter("image"):
        name = image.get("name")
        if name:
            yield Entry([name], _record(image, notes))
        else:
            notes.problem(f"{path}: image {image.get('id')}", "no name", hides="all")
    frames: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for track in root.findall("track"):
        for part in track:
            frame = _number(part.get("frame"))
            if part.tag == "track":
                notes.count("points of skeletons in video tracks left out")
            elif frame is not None and part.get("outside") != "1":
                thing = _shape(part, notes)
                if thing:
                    frames[int(frame)].append({**thing, "class": track.get("label"), "track_id": track.get("id")})
    if frames:
        notes.count("frames of videos, found by their numbers", len(frames))
    size = root.find("meta/task/original_size")
    width, height = (whole(safe_xml.text(size, k)) for k in ("width", "height"))
    for frame, things in sorted(frames.items()):
        names = [f"frame_{frame:06d}.{end}" for end in ("png", "jpg", "PNG", "jpeg")]
        yield Entry(names, {"objects": things, "width": width, "height": height}, is_frame=True)


def _record(image: Element, notes: Notes) -> dict[str, Any]:
    tags = [t.get("label") for t in image.findall("tag") if t.get("label")]
    things = [thing for part in image if part.tag != "tag" and (thing := _shape(part, notes))]
    width, height = whole(image.get("width")), whole(image.get("height"))
    record: dict[str, Any] = {"width": width, "height": height, "objects": [_placed(t, width, height) for t in things]}
    if tags:
        record["labels"] = list(dict.fromkeys(tags))
        record["label"] = tags[0] if len(set(tags)) == 1 else None
    for tag in image.findall("tag"):
        for name, value in _attributes(tag).items():
            record[f"{tag.get('label')} {name}"] = value
    if image.get("subset") and image.get("subset") != "default":
        record["split"] = image.get("subset")
    return record


def _shape(part: Element, notes: Notes) -> dict[str, Any] | None:
    """One shape as a COCO-like object; None, counted, where it makes no sense."""
    form = part.tag
    try:
        thing = _geometry(form, part, notes)
    except (ValueError, TypeError):
        thing = None
    if thing is None:
        notes.count(f"malformed or unknown shapes dropped ({form})")
        return None
    flags = {
        k: part.get(k) for k in _FLAGS if part.get(k) not in (None, "", "0", "manual", "1" if k == "keyframe" else "0")
    }
    flags.pop("keyframe", None)
    origin = flags.pop("source", None)
    if origin:
        flags["made_by"] = origin
    return {**flags, **_attributes(part), **thing, "class": part.get("label") or None}


def _geometry(form: str, part: Element, notes: Notes) -> dict[str, Any] | None:
    angle = _number(part.get("rotation")) or 0.0
    if form == "box":
        x0, y0, x1, y1 = _numbers(part, "xtl", "ytl", "xbr", "ybr")
        if angle % 360:
            centre = ((x0 + x1) / 2, (y0 + y1) / 2)
            return shapes.turned(shapes.rotate(shapes.corners(x0, y0, x1 - x0, y1 - y0), centre, angle), notes)
        return {"bbox": [x0, y0, x1 - x0, y1 - y0]}
    if form == "ellipse":
        cx, cy, rx, ry = _numbers(part, "cx", "cy", "rx", "ry")
        return shapes.ellipse(cx, cy, rx, ry, angle)
    if form == "mask":
        left, top, width, height = (int(v) for v in _numbers(part, "left", "top", "width", "height"))
        counts = [int(v) for v in (part.get("rle") or "").split(",")]
        return {"bbox": [left, top, width, height], "runs": counts}
    if form == "cuboid":
        notes.count("cuboids kept as the boxes around them")
        names = [f"{k}{side}{i}" for i in (1, 2) for side in ("tl", "bl", "tr", "br") for k in ("x", "y")]
        flat = _numbers(part, *names)
        return {"bbox": shapes.around(zip(flat[::2], flat[1::2], strict=True)), "cuboid": flat}
    if form == "skeleton":
        points = part.findall("points")
        if not points:  # that of a video track, whose points lie together
            found = _points(part)
            return shapes.keypoints(found) if found else None
        places = [p for point in points if (p := _points(point))]
        if len(places) != len(points):
            return None
        seen = [0 if p.get("outside") == "1" else 1 if p.get("occluded") == "1" else 2 for p in points]
        found = shapes.keypoints([p[0] for p in places], seen)
        return {**found, "keypoint_names": [p.get("label") for p in points]}
    found = _points(part)
    if form == "polygon" and found and len(found) > 2:
        return shapes.polygon(found)
    if form == "polyline" and found and len(found) > 1:
        return {**shapes.line(found), "shape": "polyline"}
    return shapes.keypoints(found) if form == "points" and found else None


def _placed(thing: dict[str, Any], width: int | None, height: int | None) -> dict[str, Any]:
    """An object with run lengths of its own box as one with a mask of the image."""
    runs = thing.pop("runs", None)
    if runs is None or not (width and height):
        return thing
    left, top, w, h = thing["bbox"]
    if sum(runs) != w * h or min(runs) < 0 or w * h > width * height:
        return thing
    cut = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(h, w)
    full = np.zeros((height, width), bool)
    x, y = max(left, 0), max(top, 0)
    cut = cut[y - top :, x - left :][: max(height - y, 0), : max(width - x, 0)]
    full[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    return {**thing, "segmentation": {"size": [height, width], "counts": masks.from_pixels(full)}}


def _attributes(part: Element) -> dict[str, Any]:
    return {a.get("name") or "": (a.text or "").strip() for a in part.findall("attribute") if a.get("name")}


def _points(part: Element) -> list[tuple[float, float]] | None:
    return shapes.points([pair.split(",") for pair in (part.get("points") or "").split(";") if pair])


def _numbers(part: Element, *names: str) -> list[float]:
    return [float(part.get(name) or "") for name in names]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
