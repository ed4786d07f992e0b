"""YOLO: a text file an image, a line an object; darknet, Ultralytics, Roboflow, labelImg, CVAT and Label Studio write it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from veduta.pool.readers.layouts import reading, yolo_lines, yolo_names
from veduta.pool.readers.layouts.base import OBJECTS, Annotations
from veduta.pool.readers.layouts.beside import Beside, class_of, plural
from veduta.pool.readers.layouts.yolo_names import LABELS, Named
from veduta.pool.readers.layouts.yolo_splits import Splits
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

# Label files looked at before a tree is claimed.
_LOOKS = 20
_NOT_LABELS = ("classes", "readme", "requirements", "license", "licence", "notes", "predefined_classes", "names")


class Yolo:
    """Claims a tree in which text files that pair with images hold class numbers and fractions, line by line."""

    name, title = "yolo", "YOLO"

    def claim(self, survey: Survey, tree: Tree) -> str:
        if not survey.count(".txt") or not survey.images:
            return ""
        beside = _beside(survey, tree)
        read = list(islice(_texts(beside, survey, tree), _LOOKS))
        texts = [text for text in read if text.strip()]
        if not read:
            return ""
        named = yolo_names.read_all(survey, tree, Notes())
        points = keypoints_of(texts, named)
        good = sum(yolo_lines.looks_alike(text, points) for text in texts)
        if 2 * good < len(texts) or (not good and not named):
            return ""
        names = (
            ", ".join(f"{n.path} names {plural(len(n.names), 'class')}" for n in named[:2])
            or "no file names the classes"
        )
        return f"{names}, {plural(beside.count(), 'label file')} with class numbers and fractions"

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        return _Labels(survey, tree, notes)


class _Labels:
    """Label files, read one by one. Memory: about 300 bytes for each of them."""

    labelled = True

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        self.types: dict[str, pa.DataType] = {"objects": OBJECTS, "split": pa.string(), "label": pa.string()}
        self._tree, self._notes = tree, notes
        self._beside = _beside(survey, tree)
        self._named = sorted(yolo_names.read_all(survey, tree, notes), key=lambda n: -len(n.base))
        self._splits = Splits(self._named, survey, tree, notes)
        texts = list(islice(_texts(self._beside, survey, tree), _LOOKS))
        self._points = keypoints_of(texts, self._named)
        if self._points and not any(n.points for n in self._named):
            notes.guess("keypoints", f"{self._points[0]} an object, since every third number is 0, 1 or 2")
        if not self._named:
            notes.warn("class names", f"{yolo_names.unnamed(survey)}: classes are called by their numbers")
        self._others = {"notes.json", "obj.data"} if self._named else set()

    def record(self, path: str) -> dict[str, Any] | None:
        found = self._beside.find(path)
        record: dict[str, Any] = {"relative": True}
        split = self._splits.of(path)
        if split is not None or self._splits.are_stated:
            record["split"] = split
        if found is None:
            is_near = self._beside.has_folder_for(path)
            self._notes.count(
                "images without a label file (YOLO: background)" if is_near else "images in folders without YOLO labels"
            )
            return record
        self._beside.use(found)
        text = reading.text(self._tree, found, self._notes)
        if text is None:
            return record
        named = self._of(path)
        record["objects"] = list(self._objects(found, text, named))
        if not record["objects"] and not text.strip():
            self._notes.count("images with an empty label file (no objects)")
        record["label"] = class_of(path, (o["class"] for o in record["objects"]))
        unnamed = [o for o in record["objects"] if o.pop("unnamed", False)]
        if unnamed:
            record["loose"] = frozenset(["objects", "label"])
        return record

    def _objects(self, path: str, text: str, named: Named | None) -> Iterator[dict[str, Any]]:
        points = (named.points if named else None) or self._points
        seen: set[str] = set()
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            if line in seen:
                self._notes.count("repeated lines of label files left out")
                continue
            seen.add(line)
            try:
                category, thing = yolo_lines.parse(line, points)
            except ValueError as error:
                self._notes.problem(f"{path}:{number}", f"not a YOLO label: {error}; the line is left out")
                continue
            name = named.names.get(category) if named else None
            if name is None:
                if named:
                    what = f"objects of class numbers that {named.path} does not name (called by their numbers)"
                    self._notes.count(what)
                thing["unnamed"] = True
                name = f"class {category}"
            yield {"class": name, **thing}

    def _of(self, path: str) -> Named | None:
        """The names for an image: of the nearest folder above it, else the only ones there are."""
        inside = (n for n in self._named if not n.base or path.startswith(f"{n.base}/"))
        return next(inside, self._named[0] if len(self._named) == 1 else None)

    def is_row(self, path: str) -> bool:
        return True

    def is_used(self, path: str) -> bool:
        name = posixpath.basename(path)
        return (
            self._beside.holds(path)
            or any(path == n.path for n in self._named)
            or self._splits.is_used(path)
            or name in self._others
        )

    def report(self, notes: Notes) -> None:
        for path in self._beside.without_image():
            if self._splits.is_used(path) or any(path == n.path for n in self._named):
                continue
            notes.skip(path, "a label file without an image", "label files without an image")


def keypoints_of(texts: list[str], named: list[Named]) -> tuple[int, int] | None:
    """[keypoints, numbers] as a YAML file or the label files themselves show it."""
    return next((n.points for n in named if n.points), None) or yolo_lines.keypoint_shape(texts)


def _beside(survey: Survey, tree: Tree) -> Beside:
    return Beside(survey, tree, [".txt"], LABELS, _may_be_labels)


def _may_be_labels(path: str) -> bool:
    stem = posixpath.basename(path).lower().removesuffix(".txt")
    return not stem.startswith(_NOT_LABELS) or stem[-1:].isdigit()


def _texts(beside: Beside, survey: Survey, tree: Tree) -> Iterator[str]:
    """The label files of some images, spread over the folders."""
    by_folder: dict[str, list[str]] = {}
    for image, path in beside.of_images(survey):
        by_folder.setdefault(posixpath.dirname(image), []).append(path)
    for one in range(_LOOKS):
        for paths in by_folder.values():
            if one < len(paths):
                yield reading.text(tree, paths[one], Notes()) or ""
