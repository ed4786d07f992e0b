"""Annotation layouts: the ways in which programs leave labels, boxes, masks and captions in files beside images.

One file a layout, each with a class of the protocol `Layout`. `recognise` asks them in turn; the first whose marks are
there is used. Packages add theirs under the entry-point group `veduta.layouts`. All read through a `Tree`, so that a
folder, a zip and a tar are the same to them. The files of further layouts in the same tree are told as left aside.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points

from veduta.errors import BadInput
from veduta.pool.readers.layouts.base import Annotations, Layout
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

__all__ = ["Annotations", "Layout", "layouts", "named", "recognise", "title"]

GROUP = "veduta.layouts"

# In the order in which they are asked: those with the surest marks first.
_BUILT_IN: dict[str, str] = {
    "coco": "coco:Coco",
    "cvat": "cvat:Cvat",
    "label-studio": "label_studio:LabelStudio",
    "fiftyone": "fiftyone:FiftyOne",
    "labelbox": "labelbox:Labelbox",
    "via": "via:Via",
    "roboflow": "roboflow:Roboflow",
    "labelme": "labelme:LabelMe",
    "yolo": "yolo:Yolo",
    "voc": "voc:Voc",
    "kitti": "kitti:Kitti",
    "open-images": "open_images:OpenImages",
    "masks": "mask_folders:MaskFolders",
    "tiny-imagenet": "tiny_imagenet:TinyImageNet",
    "groups": "groups:Groups",
    "captions": "captions:Captions",  # last: any text may be one
}
# A layout is imported and asked only where files of one of its suffixes are; those not named here are always asked.
_MARKS = {
    **dict.fromkeys(("coco", "label-studio", "fiftyone", "labelme"), (".json",)),
    **dict.fromkeys(("yolo", "kitti", "tiny-imagenet"), (".txt",)),
    "via": (".json", ".csv"),
    "cvat": (".xml",),
    "voc": (".xml", ".png"),
    **dict.fromkeys(("roboflow", "open-images"), (".csv",)),
    "labelbox": (".ndjson", ".jsonl", ".json"),
    "captions": (".txt", ".caption", ".captions", ".tags", ".json"),
}


def layouts() -> list[str]:
    """Names of all annotation layouts."""
    return [*_BUILT_IN, *sorted(e.name for e in entry_points(group=GROUP))]


def named(name: str) -> Layout:
    """The layout of a name; BadInput with the nearest name if there is none."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)()
    entry = next((e for e in entry_points(group=GROUP) if e.name == name), None)
    if entry is None:
        near = difflib.get_close_matches(name, layouts(), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadInput(f"there is no layout '{name}'{hint}; layouts: {', '.join(layouts()) or 'none'}")
    return entry.load()()


def recognise(survey: Survey, tree: Tree) -> list[tuple[Layout, str]]:
    """The layouts whose marks are in the tree and why each was recognised; the first is the one to use."""
    names = [name for name in layouts() if name not in _MARKS or survey.count(*_MARKS[name])]
    asked = ((layout, layout.claim(survey, tree)) for layout in map(named, names))
    return [(layout, why) for layout, why in asked if why]


def title(layout: Layout) -> str:
    """What a person calls the layout."""
    return getattr(layout, "title", layout.name)
