"""Roboflow's tables: `_annotations.csv` (boxes) and `_classes.csv` (several labels an image), one for each split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from veduta.errors import SourceError
from veduta.pool.readers.layouts.gather import Entry, because, gather
from veduta.pool.readers.layouts.noted import Noted, whole
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_BOXES = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


class Roboflow:
    """The layout `roboflow`. Images that `_annotations.csv` does not name are rows without objects."""

    name = "roboflow"
    title = "Roboflow CSV"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(self._found(survey, tree), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else self._found(survey, tree)
        return gather(self.title, tree, files, read, notes, only_named=False)

    def _found(self, survey: Survey, tree: Tree) -> list[str]:
        named = [p for p in survey.paths(".csv") if p.rpartition("/")[2] in ("_annotations.csv", "_classes.csv")]
        return [p for p in named if survey.head(tree, p).lstrip(b"\xef\xbb\xbf").startswith(b"filename")]


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """One entry an image, in the order of the table."""
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), skipinitialspace=True, strict=True)
        head = [h.strip() for h in rows.fieldnames or []]
        rows.fieldnames = head
        yield from _boxes(rows, path, notes) if set(_BOXES) <= set(head) else _classes(rows, head, path, notes)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}") from None


def _boxes(rows: csv.DictReader[str], path: str, notes: Notes) -> Iterator[Entry]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = row["filename"]
        try:
            x0, y0, x1, y1 = (float(row[k]) for k in _BOXES[4:])
        except (TypeError, ValueError):
            notes.count("rows without a sound box left out")
            continue
        record = found.setdefault(name, {"width": whole(row["width"]), "height": whole(row["height"]), "objects": []})
        record["objects"].append({"class": row["class"], "bbox": [x0, y0, x1 - x0, y1 - y0]})
    yield from (Entry([name], record) for name, record in found.items() if name)


def _classes(rows: csv.DictReader[str], head: list[str], path: str, notes: Notes) -> Iterator[Entry]:
    for row in rows:
        values = {h: str(row[h]).strip() for h in head[1:] if h}
        if any(v not in ("0", "1") for v in values.values()):
            raise SourceError(f"{path} is not a table of classes: its columns must hold 0 or 1")
        labels = [h for h, v in values.items() if v == "1"]
        record: dict[str, Any] = {"labels": labels}
        if len(labels) == 1:
            record["label"] = labels[0]
        yield Entry([row["filename"]], record)
