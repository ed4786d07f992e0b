"""Pascal VOC: an XML file an image; the devkit, labelImg, Roboflow, CVAT and ILSVRC write it.

Corners are taken as they stand: x = xmin, y = ymin, width = xmax - xmin, height = ymax - ymin, as labelformat, FiftyOne
and Datumaro do. Pixels of the original VOC count from 1 and include the last, so that there a box begins one pixel
early: Detectron2 and supervision subtract 1 from xmin and ymin. Files do not say which they follow.
"""

from __future__ import annotations

import posixpath
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element

import pyarrow as pa

from veduta.pool.readers.layouts import reading, safe_xml, voc_masks
from veduta.pool.readers.layouts.base import OBJECTS, Annotations
from veduta.pool.readers.layouts.beside import Beside, class_of, plural, split_of
from veduta.pool.readers.layouts.voc_sets import ImageSets
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

FOLDERS = ("Annotations", "annotations/xmls", "xmls", "xml", "labels", "label")
_LOOKS = 20
_FLAGS = ("truncated", "difficult", "occluded")


class Voc:
    """Claims a tree in which XML files that pair with images are `annotation` elements with `bndbox` in them."""

    name, title = "voc", "Pascal VOC"

    def claim(self, survey: Survey, tree: Tree) -> str:
        if not survey.images:
            return ""
        if not survey.count(".xml"):
            masks = next((f for name in voc_masks.FOLDERS for f in survey.folders(name)), "")
            return f"JPEGImages with {masks}" if masks and survey.folders("JPEGImages") else ""
        beside = Beside(survey, tree, [".xml"], FOLDERS)
        roots = [_root(tree, path, Notes()) for _, path in islice(beside.of_images(survey), _LOOKS)]
        good = sum(root is not None and root.tag == "annotation" and _is_voc(root) for root in roots)
        boxes = any(root is not None and root.find("object/bndbox") is not None for root in roots)
        if not boxes or 2 * good < len(roots):
            return ""
        return f"{plural(beside.count(), 'XML file')} with <annotation> and <bndbox> beside images"

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        return _Xml(survey, tree, notes)


