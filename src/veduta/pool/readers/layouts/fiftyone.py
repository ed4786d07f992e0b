"""FiftyOne's own JSON: `samples.json` and `metadata.json` with the pictures in `data/` (a FiftyOneDataset export)."""

from __future__ import annotations

import io
import math
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from veduta.errors import SourceError
from veduta.pool import masks
from veduta.pool.readers.layouts import shapes
from veduta.pool.readers.layouts.coco_file import load_json
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather, listed, plain
from veduta.pool.readers.layouts.noted import Noted, whole
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_SAMPLES = re.compile(rb'^\s*\{\s*"samples"\s*:\s*\[')
_TRUTH = ("ground_truth", "label", "labels", "classification", "detections", "segmentations", "keypoints")
_SPLITS = ("train", "validation", "val", "test")
_SHAPES = ("Detections", "Polylines", "Keypoints", "Detection", "Polyline", "Keypoint")
_OWN = frozenset({"id", "_id", "filepath", "tags", "metadata", "_cls", "_media_type", "_rand", "_dataset_id"})
_DATES = frozenset({"created_at", "last_modified_at"})
_SIZELESS = "masks dropped (the sample's metadata has no width and height)"
_MOST_MASK = 1 << 30


def is_fiftyone(head: bytes) -> bool:
    """Whether the start of a JSON file is that of FiftyOne's samples."""
    return bool(_SAMPLES.match(head)) and (b'"filepath"' in head or b'"_cls"' in head)


