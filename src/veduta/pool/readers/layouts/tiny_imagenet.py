"""Tiny-ImageNet as it comes: classes of the validation images and boxes of all, from its tab-separated text files."""

from __future__ import annotations

import posixpath
from typing import Any

import pyarrow as pa

from veduta.pool.readers.layouts import texts
from veduta.pool.readers.layouts.base import OBJECTS
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import File, Tree

VALIDATION = "val_annotations.txt"
_OTHERS = frozenset(["words.txt", "wnids.txt"])
_MOST = 64 << 20


class TinyImageNet:
    """`val/val_annotations.txt` and `train/CLASS/CLASS_boxes.txt`; labels are WordNet ids, as the training folders' are.

    Boxes there name their last pixel; here they are (x, y, width, height) with it inside.
    """

    name = "tiny-imagenet"

    def claim(self, survey: Survey, tree: Tree) -> str:
        found = _tables(survey)
        if not any(posixpath.basename(path) == VALIDATION for path in found):
            return ""
        boxes = len(found) - 1
        return f"{VALIDATION}" + (f" and {boxes} files of boxes" if boxes else "")

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Boxes:
        new = Boxes(notes)
        for path in _tables(survey):
            file = tree.find(path)
            if file is not None:
                new.add(file)
        return new


class Boxes:
    """The rows of all text files. Memory: about 400 bytes an image."""

    labelled = False

    def __init__(self, notes: Notes) -> None:
        self.types: dict[str, pa.DataType] = {"label": pa.string(), "objects": OBJECTS}
        self._notes = notes
        self._rows: dict[str, tuple[str, list[float]]] = {}
        self._used: set[str] = set()
        self._matched: set[str] = set()

    def add(self, file: File) -> None:
        self._used.add(file.path)
        validation = file.name == VALIDATION
        for number, line in enumerate(texts.read(file, self._notes, _MOST).splitlines(), 1):
            cells = line.split("\t")
            try:
                x0, y0, x1, y1 = map(float, cells[2:6] if validation else cells[1:5])
            except ValueError:
                if line.strip():
                    where = f"{file.path}: line {number}"
                    self._notes.problem(where, "not a name, a class and four numbers", hides="all")
                continue
            label = cells[1] if validation else file.name.removesuffix("_boxes.txt")
            path = posixpath.join(file.folder, "images", cells[0])
            self._rows[path] = label, [x0, y0, x1 - x0 + 1, y1 - y0 + 1]

    def record(self, path: str) -> dict[str, Any] | None:
        found = self._rows.get(path)
        if found is None:
            return None
        self._matched.add(path)
        return {"label": found[0], "objects": [{"category": found[0], "bbox": found[1]}]}

    def is_row(self, path: str) -> bool:
        return True

    def is_used(self, path: str) -> bool:
        return path in self._used or path in _OTHERS

    def report(self, notes: Notes) -> None:
        for path in self._rows.keys() - self._matched:
            notes.problem(path, "named in a file of boxes, but there is no such image", hides="nothing")
        self._matched.clear()


def _tables(survey: Survey) -> list[str]:
    return [p for p in survey.paths(".txt") if p.endswith("_boxes.txt") or posixpath.basename(p) == VALIDATION]
