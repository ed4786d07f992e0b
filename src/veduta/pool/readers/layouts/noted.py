"""The records of a layout that reads all its annotation files at once, by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from veduta.pool import location
from veduta.pool.readers.infer import join, kind
from veduta.pool.readers.layouts.base import OBJECTS
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import File

Record = dict[str, Any]

TEXT, TEXTS = pa.string(), pa.list_(pa.string())
_TYPES: dict[str, pa.DataType] = {"objects": OBJECTS, "labels": TEXTS, "captions": TEXTS, "label": TEXT}
_TYPES |= dict.fromkeys(("split", "license", "source_url", "author"), TEXT)
_SCHEMES = ("http://", "https://", "s3://", "gs://", "gcs://", "az://", "abfs://", "hf://")


class Noted:
    """Annotations that lie in memory. Memory: the annotations themselves.

    title: the format in words. records: by path of the image; absent: those of images that are not there, by the path
    or URL that they would have; inside: of those, the pictures that an annotation file holds. pictures: how many images the tree has. used: files that belong to the annotations.
    failed: whether none of the annotation files could be read.
    only_named: images that no annotation file names are left aside and told, instead of being rows without annotations.
    finish: makes a stored record into the one that is asked for, given the image's path.
    """

    def __init__(
        self,
        title: str,
        *,
        only_named: bool = False,
        labelled: bool = True,
        finish: Callable[[str, Record], Record] | None = None,
    ) -> None:
        self.title, self.labelled = title, labelled
        self.records: dict[str, Record] = {}
        self.absent: dict[str, Record] = {}
        self.inside: dict[str, File] = {}
        self.used: set[str] = set()
        self.types: dict[str, pa.DataType] = {}
        self.pictures = 0
        self.failed = False
        self._only_named, self._finish = only_named, finish
        self._unnamed: dict[str, None] = {}

    @property
    def rows(self) -> int:
        """How many rows there are, with images that are named and not there."""
        return (len(self.records) if self._only_named else self.pictures) + len(self.absent)

    def take_all(self) -> None:
        """Make images that no annotation names rows as well: where most are not named, they are more than leftovers."""
        self._only_named = False

    def declare(self) -> None:
        """Take the columns' types from the records; to be called once all are there."""
        for record in (*self.records.values(), *self.absent.values()):
            for name, value in record.items():
                self.types[name] = _TYPES.get(name) or join(self.types.get(name, pa.null()), kind(value))

    def record(self, path: str) -> Record | None:
        found = self.records.get(path)
        if found is None:
            found = self.absent.get(path)
        return self._finish(path, found) if found is not None and self._finish else found

    def is_row(self, path: str) -> bool:
        if path in self.records or path in self.absent:
            return True
        if path in self.used:
            return False
        self._unnamed[path] = None
        return not self._only_named

    def is_used(self, path: str) -> bool:
        return path in self.used

    def report(self, notes: Notes) -> None:
        kind_ = f"images that no {self.title} annotation names (to read them too: --layout none)"
        for path in self._unnamed if self._only_named else ():
            notes.skip(path, f"no {self.title} annotation names it", kind_)
        if self._unnamed and not self._only_named:
            notes.count(f"images that no {self.title} annotation names (rows without annotations)", len(self._unnamed))
        self._unnamed.clear()


def absent_file(name: str) -> File:
    """An image that annotations name and that is not there: a URL to be read, or a path that reading refuses."""
    if name.startswith(_SCHEMES):
        return File(name, name, partial(str, ""), partial(location.read, name))
    return File(name, "", partial(str, ""), partial(_missing, name))


def _missing(name: str) -> bytes:
    raise FileNotFoundError(f"{name} is named in the annotations, but there is no such image")


def size(record: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Width and height as a record states them, whole and positive; None for each that is not."""
    width, height = (whole(record.get(k)) for k in ("width", "height"))
    return width, height


def whole(value: Any) -> int | None:
    """A positive whole number given as a number or text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if 0 < number < 2**31 and number == int(number) and not isinstance(value, bool) else None
