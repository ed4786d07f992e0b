"""What an annotation layout is: it claims a tree by its marks, then gives a record for each image."""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree


class Annotations(Protocol):
    """The loaded annotations of one source.

    types: the columns of its records, by the names that `fields` documents (`label`, `labels`, `captions`, `split`,
    `objects` as a list of COCO-like mappings, `width` and `height` as the annotation file states them, ...) and own ones.
    A record with `relative` true has coordinates in fractions of the displayed picture; the tree's reader makes them
    pixels (`size.in_pixels`) from the picture's header. `loose` names fields that only stand in for what cannot be read
    (see `Item.loose`). A record of nothing but a split and `relative` says nothing else of the image.
    folders, where it is there: those that hold masks or their like and no row, so that their names mean nothing.
    labelled: whether a record without a label means that there is none, so that folders' names are not asked.
    Where the annotations name images that are not there, `absent` has their records by the path or URL that they would
    have (each becomes a row that cannot be read), and `rows` says how many rows there are in all (see `Noted`).
    """

    types: dict[str, pa.DataType]
    labelled: bool

    def record(self, path: str) -> dict[str, Any] | None:
        """What is known of the image at `path`; None if the annotations do not speak of it."""
        ...

    def is_row(self, path: str) -> bool:
        """Whether an image file is a row; masks and their like are not."""
        ...

    def is_used(self, path: str) -> bool:
        """Whether a file that is not an image belongs to the annotations, so that it is not told as left aside."""
        ...

    def report(self, notes: Notes) -> None:
        """After all images: tell what was named and not found, and start afresh."""
        ...


class Layout(Protocol):
    """One way in which programs leave annotations beside images. `title`, if there is one, is its name in words; `weak`, if true,
    says that its marks are slight, so that it is not told as left aside where another layout is used."""

    name: str

    def claim(self, survey: Survey, tree: Tree) -> str:
        """Why this tree is of this layout, in words for a person ("data.yaml names 3 classes, 72 label files"), or ""."""
        ...

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        """Read the annotations, all at once or file by file when a record is asked for."""
        ...


# The type of an `objects` column of COCO-like mappings; what else they hold is made into attributes.
OBJECTS = pa.list_(pa.struct([pa.field("class", pa.string())]))
