"""LabelMe: a JSON file for each image, with polygons, boxes, circles, lines, points and masks."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from veduta.errors import SourceError
from veduta.pool import masks
from veduta.pool.readers import images
from veduta.pool.readers.layouts import shapes
from veduta.pool.readers.layouts.coco_file import load_json
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather
from veduta.pool.readers.layouts.noted import Noted, whole
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_MARK = re.compile(rb'"(?:shape_type|imagePath|imageData)"\s*:')


def is_labelme(head: bytes) -> bool:
    """Whether the start of a JSON file is that of LabelMe's."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and bool(_SHAPES.search(head) and _MARK.search(head))


class LabelMe:
    """The layout `labelme`. The picture that a file holds as base64 is read where there is none beside it; its flags become `labels`."""

    name = "labelme"
    title = "LabelMe"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        found = claimed(survey, tree, [".json"], is_labelme)
        number = survey.count(".json")
        return (
            f"{found[0]} is a LabelMe file, one of {number} JSON files"
            if number > 1 and found
            else because(found, self.title)
        )

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files
        if files is None:
            jsons = sorted(f.path for f in tree.files(Notes()) if images.suffix(f.name) == ".json")
            files = [p for p in jsons if is_labelme(survey.head(tree, p))]
        return gather(self.title, tree, files, read, notes, only_named=False, asked=self._files is not None)


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """The one image of a file."""
    content = load_json(data, path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise SourceError(f"{path} is not LabelMe: expected an object with a list `shapes`")
    stem = posixpath.splitext(posixpath.basename(path))[0]
    given = content.get("imagePath")
    end = posixpath.splitext(given)[1] if isinstance(given, str) else ""
    # The picture beside the file is surer than the path of the machine on which it was labelled.
    names = [n for n in (given, f"{stem}{end}" if end else None) if isinstance(n, str) and n] or [f"{stem}.jpg"]
    width, height = whole(content.get("imageWidth")), whole(content.get("imageHeight"))
    found = (shape(s, notes) for s in content["shapes"] if isinstance(s, dict))
    flags = content.get("flags")
    labels = [str(k) for k, v in flags.items() if v is True] if isinstance(flags, dict) else []
    record: dict[str, Any] = {
        "width": width,
        "height": height,
        "objects": [placed(s, width, height, notes) for s in found if s],
    }
    if labels:
        record["labels"] = labels
    folder = posixpath.dirname(path)
    names = [n if _foreign(n) else posixpath.normpath(posixpath.join(folder, n)) for n in names]
    yield Entry(names, record, inside=_picture if _holds(content.get("imageData")) else None)


def _holds(given: Any) -> bool:
    """Whether this is the base64 of a picture, by its start."""
    try:
        return images.has_image_magic(base64.b64decode(given[:1024])) if isinstance(given, str) else False
    except ValueError:
        return False


def _picture(data: bytes) -> bytes:
    return base64.b64decode(json.loads(data.decode("utf-8-sig"))["imageData"])


def shape(given: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    """One shape as a COCO-like object; None, counted, where it has no sound points."""
    form = given.get("shape_type") or "polygon"
    found = shapes.points(given.get("points"))
    if found is None:
        notes.count(f"malformed shapes dropped ({form})")
        return None
    thing: dict[str, Any] | None = None
    if form == "polygon" and len(found) >= 3:
        thing = shapes.polygon(found)
    elif form == "rectangle" and len(found) in (2, 4):
        thing = {"bbox": shapes.around(found)}
    elif form == "rotation" and len(found) == 4:
        thing = shapes.turned(found, notes)
    elif form == "circle" and len(found) == 2:
        (cx, cy), (x, y) = found
        radius = math.hypot(x - cx, y - cy)
        thing = {**shapes.ellipse(cx, cy, radius, radius), "circle": [cx, cy, radius]}
        notes.count("circles kept as polygons (centre and radius in the attributes)")
    elif form in ("line", "linestrip") and len(found) >= 2:
        thing = shapes.line(found)
    elif form in ("point", "points"):
        thing = shapes.keypoints(found)
    elif form == "mask":
        thing = {"bbox": _inclusive(found), **_mask(given.get("mask"), found, notes)}
    if thing is None:
        notes.count(f"malformed shapes dropped ({form})")
        return None
    flags, more = given.get("flags"), given.get("attributes")
    extra = {k: given[k] for k in ("group_id", "description", "difficult", "score") if given.get(k) not in (None, "")}
    extra |= {k: v for k, v in flags.items() if v} if isinstance(flags, dict) else {}
    extra |= more if isinstance(more, dict) else {}
    if form in ("line", "linestrip"):
        extra["shape"] = form
    return {**extra, **thing, "class": given.get("label")}


def _inclusive(found: shapes.Points) -> list[float]:
    x, y, w, h = shapes.around(found)
    return [x, y, w + 1, h + 1]  # the corners of a mask are pixels, both inside


def _mask(given: Any, corners: shapes.Points, notes: Notes) -> dict[str, Any]:
    """A mask PNG of the box's size as an uncompressed run-length entry that waits for the image's size."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(given, validate=True))) as image:
            pixels = np.asarray(image.convert("L")) > 0
    except (TypeError, ValueError, OSError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        notes.count("masks that cannot be read (boxes kept)")
        return {}
    return {"pixels": pixels, "at": (round(corners[0][0]), round(corners[0][1]))}


def placed(thing: dict[str, Any], width: int | None, height: int | None, notes: Notes) -> dict[str, Any]:
    """An object with a cut-out mask as one with a mask of the whole image."""
    pixels, at = thing.pop("pixels", None), thing.pop("at", (0, 0))
    if pixels is None:
        return thing
    if not (width and height):
        notes.count("masks dropped (the image's size is not given)")
        return thing
    full = np.zeros((height, width), bool)
    x, y = max(at[0], 0), max(at[1], 0)
    part = pixels[: max(height - y, 0), : max(width - x, 0)]
    full[y : y + part.shape[0], x : x + part.shape[1]] = part
    return {**thing, "segmentation": {"size": [height, width], "counts": masks.from_pixels(full)}}


def _foreign(name: str) -> bool:
    return "\\" in name or name.startswith("/") or ":" in name[:3]
