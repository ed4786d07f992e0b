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
    "coco": "veduta.pool.readers.layouts.coco:Coco",
    "cvat": "veduta.pool.readers.layouts.cvat:Cvat",
    "label-studio": "veduta.pool.readers.layouts.label_studio:LabelStudio",
    "fiftyone": "veduta.pool.readers.layouts.fiftyone:FiftyOne",
    "labelbox": "veduta.pool.readers.layouts.labelbox:Labelbox",
    "via": "veduta.pool.readers.layouts.via:Via",
    "roboflow": "veduta.pool.readers.layouts.roboflow:Roboflow",
    "labelme": "veduta.pool.readers.layouts.labelme:LabelMe",
    "yolo": "veduta.pool.readers.layouts.yolo:Yolo",
    "voc": "veduta.pool.readers.layouts.voc:Voc",
    "kitti": "veduta.pool.readers.layouts.kitti:Kitti",
    "open-images": "veduta.pool.readers.layouts.open_images:OpenImages",
    "masks": "veduta.pool.readers.layouts.mask_folders:MaskFolders",
    "tiny-imagenet": "veduta.pool.readers.layouts.tiny_imagenet:TinyImageNet",
    "groups": "veduta.pool.readers.layouts.groups:Groups",
    "captions": "veduta.pool.readers.layouts.captions:Captions",  # last: any text may be one
}


def layouts() -> list[str]:
    """Names of all annotation layouts."""
    return [*_BUILT_IN, *sorted(e.name for e in entry_points(group=GROUP))]


def named(name: str) -> Layout:
    """The layout of a name; BadInput with the nearest name if there is none."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)()
    entry = next((e for e in entry_points(group=GROUP) if e.name == name), None)
    if entry is None:
        near = difflib.get_close_matches(name, layouts(), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadInput(f"there is no layout '{name}'{hint}; layouts: {', '.join(layouts()) or 'none'}")
    return entry.load()()


def recognise(survey: Survey, tree: Tree) -> list[tuple[Layout, str]]:
    """The layouts whose marks are in the tree and why each was recognised; the first is the one to use."""
    asked = ((layout, layout.claim(survey, tree)) for layout in map(named, layouts()))
    return [(layout, why) for layout, why in asked if why]


def title(layout: Layout) -> str:
    """What a person calls the layout."""
    return getattr(layout, "title", layout.name)
