"""Class names of the numbers and colours in masks, from the small tables that data sets keep beside them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from veduta.pool.readers.layouts import mask_pixels, reading
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

MOST_BYTES = 1 << 20
_FILES = (
    *("class_dict.csv", "class_dict_seg.csv", "_classes.csv", "label_colors.txt", "labelmap.txt", "objectinfo150.txt"),
    *("codes.txt", "classes.txt", "labels.txt", "class_names.txt"),
)
_COLOURS = re.compile(r"^\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\S.*?)\s*$")
_LABELMAP = re.compile(r"^\s*([^#:][^:]*):(\d{1,3}),(\d{1,3}),(\d{1,3}):")

CITYSCAPES = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road"),
    *("sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole"),
    *("polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car"),
    *("truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)
CITYSCAPES_TRAINING = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)


class Names:
    """Names of the numbers and colours of a tree's masks. known: whether a table was there; path: which one."""

    def __init__(self, survey: Survey, tree: Tree) -> None:
        self._names: dict[int, str] = {}
        self.path = ""
        found = {p.rpartition("/")[2].lower(): p for p in survey.paths(".csv", ".txt") if "/" not in p or _near(p)}
        for name in _FILES:
            text = reading.text(tree, found[name], Notes(), MOST_BYTES) if name in found else None
            if text is not None:
                self._names = dict(_parse(name, text))
            if self._names:
                self.path = found[name]
                return

    @property
    def known(self) -> bool:
        return bool(self._names)

    def of(self, value: int) -> str | None:
        """The name of a number or colour; None if the table has none."""
        return self._names.get(value)


def _near(path: str) -> bool:
    return path.count("/") <= 2


def _parse(name: str, text: str) -> Iterator[tuple[int, str]]:
    if name.endswith(".csv"):
        yield from _csv(text)
    elif name == "objectinfo150.txt":
        for line in text.splitlines():
            words = line.split(None, 5) if "\t" not in line else [w.strip() for w in line.split("\t")]
            if len(words) > 1 and words[0].isdigit():
                yield int(words[0]), words[-1].strip()
    elif name == "labelmap.txt":
        for line in text.splitlines():
            if found := _LABELMAP.match(line):
                yield mask_pixels.colour(*map(int, found.groups()[1:])), found[1].strip()
    elif name == "label_colors.txt":
        for line in text.splitlines():
            if found := _COLOURS.match(line):
                yield mask_pixels.colour(int(found[1]), int(found[2]), int(found[3])), found[4]
    else:
        yield from ((n, line.strip()) for n, line in enumerate(text.splitlines()) if line.strip())


def _csv(text: str) -> Iterator[tuple[int, str]]:
    """`name,r,g,b` as CamVid has it, or `Pixel Value, Class` as Roboflow writes it."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    if not rows:
        return
    header = [cell.lower() for cell in rows[0]]
    if {"r", "g", "b"} <= set(header):
        r, g, b = (header.index(c) for c in "rgb")
        word = next((n for n, h in enumerate(header) if h in ("name", "class", "class_name", "label")), 0)
        for row in rows[1:]:
            if len(row) > max(r, g, b, word) and all(row[n].isdigit() for n in (r, g, b)):
                yield mask_pixels.colour(int(row[r]), int(row[g]), int(row[b])), row[word]
    elif "pixel value" in header and "class" in header:
        number, word = header.index("pixel value"), header.index("class")
        yield from (
            (int(row[number]), row[word]) for row in rows[1:] if len(row) == len(header) and row[number].isdigit()
        )
