"""What several COCO files say of the same images, put together by image."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from typing import Any

from veduta.errors import MissingPackage, SourceError
from veduta.pool import masks
from veduta.pool.readers.annotations import to_objects
from veduta.pool.readers.folder_names import SPLITS
from veduta.pool.readers.infer import clean
from veduta.pool.readers.layouts import noted
from veduta.pool.readers.layouts.coco_file import CAPTIONS, CLASSES, OBJECTS, SEGMENTS, CocoFile, same_id
from veduta.pool.readers.layouts.gather import listed
from veduta.pool.readers.layouts.image_roots import split_of
from veduta.pool.readers.layouts.noted import Noted, Record
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import Tree

_NOT_KEPT = frozenset({"file_name", "license", "id", "flickr_url", "coco_url"})
_NOT_OF_OBJECTS = frozenset({"image_id", "category_id", "num_keypoints"})


class Merge:
    """Records by image path. Annotations of several files are of one image where both path and image id agree.

    Objects that several files describe (the same id, class and box: instances and keypoints) are one object.
    """

    def __init__(self, tree: Tree, notes: Notes, pngs: list[str]) -> None:
        self.noted = Noted("COCO", only_named=True, finish=self._finish)
        self.has_objects = False
        self._tree, self._notes = tree, notes
        self._pngs = pngs
        self._ids: dict[str, Any] = {}
        self._origin: dict[str, str] = {}
        self._spoken: set[str] = set()
        self._things: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._captions: dict[str, list[str]] = defaultdict(list)
        self._classes: dict[str, list[str]] = defaultdict(list)
        self._segments: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._licence_ids: dict[str, str] = {}
        self._exact: set[str] = set()
        self._files_of: dict[str, set[str]] = defaultdict(set)

    def image(self, file: CocoFile, given: dict[str, Any], path: str, *, there: bool) -> None:
        """Take one entry of `images`."""
        target = self.noted.records if there else self.noted.absent
        number, record = same_id(given.get("id")), target.setdefault(path, {})
        if path not in self._ids:
            self._ids[path], self._origin[path] = number, file.path
        elif self._origin[path] == file.path:
            self._notes.count("images that one COCO file names twice (their annotations are joined)")
        elif self._ids[path] != number:
            self._notes.count("images to which two COCO files give different ids (joined by their path)")
        new = {k: v for k, v in given.items() if k not in _NOT_KEPT}
        new["license"] = file.licences.get(same_id(given.get("license")))
        if new["license"] is None and given.get("license") is not None:
            self._licence_ids.setdefault(path, str(given["license"]))
        split = split_of(file.path.rpartition("/")[2].rpartition(".")[0])
        top = path.split("/")[0] if "/" in path else ""
        if file.exact:
            self._exact.add(path)
        else:
            new["coco_id"] = given.get("id")
            new["source_url"] = given.get("source_url") or given.get("flickr_url") or given.get("coco_url") or None
            new.pop("objects", None)
            if not new.get("split"):
                new["split"] = split or (top if top.lower() in SPLITS else None)
            was = record.get("split")
            if was and new["split"] and was != new["split"]:
                self._notes.count("images that files of two splits name (kept in the first)")
        record.update({k: v for k, v in new.items() if record.get(k) is None})
        if "objects" in given and file.exact:
            record["objects"] = given["objects"]

    def annotations(self, file: CocoFile, paths: dict[Any, str]) -> None:
        """Take the annotations of a file whose image ids mean these paths."""
        self.noted.used.add(file.path)
        if file.above and not file.exact:
            shown = "; ".join(f"{wider}: {', '.join(names[:3])}" for wider, names in list(file.above.items())[:3])
            self._notes.skip(f"{file.path}: supercategory", shown, "wider classes of COCO's categories (supercategory)")
        kinds: Counter[str] = Counter()
        boxed: set[str] = set()
        for given in file.annotations:
            path = paths.get(same_id(given.get("image_id")))
            if path is None:
                self._notes.count("annotations of unknown images left out")
                continue
            kind = file.kind(given)
            kinds[kind] += 1
            if kind == CAPTIONS:
                self._caption(path, clean(str(given["caption"])))
            elif kind == SEGMENTS:
                self._segments[path].append({"file": file, **given})
            else:
                name = self._class(file, given)
                if kind == CLASSES:
                    self._classes[path] += [name] if name not in self._classes[path] else []
                else:
                    thing = {k: v for k, v in given.items() if k not in _NOT_OF_OBJECTS}
                    if thing.get("keypoints") and not _are_numbers(thing["keypoints"]):
                        self._notes.count("malformed keypoints dropped")
                        del thing["keypoints"]
                    self._things[path].append({**thing, "class": name, "": file.path})
                    boxed.add(path)
        if kinds[SEGMENTS]:
            self._use_pngs(file)
        if kinds[OBJECTS]:
            self.has_objects = True
            self._spoken.update(paths.values())
        for path in boxed:
            self._files_of[path].add(file.path)

    def done(self) -> Noted:
        """The annotations with all columns declared."""
        several = {p: files for p, files in self._files_of.items() if len(files) > 1}
        doubled = [p for p in several if len(_merged(self._things[p])) == len(self._things[p])]
        if doubled:
            names = ", ".join(sorted(several[doubled[0]])[:3])
            self._notes.guess(
                "objects",
                f"{len(doubled)} images have objects in several files ({names}): all are kept",
                "name one file",
            )
        for records in (self.noted.records, self.noted.absent):
            for path, record in records.items():
                if record.get("license") is None:
                    record["license"] = self._licence_ids.get(path)
                if path in self._classes:
                    record["labels"] = self._classes[path]
        single = bool(self._classes) and all(len(found) == 1 for found in self._classes.values())
        self.noted.declare()
        if single:
            self.noted.types["label"] = noted.TEXT
        if self._captions:
            self.noted.types["captions"] = noted.TEXTS
        if self.has_objects or self._segments:
            self.noted.types["objects"] = noted.OBJECTS
        return self.noted

    def _caption(self, path: str, caption: str) -> None:
        if caption not in self._captions[path] or path in self._exact:
            self._captions[path].append(caption)
        else:
            self._notes.count("captions that an image has twice kept once")

    def _class(self, file: CocoFile, given: dict[str, Any]) -> str:
        number = same_id(given.get("category_id"))
        if number not in file.categories:
            self._notes.count(f"annotations of category {number}, which `categories` lacks")
        return file.categories.get(number, f"category {number}")

    def _finish(self, path: str, record: Record) -> Record:
        exact = path in self._exact
        out = {**record}
        width, height = noted.size(record)
        if not exact:
            out["width"], out["height"] = width, height
        if self._captions.get(path):
            out["captions"] = self._captions[path]
        if "label" in self.noted.types and self._classes.get(path):
            out["label"] = self._classes[path][0]
        things = _merged(self._things.get(path, []))
        things += self._of_panoptic(path, bool(things))
        if things or (path in self._spoken and not exact):
            out["objects"] = to_objects(things, width, height, self._notes) if exact else things
        return out

    def _use_pngs(self, file: CocoFile) -> None:
        """Panoptic masks lie in a folder of the annotation file's name."""
        folder = file.path.removesuffix(".json") + "/"
        self.noted.used.update(p for p in self._pngs if p.startswith(folder))

    def _of_panoptic(self, path: str, has_things: bool) -> list[dict[str, Any]]:
        """Panoptic segments as objects; those that instances already describe are left out."""
        found = []
        for given in self._segments.get(path, []):
            file: CocoFile = given["file"]
            place = f"{file.path.removesuffix('.json')}/{given.get('file_name')}"
            segments = [s for s in listed(given.get("segments_info")) if isinstance(s, dict)]
            pixels = self._pixels(place) if segments else None
            for segment in segments:
                number = same_id(segment.get("category_id"))
                if has_things and number in file.things:
                    self._notes.count("panoptic segments of things left out (the instances have them)")
                    continue
                thing = {k: segment[k] for k in ("bbox", "iscrowd") if segment.get(k) is not None}
                thing["class"] = self._class(file, segment)
                thing |= {"isthing": number in file.things} if file.things else {}
                if pixels is not None:
                    inside = pixels == same_id(segment.get("id"))
                    thing["segmentation"] = {"size": list(pixels.shape), "counts": masks.from_pixels(inside)}
                found.append(thing)
        return found

    def _pixels(self, place: str) -> Any:
        """The segment numbers of a panoptic PNG, (height, width) int64; None where it cannot be read."""
        import numpy as np
        from PIL import Image

        file = self._tree.find(place)
        try:
            if file is None:
                raise SourceError("there is no such file")
            with Image.open(io.BytesIO(file.read())) as image:
                rgb = np.asarray(image.convert("RGB"), dtype=np.int64)
            masks.from_pixels(rgb[:1, :1, 0])  # is the package there?
        except (OSError, SyntaxError, SourceError, Image.DecompressionBombError, MissingPackage) as error:
            self._notes.count("panoptic masks that cannot be read (boxes kept)")
            if self._notes.counts["panoptic masks that cannot be read (boxes kept)"] == 1:
                self._notes.warn(place, f"the panoptic mask cannot be read: {error}")
            return None
        return rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]


def _are_numbers(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(v, (int, float)) for v in given)


def _merged(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An object that several files describe (the same id, class and box) once, with everything that they say of it."""
    by_id: dict[Any, dict[str, Any]] = {}
    for number, thing in enumerate(things):
        named = thing.get("id") is not None
        place = (same_id(thing["id"]), thing["class"], str(thing.get("bbox"))) if named else number
        by_id[place] = {**by_id.get(place, {}), **thing}
    return [{k: v for k, v in t.items() if k not in ("id", "area", "")} for t in by_id.values()]
