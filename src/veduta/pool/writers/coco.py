"""COCO: images, `annotations/instances.json` and, where there are captions, `annotations/captions.json`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from veduta.errors import MissingPackage
from veduta.pool import masks
from veduta.pool.readers.coco import WRITER
from veduta.pool.readers.infer import plain
from veduta.pool.writers.names import Names, with_suffix
from veduta.pool.writers.rows import Rows

# What stands elsewhere than under its own name in the entry of an image.
_ELSEWHERE = ("objects", "captions", "license")
NO_CLASS = "object"


def write(rows: Rows, target: Path) -> None:
    """Write COCO into the folder `target`: boxes (x, y, w, h) of the displayed image, masks as compressed run lengths.

    Category numbers follow the sorted class names, from 1; an object without a class gets the category "object".
    `key` and the columns that COCO does not know stand in each entry of `images`, an object's own attributes in
    `attributes`. Memory: one batch; entries wait on disk until their file is put together.
    """
    categories, licences = _numbered(rows, "objects"), _numbered(rows, "license")
    head = {
        "info": {"description": "exported by Veduta", "contributor": WRITER},
        "licenses": [{"id": number, "name": name, "url": ""} for name, number in licences.items()],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()],
    }
    names = Names(rows.report)
    number = 0
    with _Entries(target) as images, _Entries(target) as things, _Entries(target) as captions:
        for batch in rows.batches(("width", "height", "format")):
            for row, data in batch:
                number += 1
                name = names.path(with_suffix(row["key"], row["format"]), row["key"])
                place = target / "images" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
                rows.report.bytes += len(data)
                images.add(_image(row, number, name, licences, rows.columns))
                given = row if "objects" in rows.columns else {}
                for thing in given.get("objects") or []:
                    things.add(_annotation(thing, things.count + 1, row, number, categories))
                given = row if "captions" in rows.columns else {}
                for caption in given.get("captions") or []:
                    captions.add({"id": captions.count + 1, "image_id": number, "caption": caption})
        (target / "annotations").mkdir()
        _document(target / "annotations" / "instances.json", head, images, things)
        if captions.count:
            _document(target / "annotations" / "captions.json", {"info": head["info"]}, images, captions)
    rows.report.files = rows.report.rows + 1 + bool(captions.count)
    rows.write_schema(target)


class _Entries:
    """A list of JSON objects that waits on disk."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115 - closed by __exit__

    def add(self, entry: dict[str, Any]) -> None:
        self._file.write(("," if self.count else "") + "\n" + json.dumps(entry, ensure_ascii=False))
        self.count += 1

    def copy_to(self, stream: Any) -> None:
        self._file.seek(0)
        while part := self._file.read(1 << 20):
            stream.write(part)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.close()


def _document(path: Path, head: dict[str, Any], images: _Entries, annotations: _Entries) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(head, ensure_ascii=False)[:-1])
        for name, entries in (("images", images), ("annotations", annotations)):
            stream.write(f',\n"{name}": [')
            entries.copy_to(stream)
            stream.write("]")
        stream.write("}\n")


def _numbered(rows: Rows, column: str) -> dict[str, int]:
    """All classes of the objects, or all licences, with their numbers."""
    if column not in rows.columns:
        return {}
    found: set[str] = set()
    for batch in rows.values([column]):
        for value in batch.column(0).to_pylist():
            if isinstance(value, list):
                found |= {thing["class"] or NO_CLASS for thing in value}
            elif value is not None:
                found.add(value)
    return {name: number for number, name in enumerate(sorted(found), 1)}


def _image(row: dict[str, Any], number: int, name: str, licences: dict[str, int], columns: list[str]) -> dict[str, Any]:
    image = {"id": number, "file_name": name, "width": row["width"], "height": row["height"], "key": row["key"]}
    if row.get("license") in licences:
        image["license"] = licences[row["license"]]
    image |= {c: plain(row[c]) for c in columns if c not in _ELSEWHERE}
    # An empty list says something else than nothing: looked at, and none found.
    return image | {c: [] for c in ("objects", "captions") if c in columns and row[c] == []}


def _annotation(
    thing: dict[str, Any], number: int, row: dict[str, Any], image: int, categories: dict[str, int]
) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": number, "image_id": image, "category_id": categories[thing["class"] or NO_CLASS]}
    if thing["iscrowd"] is not None:
        entry["iscrowd"] = int(thing["iscrowd"])
    if thing["box"] is not None:
        entry["bbox"] = thing["box"]
        entry["area"] = thing["box"][2] * thing["box"][3]
    if thing["mask"]:
        entry["segmentation"] = {"size": [row["height"], row["width"]], "counts": thing["mask"]}
        entry["area"] = _area(thing["mask"], row, entry.get("area", 0))
    if thing["keypoints"]:
        entry["keypoints"] = thing["keypoints"]
        entry["num_keypoints"] = sum(v > 0 for v in thing["keypoints"][2::3])
    if thing["attributes"]:
        entry["attributes"] = _attributes(thing["attributes"])
    if thing["source"]:
        entry["source"] = thing["source"]
    return entry


def _area(mask: str, row: dict[str, Any], otherwise: float) -> float:
    try:
        return masks.area(mask, row["width"], row["height"])
    except MissingPackage:
        return otherwise


def _attributes(text: str) -> Any:
    """The attributes as an object where that gives the same text back, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    same = isinstance(value, dict) and value and json.dumps(value, ensure_ascii=False, sort_keys=True) == text
    return value if same else text