class _Xml:
    """XML files, read one by one. Memory: about 300 bytes for each of them."""

    labelled = True

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        whole, text = pa.int64(), pa.string()
        self.types: dict[str, pa.DataType] = {"objects": OBJECTS, "split": text, "label": text}
        self.types |= {"width": whole, "height": whole}
        self._tree, self._notes = tree, notes
        self._beside = Beside(survey, tree, [".xml"], FOLDERS)
        self._sets = ImageSets(survey, tree, notes)
        roots = [_root(tree, path, Notes()) for _, path in islice(self._beside.of_images(survey), _LOOKS)]
        names = {
            safe_xml.text(thing, "name") for root in roots if root is not None for thing in root.iterfind("object")
        }
        self._masks = voc_masks.Masks(survey, tree, notes, names)
        if self._masks.there:
            self.types["regions"] = voc_masks.REGIONS
        if roots:
            notes.guess(
                "Pascal VOC boxes",
                "corners as they stand: x = xmin, width = xmax - xmin (the original VOC counts pixels from 1)",
            )

    def record(self, path: str) -> dict[str, Any] | None:
        found = self._beside.find(path)
        root = _root(self._tree, found, self._notes) if found else None
        if root is not None and not self._is_of(root, path):
            found = root = None
        split = self._sets.of(path) or split_of(path)
        record: dict[str, Any] = {"split": split} if split or self._sets.are_stated else {}
        if found is None:
            self._notes.count("images without a Pascal VOC file")
            masks, _ = self._masks.add(path, [])
            return {**record, "objects": masks} if masks else record
        self._beside.use(found)
        if root is None:
            return record
        width, height = (_whole(safe_xml.text(root, f"size/{side}")) for side in ("width", "height"))
        objects = [thing for one in root.iterfind("object") for thing in self._object(found, one)]
        objects, regions = self._masks.add(path, objects)
        record |= {"width": width, "height": height, "objects": objects, "regions": regions or None}
        record["label"] = class_of(path, (o["class"] for o in objects))
        return record

    def _is_of(self, root: Element, path: str) -> bool:
        """False where the file names another image that is there, with the same stem (a.jpg, a.png)."""
        name = posixpath.basename(safe_xml.text(root, "filename").replace("\\", "/"))
        same = posixpath.splitext(name)[0] == posixpath.splitext(posixpath.basename(path))[0]
        if not same or name == posixpath.basename(path) or "." not in name:
            return True
        return self._tree.find(posixpath.join(posixpath.dirname(path), name)) is None

    def _object(self, path: str, given: Element) -> list[dict[str, Any]]:
        """The object, then its parts."""
        name = safe_xml.text(given, "name") or None
        try:
            box = _box(given.find("bndbox"), self._notes)
        except ValueError as error:
            self._notes.problem(path, f"an object '{name}' with {error}; it is kept without a box")
            box = None
        thing: dict[str, Any] = {"class": name, "bbox": box}
        thing |= {flag: _flag(text) for flag in _FLAGS if (text := safe_xml.text(given, flag))}
        pose, score = safe_xml.text(given, "pose"), safe_xml.text(given, "confidence") or safe_xml.text(given, "score")
        thing |= {"pose": pose} if pose else {}
        thing |= {"score": float(score)} if _is_number(score) else {}
        for one in given.iterfind("attributes/attribute"):  # as CVAT writes them
            if safe_xml.text(one, "name"):
                thing.setdefault(safe_xml.text(one, "name"), safe_xml.text(one, "value"))
        polygon = _polygon(given.find("polygon"))
        thing |= {"segmentation": [polygon]} if polygon else {}
        found = [thing]
        for part in given.iterfind("part"):
            try:
                inner = _box(part.find("bndbox"), self._notes)
            except ValueError as error:
                self._notes.problem(path, f"a part of an object '{name}' with {error}; it is kept without a box")
                inner = None
            found.append({"class": safe_xml.text(part, "name") or None, "bbox": inner, "part_of": name})
        return found

    def is_row(self, path: str) -> bool:
        return not self._masks.holds(path)

    def is_used(self, path: str) -> bool:
        return self._beside.holds(path) or self._sets.is_used(path)

    def report(self, notes: Notes) -> None:
        for path in self._beside.without_image():
            notes.skip(path, "a Pascal VOC file without an image", "Pascal VOC files without an image")
        self._masks.report(notes)


def _root(tree: Tree, path: str, notes: Notes) -> Element | None:
    data = reading.data(tree, path, notes)
    try:
        return safe_xml.parse(data, notes=notes) if data is not None else None
    except ValueError as error:
        notes.problem(path, f"cannot be read as Pascal VOC: {error}")
        return None


def _is_voc(root: Element) -> bool:
    return root.find("object") is None or root.find("object/bndbox") is not None


def _box(box: Element | None, notes: Notes) -> list[float] | None:
    if box is None:
        notes.count("Pascal VOC objects without a <bndbox> (kept without a box)")
        return None
    words = [safe_xml.text(box, side) for side in ("xmin", "ymin", "xmax", "ymax")]
    if not all(map(_is_number, words)):
        raise ValueError(f"the corners {', '.join(word or 'nothing' for word in words)}")
    x0, y0, x1, y1 = map(float, words)
    if x1 < x0 or y1 < y0:
        notes.count(
            "Pascal VOC boxes with their corners swapped (xmin > xmax or ymin > ymax), read the other way round"
        )
    return [min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)]


def _polygon(given: Element | None) -> list[float] | None:
    """Roboflow's <polygon><x1/><y1/>...; at least three points."""
    values = (
        [safe_xml.text(given, f"{axis}{n}") for n in range(1, len(given) // 2 + 1) for axis in "xy"]
        if given is not None
        else []
    )
    return [float(v) for v in values] if len(values) >= 6 and all(map(_is_number, values)) else None


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 1e9
    except ValueError:
        return False


def _flag(text: str) -> Any:
    """A yes or no as VOC writes it, 0 or 1; anything else as it stands."""
    return {"0": False, "1": True}.get(text, {"false": False, "true": True}.get(text.lower(), text))


def _whole(text: str) -> int | None:
    return int(float(text)) if _is_number(text) and float(text) >= 1 else None
