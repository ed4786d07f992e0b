"""VOC's SegmentationClass and SegmentationObject: masks of an image's objects, and regions of its classes.

A mask of SegmentationObject goes to the object of the XML file whose box it fills; where there is none it is an object of
its own. A map of SegmentationClass alone does not tell objects apart: beside the objects of an XML file its regions stay
in a column of their own (`regions`), so that nothing is counted twice; without an XML file they are the objects.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.pool.readers import images, size
from veduta.pool.readers.layouts import mask_pixels, reading
from veduta.pool.readers.layouts.beside import Beside
from veduta.pool.readers.layouts.mask_names import Names
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

FOLDERS = ("segmentationclass", "segmentationobject", "segmentationclassaug", "segmentationclassraw")
_EDGE = mask_pixels.colour(224, 224, 192)
REGIONS = pa.list_(
    pa.struct([pa.field("class", pa.string()), pa.field("bbox", pa.list_(pa.float32())), pa.field("mask", pa.string())])
)
CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


class Masks:
    """The masks, read when an image's row is made. Memory: about 200 bytes for each of them.

    seen: classes in the XML files; if they are VOC's, so are the numbers in the masks.
    """

    def __init__(self, survey: Survey, tree: Tree, notes: Notes, seen: Collection[str]) -> None:
        self._tree, self._notes = tree, notes
        self.there = any(survey.folders(name) for name in FOLDERS)
        self._sides: list[Beside] = []
        self._names = Names(survey, tree) if self.there else None
        self._are_vocs = False
        if self.there:
            is_voc = (
                any(re.search(r"VOC20\d\d", folder) for folder in survey.suffixes)
                if not seen
                else set(seen) <= set(CLASSES)
            )
            self._are_vocs = is_voc and not (self._names and self._names.known)
            if self._are_vocs:
                notes.guess("mask classes", "the 20 of Pascal VOC, by their numbers")
            ends = images.SUFFIXES
            self._sides = [
                Beside(survey, tree, ends, [holder], lambda p, holder=holder: _is_in(p, (holder.lower(),)))
                for holder in (
                    "SegmentationClass",
                    "SegmentationObject",
                    "SegmentationClassAug",
                    "SegmentationClassRaw",
                )
            ]

    def holds(self, path: str) -> bool:
        """Whether the picture is a mask."""
        return self.there and _is_in(path, FOLDERS)

    def add(self, path: str, objects: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The objects of the image at `path` with their masks, and the regions of its classes."""
        found, are_objects = self._of(path)
        if not objects or not found:
            return objects + found, []
        if not are_objects:
            return objects, found
        return _matched(objects, found, self._notes), []

    def _of(self, path: str) -> tuple[list[dict[str, Any]], bool]:
        """What the masks show, and whether they tell objects apart."""
        if not self.there or self.holds(path):
            return [], False
        found = [side.find(path) for side in self._sides]
        kinds, things = found[0] or found[2] or found[3], found[1]
        for side, one in zip(self._sides, found, strict=True):
            if one:
                side.use(one)
        classes = self._load(kinds, path)
        instances = self._load(things, path)
        if classes is None and instances is None:
            return [], False
        if instances is None:
            return mask_pixels.by_class(classes, self._name), False
        instances = _numbers(instances)
        if classes is None or classes.shape != instances.shape:
            return mask_pixels.by_class(instances, lambda v: None if v in (0, mask_pixels.VOID) else ""), True
        return mask_pixels.by_instance(instances, classes, self._name), True

    def _load(self, mask: str | None, image: str) -> np.ndarray | None:
        if mask is None:
            return None
        return load(self._tree, mask, image, self._notes)

    def _name(self, value: int) -> str | None:
        """The class of a number or colour; "" where it has none, None where it is background or void."""
        names = self._names
        given = names.of(value) if names else None
        if given is None and self._are_vocs:
            given = _of_palette(value)
        if value in (0, mask_pixels.VOID) or value == _EDGE:
            return None
        if given is None:
            return "class " + (f"#{value & 0xFFFFFF:06x}" if mask_pixels.is_colour(value) else str(value))
        return None if given.lower() in mask_pixels.BACKGROUND else given

    def report(self, notes: Notes) -> None:
        """Tell the masks that no image used."""
        for side in self._sides:
            for path in side.without_image():
                notes.skip(path, "a mask without an image", "masks without an image")


def _numbers(instances: np.ndarray) -> np.ndarray:
    """A mask of VOC's palette colours with the numbers that they stand for."""
    if not mask_pixels.is_colour(int(instances.max())):
        return instances
    numbers = {mask_pixels.colour(*palette(n)): n for n in range(255)} | {_EDGE: mask_pixels.VOID}
    out = instances.copy()
    for value in mask_pixels.values(instances):
        out[instances == value] = numbers.get(value, value)
    return out


def _matched(objects: list[dict[str, Any]], found: list[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """Each mask with the free object of its class (any, where the mask has none) whose box fits best, half of it at least."""
    out = [dict(thing) for thing in objects]
    for mask in found:
        free = [
            (overlap(thing["bbox"], mask["bbox"]), thing)
            for thing in out
            if thing.get("bbox") and "mask" not in thing and mask["class"] in (None, thing["class"])
        ]
        best, thing = max(free, key=lambda pair: pair[0], default=(0.0, {}))
        if best >= 0.5:
            thing["mask"] = mask["mask"]
        else:
            notes.count("masks of SegmentationObject that fit no object of the XML file, kept as objects of their own")
            out.append(mask)
    return out


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes [x, y, w, h]."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inner = max(w, 0.0) * max(h, 0.0)
    whole = a[2] * a[3] + b[2] * b[3] - inner
    return inner / whole if whole > 0 else 0.0


def load(tree: Tree, mask: str, image: str, notes: Notes) -> np.ndarray | None:
    """The pixels of a mask; None with a problem told where they cannot be read or are not of the image's size."""
    data = reading.data(tree, mask, notes)
    try:
        pixels = mask_pixels.load(data) if data is not None else None
    except ValueError as error:
        notes.problem(mask, f"the mask cannot be read: {error}")
        return None
    picture = tree.find(image)
    wanted = size.of(picture) if picture and pixels is not None else None
    if pixels is not None and wanted and wanted != pixels.shape[::-1]:
        notes.problem(
            mask,
            f"the mask has {pixels.shape[1]} x {pixels.shape[0]} pixels, its image {wanted[0]} x {wanted[1]}; left out",
        )
        return None
    return pixels


def _is_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(part.lower() in folders for part in posixpath.dirname(path).split("/"))


def _of_palette(value: int) -> str | None:
    """The VOC class of an index or of a colour of VOC's palette."""
    if not mask_pixels.is_colour(value):
        return CLASSES[value] if value < len(CLASSES) else None
    return next((name for n, name in enumerate(CLASSES) if mask_pixels.colour(*palette(n)) == value), None)


def palette(number: int) -> tuple[int, int, int]:
    """The colour of a class number in VOC's palette: its bits spread over red, green and blue."""
    r = g = b = 0
    for bit in range(8):
        r, g, b = (c | (number >> (3 * bit + n) & 1) << (7 - bit) for n, c in enumerate((r, g, b)))
    return r, g, b
