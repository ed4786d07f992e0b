"""KITTI objects: a text file an image with 15 words a line, the class first; 16 with a score.

The words: class, truncated, occluded, alpha, x1 y1 x2 y2 of the box in pixels, height width length in metres, location
x y z in metres in camera coordinates, rotation_y. `DontCare` regions are crowds: no object is asked for there.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import pyarrow as pa

from veduta.pool.readers.layouts import reading
from veduta.pool.readers.layouts.base import OBJECTS, Annotations
from veduta.pool.readers.layouts.beside import Beside, class_of, plural, split_of
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

FOLDERS = ("label_2", "label_02", "labels", "label", "annotations")
_LOOKS = 20


class Kitti:
    """Claims a tree in which text files that pair with images have a class and 14 or 15 numbers a line."""

    name, title = "kitti", "KITTI"

    def claim(self, survey: Survey, tree: Tree) -> str:
        if not survey.count(".txt") or not survey.images:
            return ""
        beside = _Labels.beside(survey, tree)
        texts = []
        for _, path in islice(beside.of_images(survey), _LOOKS):
            texts.append(reading.text(tree, path, Notes()) or "")
        full = [text for text in texts if text.strip()]
        if not full or 2 * sum(map(_looks_alike, full)) < len(full):
            return ""
        return f"{plural(beside.count(), 'label file')} with a class and 14 numbers a line"

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        return _Labels(survey, tree, notes)


class _Labels:
    """Label files, read one by one. Memory: about 300 bytes for each of them."""

    labelled = True

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        self.types: dict[str, pa.DataType] = {"objects": OBJECTS, "split": pa.string(), "label": pa.string()}
        self._tree, self._notes = tree, notes
        self._beside = self.beside(survey, tree)

    @staticmethod
    def beside(survey: Survey, tree: Tree) -> Beside:
        return Beside(survey, tree, [".txt"], FOLDERS)

    def record(self, path: str) -> dict[str, Any] | None:
        found = None if _is_right_camera(path) else self._beside.find(path)
        record: dict[str, Any] = {"split": split_of(path)}
        if found is None:
            self._notes.count("images without a KITTI label file")
            return record
        self._beside.use(found)
        text = reading.text(self._tree, found, self._notes)
        if text is None:
            return record
        record["objects"] = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                record["objects"] += [parse(line)] if line.strip() else []
            except ValueError as error:
                self._notes.problem(f"{found}:{number}", f"not a KITTI label: {error}; the line is left out")
        record["label"] = class_of(path, (o["class"] for o in record["objects"]))
        return record

    def is_row(self, path: str) -> bool:
        return True

    def is_used(self, path: str) -> bool:
        return self._beside.holds(path)

    def report(self, notes: Notes) -> None:
        for path in self._beside.without_image():
            notes.skip(path, "a label file without an image", "label files without an image")


def parse(line: str) -> dict[str, Any]:
    """One line as a COCO-like object; ValueError with a reason."""
    words = line.split()
    for many in (15, 14):  # a class of several words is joined again
        try:
            values = [float(w) for w in words[len(words) - many :]] if len(words) > many else []
        except ValueError:
            continue
        if values and (many == 14 or len(words) == 16):
            break
    else:
        raise ValueError(f"{len(words)} words, where a class and 14 or 15 numbers are needed")
    if not all(map(math.isfinite, values)):
        raise ValueError("numbers that are not finite")
    name = " ".join(words[: len(words) - many])
    truncated, occluded, alpha, x0, y0, x1, y1, *rest = values
    thing: dict[str, Any] = {"class": name, "bbox": [x0, y0, x1 - x0, y1 - y0]}
    if name == "DontCare":
        return {**thing, "iscrowd": True}
    # -1 and -10 and -1000 stand for what is not known.
    thing |= {"truncated": truncated} if truncated >= 0 else {}
    thing |= {"occluded": int(occluded)} if occluded >= 0 else {}
    thing |= {"alpha": alpha} if alpha > -10 else {}
    if rest[0] > 0:
        thing |= {"dimensions": rest[:3], "location": rest[3:6], "rotation_y": rest[6]}
    thing |= {"score": rest[7]} if len(rest) == 8 else {}
    return thing


def _looks_alike(text: str) -> bool:
    """Whether at least half of the lines are labels."""
    lines = [line for line in text.splitlines() if line.strip()][:40]
    return 2 * sum(map(_is_label, lines)) >= len(lines)


def _is_label(line: str) -> bool:
    try:
        return not parse(line)["class"].replace(".", "").isdigit()
    except ValueError:
        return False


def _is_right_camera(path: str) -> bool:
    """Labels are of the left colour camera; the other pictures of a frame have the same names."""
    parts = {p.lower() for p in path.split("/")[:-1]}
    return bool(parts & {"image_0", "image_1", "image_3", "image_00", "image_01", "image_03"})
