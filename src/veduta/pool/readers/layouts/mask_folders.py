"""Masks as pictures beside images: ADE20K, Cityscapes, CamVid, `masks/x.png`, `x.jpg` with `x_mask.png`.

A mask becomes objects of its image's row: one a class where it is a map of classes, one an instance where it says so,
one in all where it is only black and white. It is never a row of its own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.pool.readers import images
from veduta.pool.readers.layouts import mask_pairs, mask_pixels, reading
from veduta.pool.readers.layouts.base import OBJECTS, Annotations
from veduta.pool.readers.layouts.beside import plural, split_of
from veduta.pool.readers.layouts.mask_names import CITYSCAPES, CITYSCAPES_TRAINING, Names
from veduta.pool.readers.layouts.voc_masks import FOLDERS as VOC_FOLDERS
from veduta.pool.readers.layouts.voc_masks import load
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_LOOKS = 12
# Of several masks of a kind that Cityscapes has for one image, the first says the most.
_RANK = ("instanceIds", "labelIds", "labelTrainIds", "instanceTrainIds", "color")


class MaskFolders:
    """Claims a tree in which pictures that pair with images by name have few values, as masks do."""

    name, title = "masks", "mask pictures"

    def claim(self, survey: Survey, tree: Tree) -> str:
        if not any(map(mask_pairs.may_be_mask, survey.paths(*images.SUFFIXES))):
            return ""
        if survey.folders("JPEGImages") and any(map(survey.folders, VOC_FOLDERS)):
            return ""  # the masks of Pascal VOC, which its own layout reads
        pairs = _pairs(survey, tree)
        looked = list(_look(pairs, tree))
        if not looked or not all(map(mask_pixels.is_mask, looked)):
            return ""
        number = sum(map(len, pairs.masks.values()))
        return f"{plural(number, 'mask picture')} with the names of {plural(len(pairs.masks), 'image')}"

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        return _Masks(survey, tree, notes)


class _Masks:
    """Masks, read when an image's row is made. Memory: some hundred bytes for each of them."""

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        self.types: dict[str, pa.DataType] = {"objects": OBJECTS, "split": pa.string()}
        self._tree, self._notes = tree, notes
        self._pairs = _pairs(survey, tree)
        self._masks = {mask for many in self._pairs.masks.values() for mask in many} | set(self._pairs.lonely)
        self._names = Names(survey, tree)
        some = list(_look(self._pairs, tree))
        seen = {value for pixels in some for value in mask_pixels.values(pixels)} or {0}
        # Black and white, and soft masks, are one object; what has numbers of classes or colours is a map of them.
        self._binary = seen <= {0, 255} or (seen <= {0, 1} and not self._names.known)
        lossy = images.suffix(min(self._masks, default="")) in (".jpg", ".jpeg", ".webp")
        many = len(seen) > (2 if lossy else mask_pixels.MOST_VALUES)
        self._soft = many and max(seen) < 256 and all(map(mask_pixels.is_black_and_white, some))
        self.labelled = bool(survey.folders("leftImg8bit"))  # Cityscapes' cities are not classes
        rows = {posixpath.dirname(p) for p in survey.every(tree, *images.SUFFIXES) if p not in self._masks}
        self.folders = {posixpath.dirname(mask) for mask in self._masks} - rows
        if self._soft:
            notes.guess("masks", "one object an image, where they are 128 or brighter, since greys are rare in them")
        elif self._names.known:
            notes.guess("mask classes", f"named by {self._names.path}")
        elif not self._binary and not self._is_city():
            notes.guess("mask classes", "no table names them: called 'class 7' by number, 'class #ff0000' by colour")

    def record(self, path: str) -> dict[str, Any] | None:
        record: dict[str, Any] = {"split": split_of(path)}
        mine = self._pairs.masks.get(path)
        if not mine:
            self._notes.count("images without a mask")
            return record
        record["objects"] = [thing for mask in _best(mine) for thing in self._objects(mask, path)]
        return record

    def _objects(self, mask: str, path: str) -> list[dict[str, Any]]:
        pixels = load(self._tree, mask, path, self._notes)
        if pixels is None:
            return []
        city = mask_pairs.city_kind(mask)
        if city.startswith("instance"):
            return _city_instances(pixels, CITYSCAPES if city == "instanceIds" else CITYSCAPES_TRAINING)
        if city in ("labelIds", "labelTrainIds"):
            names = CITYSCAPES if city == "labelIds" else CITYSCAPES_TRAINING
            return mask_pixels.by_class(pixels, lambda v: names[v] if _is_class(v, names) else None)
        if self._binary or self._soft:
            return (
                [{"class": self._names.of(1), **mask_pixels.region(pixels >= 128 if self._soft else pixels > 0)}]
                if ((pixels >= 128).any() if self._soft else pixels.any())
                else []
            )
        coloured = mask_pixels.is_colour(int(pixels.max()))
        if not coloured and (pixels == mask_pixels.VOID).any() and self._names.of(mask_pixels.VOID) is None:
            self._notes.count("masks with regions of value 255, which belong to no class")
        return mask_pixels.by_class(pixels, lambda v: self._name(v, coloured))

    def _name(self, value: int, coloured: bool) -> str | None:
        """The class of a number or colour; None where it is background or void."""
        given = self._names.of(value)
        if given is not None:
            return None if given.lower() in mask_pixels.BACKGROUND else given
        if value == 0 or (value == mask_pixels.VOID and not coloured):
            return None
        if coloured and not mask_pixels.is_colour(value):
            return f"class #{value:02x}{value:02x}{value:02x}"
        return "class " + (f"#{value & 0xFFFFFF:06x}" if mask_pixels.is_colour(value) else str(value))

    def _is_city(self) -> bool:
        return any(mask_pairs.city_kind(m) for m in islice(self._masks, 1))

    def is_row(self, path: str) -> bool:
        return path not in self._masks

    def is_used(self, path: str) -> bool:
        return path == self._names.path or path.endswith(("_gtFine_polygons.json", "_gtCoarse_polygons.json"))

    def report(self, notes: Notes) -> None:
        for path in self._pairs.lonely:
            notes.skip(path, "a mask without an image", "masks without an image")


def _pairs(survey: Survey, tree: Tree) -> mask_pairs.Pairs:
    return mask_pairs.pair(survey.every(tree, *images.SUFFIXES))


def _look(pairs: mask_pairs.Pairs, tree: Tree) -> Iterator[np.ndarray]:
    """Some masks, spread over the tree."""
    every = [_best(masks)[0] for masks in pairs.masks.values()]
    for path in every[:: max(1, len(every) // _LOOKS)][:_LOOKS]:
        try:
            yield mask_pixels.load(reading.data(tree, path, Notes()) or b"")
        except ValueError:
            continue


def _best(masks: list[str]) -> list[str]:
    """One of Cityscapes' masks of the same picture; else all."""
    kinds = {mask_pairs.city_kind(m): m for m in masks}
    best = next((kinds[k] for k in _RANK if k in kinds), None)
    return [best] if best else sorted(masks)


def _is_class(value: int, names: tuple[str, ...]) -> bool:
    return 0 <= value < len(names) and names[value] not in mask_pixels.BACKGROUND


def _city_instances(pixels: np.ndarray, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Above 1000, a number is class * 1000 + instance; below, a class whose instances are not told apart."""
    found = []
    for value in mask_pixels.values(pixels):
        category = value // 1000 if value >= 1000 else value
        if _is_class(category, names):
            found.append({"class": names[category], **mask_pixels.region(pixels == value)})
    return found
