"""COCO JSON: instances, keypoints and captions, in one file or several, with the images beside it."""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.item import Item
from veduta.pool.readers import places, sidecar
from veduta.pool.readers.annotations import to_objects
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.infer import clean, join, kind
from veduta.pool.readers.layout import SPLITS
from veduta.pool.readers.notes import Notes

_IMAGE_KEYS = {"file_name", "license", "coco_url", "flickr_url", "captions", "objects", "split", "source_url"}
_SPLIT = re.compile(r"(?:^|[_-])(train|val|test)(?:\d{4})?(?:[_-]|$)")
_LIST = re.compile(rb'"(images|annotations)"\s*:\s*\[')

# `info.contributor` of files that Veduta wrote.
WRITER = "veduta"


class Coco:
    """One annotation file, several of the same images (instances, keypoints, captions), or the folder above them.

    images: the folder that the file names count from; found by itself in the usual places.
    Boxes are (x, y, w, h) in pixels of the displayed image; with `boxes_are_raw`, of the stored one.
    Boxes are clipped to the image and dropped where no area is left; annotations of unknown categories keep the
    number as their class; all of this is counted in `notes`. Polygons become masks, which needs pycocotools.
    Memory: the whole annotation files.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        *,
        images: str | Path | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        many = [source] if isinstance(source, (str, Path)) else list(source)
        self.name = ", ".join(map(str, many))
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._files = [uri for one in many for uri in annotation_files(str(one))]
        if not self._files:
            raise SourceError(f"{self.name} holds no COCO annotations; name the JSON file")
        self._records: dict[str, dict[str, Any]] = {}
        self._things: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._captions: dict[str, list[str]] = defaultdict(list)
        self._exact = False
        for uri in self._files:
            self._load(uri)
        self._root = places.absolute(str(images)) if images else self._find_root()
        types: dict[str, pa.DataType] = {}
        for record in self._records.values():
            for name, value in record.items():
                if name not in _IMAGE_KEYS:
                    types[name] = join(types.get(name, pa.null()), kind(value))
        if self._exact:
            schema = sidecar.read_schema(places.parent(self._root)) or sidecar.read_schema(self._root)
            types |= {f.name: f.type for f in schema or []}
        core = {
            "captions": pa.list_(pa.string()),
            "split": pa.string(),
            "license": pa.string(),
            "source_url": pa.string(),
        }
        self._columns = Columns({**core, **types}, self.notes, used=("objects",), exact=self._exact)

    def columns(self) -> dict[str, pa.DataType]:
        return self._columns.free

    def __len__(self) -> int:
        return len(self._records)

    def items(self) -> Iterator[Item]:
        for kind_ in [k for k in self.notes.counts if k not in self._loading]:
            del self.notes.counts[kind_]
        for name in sorted(self._records):
            record, things = self._records[name], self._things.get(name, [])
            fields = self._columns.fields(record)
            captions = self._captions.get(name)
            if captions:
                fields["captions"] = captions
            width, height = (v if isinstance(v := record.get(k), int) and v > 0 else None for k in ("width", "height"))
            fields["objects"] = (
                to_objects(_merged(things), width, height, self.notes) if things else record.get("objects")
            )
            uri = places.join(self._root, location.escape(name)) if "://" not in name else name
            key = (record.get("key") if self._exact else None) or location.escape(name)
            stamp = f"{places.stamp(uri)}:{sidecar.digest({**record, 'things': things, 'captions': captions})}"
            yield Item(key, uri, stamp, partial(location.read, uri), fields)

    def _load(self, uri: str) -> None:
        content = _json(uri)
        info = content.get("info")
        self._exact = self._exact or (isinstance(info, dict) and info.get("contributor") == WRITER)
        categories = {c.get("id"): str(c.get("name")) for c in content.get("categories") or []}
        licences = {c.get("id"): c.get("name") or c.get("url") for c in content.get("licenses") or []}
        split = _SPLIT.search(posixpath.splitext(places.base(uri))[0])
        by_id: dict[Any, str] = {}
        for given in content["images"]:
            name = given.get("file_name")
            if not isinstance(name, str) or not name:
                self.notes.problem(f"{places.base(uri)}: image {given.get('id')}", "no file_name")
                continue
            name = posixpath.normpath(name) if "://" not in name else name
            by_id[given.get("id")] = name
            record = self._records.setdefault(name, {})
            record.update({k: v for k, v in given.items() if k not in ("file_name", "license", "id")})
            if not self._exact:
                record["coco_id"] = given.get("id")
            licence = licences.get(given.get("license"), given.get("license"))
            record["license"] = None if licence is None else str(licence)
            if not self._exact:
                record["source_url"] = given.get("source_url") or given.get("flickr_url") or given.get("coco_url")
            if split and "split" not in given and not self._exact:
                record["split"] = split[1]
            folder = name.split("/")[0] if "/" in name else ""
            if folder.lower() in SPLITS and not record.get("split"):
                record["split"] = folder
        for annotation in content.get("annotations") or []:
            self._annotate(annotation, by_id, categories)
        self._loading = set(self.notes.counts)

    def _annotate(self, given: dict[str, Any], by_id: dict[Any, str], categories: dict[Any, str]) -> None:
        name = by_id.get(given.get("image_id"))
        if name is None:
            self.notes.count("annotations of unknown images left out")
            return
        if "caption" in given and "bbox" not in given:
            self._captions[name].append(clean(str(given["caption"])))
            return
        number = given.get("category_id")
        if number not in categories:
            self.notes.count(f"annotations of category {number}, which `categories` lacks")
        thing = {k: v for k, v in given.items() if k not in ("image_id", "category_id", "num_keypoints")}
        self._things[name].append({**thing, "class": categories.get(number, f"category {number}")})

    def _find_root(self) -> str:
        """The folder in which the first of the named images is found."""
        names = [n for n in sorted(self._records) if "://" not in n][:3]
        for start in dict.fromkeys(places.parent(uri) for uri in self._files):
            above = places.parent(start)
            stem = posixpath.splitext(places.base(self._files[0]))[0]
            split = stem.rsplit("_", 1)[-1]
            tails = ("", "images", "data", "imgs", split, f"images/{split}")
            for root in [places.join(top, tail) if tail else top for top in (start, above) for tail in tails]:
                if any(places.exists(places.join(root, location.escape(n))) for n in names):
                    return root
        if names:
            self.notes.warn(
                names[0], "the images were not found beside the annotations; name their folder with images='...'"
            )
        return places.parent(self._files[0])


def annotation_files(source: str) -> list[str]:
    """The COCO files that a source stands for: itself, or those in the folder or its `annotations` folder."""
    uri = places.absolute(source)
    if not places.exists(uri):
        found = places.expand(source) if places.is_pattern(source) else []
        if not found:
            raise SourceError(f"{source} does not exist; name a COCO JSON file or its folder")
        return found
    if not places.is_folder(uri):
        return [uri]
    for folder in (uri, places.join(uri, "annotations")):
        if places.is_folder(folder):
            entries = (e.uri for e in places.listing(folder) if e.name.lower().endswith(".json") and not e.is_folder)
            found = sorted(e for e in entries if looks_like_coco(e))
            if found:
                return found
    return []


def looks_like_coco(uri: str) -> bool:
    """Whether a JSON file starts like COCO's; reads 64 KiB."""
    try:
        with places.open_binary(uri) as stream:
            head = stream.read(1 << 16).lstrip()
    except OSError:
        return False
    return head.startswith(b"{") and bool(_LIST.search(head))


def _json(uri: str) -> dict[str, Any]:
    try:
        content = json.loads(location.read(uri))
    except (OSError, ValueError) as error:
        raise SourceError(f"{uri} cannot be read as JSON: {error}; mend the file") from None
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise SourceError(f"{uri} is not COCO: expected an object with a list `images`; name the annotation file")
    return content


def _merged(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An object that several files describe (the same id and box) once, with everything that they say of it."""
    by_id: dict[Any, dict[str, Any]] = {}
    for number, thing in enumerate(things):
        place = (thing["id"], str(thing.get("bbox"))) if thing.get("id") is not None else number
        by_id[place] = {**by_id.get(place, {}), **thing}
    return [{k: v for k, v in t.items() if k not in ("id", "area")} for t in by_id.values()]