class FiftyOne:
    """The layout `fiftyone`.

    A classification becomes `label`, several `labels`; detections, polylines and keypoints become `objects`. Of several
    fields of one kind that called `ground_truth` is taken, else the first; the others are told and left aside, as are
    labels with a confidence (predictions) where there are others.
    """

    name = "fiftyone"
    title = "FiftyOne"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(claimed(survey, tree, [".json"], is_fiftyone), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else claimed(survey, tree, [".json"], is_fiftyone)
        noted = gather(self.title, tree, files, read, notes, asked=self._files is not None)
        noted.used.update(f"{p.rpartition('/')[0]}/metadata.json".lstrip("/") for p in files)
        return noted


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """All samples."""
    content = load_json(data, path)
    samples = content.get("samples") if isinstance(content, dict) else None
    if not isinstance(samples, list):
        raise SourceError(f"{path} is not FiftyOne's: expected an object with a list `samples`")
    samples = [s for s in samples if isinstance(s, dict)]
    used = _fields(samples, notes)
    for sample in samples:
        place = sample.get("filepath")
        if isinstance(place, str) and place:
            yield Entry([place], _record(sample, used, notes))
        else:
            notes.problem(path, f"a sample has no filepath ({sample.get('_id') or sample.get('id')})", hides="all")


def _fields(samples: list[dict[str, Any]], notes: Notes) -> dict[str, str]:
    """The field that is used for each kind of label: "label", "labels", "objects", "mask"."""
    found: dict[str, dict[str, bool]] = {}
    for sample in samples:
        for name, value in sample.items():
            kind = _kind(value)
            if kind:
                fields = found.setdefault(kind, {})
                fields[name] = fields.get(name, False) or _guessed(value)
    used = {}
    for kind, fields in found.items():
        ranked = sorted(fields, key=lambda n: (fields[n], _TRUTH.index(n) if n in _TRUTH else len(_TRUTH)))
        used[kind] = ranked[0]
        for name in ranked[1:]:
            notes.skip(name, f"{ranked[0]} is used for the {kind}", f"further fields of FiftyOne's {kind}")
    return used


def _kind(value: Any) -> str:
    form = value.get("_cls") if isinstance(value, dict) else None
    if form in _SHAPES:
        return "objects"
    return {"Classification": "label", "Classifications": "labels", "Segmentation": "mask"}.get(str(form), "")


def _guessed(value: dict[str, Any]) -> bool:
    inside = [v for k in ("detections", "polylines", "keypoints", "classifications") for v in listed(value.get(k))]
    return any(isinstance(v, dict) and isinstance(v.get("confidence"), float) for v in (value, *inside))


def _record(sample: dict[str, Any], used: dict[str, str], notes: Notes) -> dict[str, Any]:
    about = sample.get("metadata") if isinstance(sample.get("metadata"), dict) else {}
    width, height = whole(about.get("width")), whole(about.get("height"))
    record: dict[str, Any] = {k: v for k, v in sample.items() if k not in _OWN and plain(v)}
    for name, value in sample.items():
        if not (value is None or plain(value) or _kind(value) or name in _OWN | _DATES):
            notes.count(f"values of FiftyOne's field '{name}' left out")
    tags = [str(t) for t in listed(sample.get("tags"))]
    if tags:
        record["tags"] = tags
        record["split"] = next((t for t in tags if t in _SPLITS), None)
    label = sample.get(used.get("label", ""))
    if isinstance(label, dict) and label.get("label") is not None:
        record["label"] = str(label["label"])
    several = sample.get(used.get("labels", ""))
    if isinstance(several, dict):
        inside = listed(several.get("classifications"))
        record["labels"] = [str(c["label"]) for c in inside if isinstance(c, dict) and c.get("label") is not None]
    given = sample.get(used.get("objects", ""))
    if isinstance(given, dict):
        record["objects"] = _objects(given, width, height, notes)
        if not (width and height):
            record["relative"] = True
    if isinstance(sample.get(used.get("mask", "")), dict):
        notes.count("segmentation masks of whole pictures left out")
    return {**record, "width": width, "height": height}


def _objects(field: dict[str, Any], width: int | None, height: int | None, notes: Notes) -> list[dict[str, Any]]:
    inside = next(
        (field[k] for k in ("detections", "polylines", "keypoints") if isinstance(field.get(k), list)), [field]
    )
    across, down = width or 1, height or 1
    found = []
    for one in inside:
        thing = _object(one, across, down, bool(width and height), notes) if isinstance(one, dict) else None
        if thing is None:
            notes.count("malformed labels of FiftyOne dropped")
            continue
        attributes = one.get("attributes")
        extra = {k: v for k, v in one.items() if k in ("confidence", "index", "iscrowd", "occluded") and v is not None}
        if isinstance(attributes, dict):
            extra |= {k: v.get("value") if isinstance(v, dict) else v for k, v in attributes.items()}
        known = {*thing, "label", "bounding_box", "mask", "points", "tags", "attributes", "filled", "closed"}
        extra |= {k: v for k, v in one.items() if plain(v) and not k.startswith("_") and k not in known and k != "id"}
        if one.get("tags"):
            extra["tags"] = one["tags"]
        found.append({**extra, **thing, "class": one.get("label")})
    return found


def _object(one: dict[str, Any], across: int, down: int, sized: bool, notes: Notes) -> dict[str, Any] | None:
    if "bounding_box" in one:
        try:
            x, y, w, h = (float(v) for v in one["bounding_box"])
        except (TypeError, ValueError):
            return None
        box = [x * across, y * down, w * across, h * down]
        if not all(map(math.isfinite, box)):
            return None
        mask = _mask(one.get("mask"), box, across, down, sized, notes) if one.get("mask") is not None else {}
        return {"bbox": box, **mask}
    points = one.get("points")
    if one.get("_cls") == "Keypoint" or not (isinstance(points, list) and points and isinstance(points[0], list)):
        pairs = points if isinstance(points, list) else []
        there = [
            isinstance(p, list) and all(isinstance(v, (int, float)) and math.isfinite(v) for v in p) for p in pairs
        ]
        places = [(p[0] * across, p[1] * down) if t else (0.0, 0.0) for p, t in zip(pairs, there, strict=True)]
        return shapes.keypoints(places, [2 if t else 0 for t in there]) if places else None
    if not isinstance(points[0][0], list):
        places = shapes.points(points)
        return shapes.keypoints([(x * across, y * down) for x, y in places]) if places else None
    rings = [shapes.points(ring) for ring in points]
    scaled = [[(x * across, y * down) for x, y in ring] for ring in rings if ring]
    if not scaled:
        return None
    if one.get("filled") or one.get("closed"):
        return shapes.polygon(*scaled)
    return {**shapes.line([p for ring in scaled for p in ring]), "shape": "polyline"}


def _mask(given: Any, box: list[float], width: int, height: int, sized: bool, notes: Notes) -> dict[str, Any]:
    """A cut-out mask, laid over its box (by the nearest pixel where it has another size)."""
    if not sized:
        notes.count(_SIZELESS)
        return {}
    pixels = array(given)
    if pixels is None or pixels.ndim != 2 or not pixels.size:
        notes.count("masks that cannot be read (boxes kept)")
        return {}
    x0, y0, w, h = (round(v) for v in box)
    w, h = min(max(w, 1), 2 * width), min(max(h, 1), 2 * height)
    ys, xs = (np.arange(n) * have // n for n, have in zip((h, w), pixels.shape, strict=True))
    cut = pixels[ys][:, xs] != 0
    full = np.zeros((height, width), bool)
    left, top = max(x0, 0), max(y0, 0)
    cut = cut[top - y0 :, left - x0 :][: max(height - top, 0), : max(width - left, 0)]
    full[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return {"segmentation": {"size": [height, width], "counts": masks.from_pixels(full)}}


def array(given: Any) -> np.ndarray | None:
    """A NumPy array as FiftyOne stores it (zlib around .npy, base64), read without pickle; None if it is not one."""
    if isinstance(given, dict):
        given = given.get("$binary", given)
        given = given.get("base64") if isinstance(given, dict) else given
    try:
        unpack = zlib.decompressobj()
        return np.load(io.BytesIO(unpack.decompress(b64decode(given), _MOST_MASK)), allow_pickle=False)
    except (TypeError, ValueError, zlib.error, EOFError, OSError):
        return None
