"""Open Images: tables of boxes and image labels by ImageID, the stem of the image; FiftyOne keeps them in folders.

Tables are known by their header, whatever they are called. Of the full tables only the rows of images that are there
are kept. Human-verified labels that are present become `labels`, those that are absent `absent_labels`; labels of
machines become `machine_labels` with `machine_scores`.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from veduta.errors import SourceError
from veduta.pool.readers import images, places
from veduta.pool.readers.layouts import reading
from veduta.pool.readers.layouts.base import OBJECTS, Annotations
from veduta.pool.readers.layouts.beside import split_of
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_SPLIT = re.compile(r"(?:^|[/_-])(train|validation|val|test)(?=[/_-])")
_BOX = ("XMin", "XMax", "YMin", "YMax")
_FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_FACTS = {
    "License": "license",
    "Author": "author",
    "OriginalURL": "source_url",
    "Title": "title",
    "Rotation": "rotation",
}
_HEAD = 1 << 16


class OpenImages:
    """Claims a tree with a CSV whose header has ImageID, LabelName and Confidence."""

    name, title = "open-images", "Open Images"

    def claim(self, survey: Survey, tree: Tree) -> str:
        if not survey.images:
            return ""
        tables = [(p, kind) for p in survey.paths(".csv") if (kind := _kind(_header(tree, p)))]
        named = [p for p, kind in tables if kind in ("boxes", "labels")]
        return f"{', '.join(named[:3])} with ImageID and LabelName" if named else ""

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Annotations:
        return _Tables(survey, tree, notes)


class _Tables:
    """All tables, read at once. Memory: about 500 bytes for each box of an image that is there."""

    labelled = True

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        texts = pa.list_(pa.string())
        self.types: dict[str, pa.DataType] = {"split": pa.string()}
        self._notes = notes
        self._names: dict[str, str] = {}
        self._used: set[str] = set()
        self._masks: set[str] = set()
        self._found: dict[str, dict[str, Any]] = defaultdict(dict)
        paths = survey.every(tree, *images.SUFFIXES)
        self._ids = pa.array(sorted({posixpath.splitext(posixpath.basename(p))[0] for p in paths}), pa.string())
        tables = [(p, kind) for p in survey.paths(".csv") if (kind := _kind(_header(tree, p)))]
        for path, kind in sorted(tables, key=lambda t: t[1] != "names"):
            self._used.add(path)
            if kind == "names":
                self._read_names(tree, path)
            else:
                self._read(tree, path, kind)
        kinds = {kind for _, kind in tables}
        self.types |= {"objects": OBJECTS} if "boxes" in kinds else {}
        if "labels" in kinds:
            self.types |= {"labels": texts, "absent_labels": texts}
        if any("machine_labels" in record for record in self._found.values()):
            self.types |= {"machine_labels": texts, "machine_scores": pa.list_(pa.float64())}
        if "images" in kinds:
            self.types |= {column: pa.string() for column in _FACTS.values()} | {"rotation": pa.float64()}
        if not self._names:
            notes.warn("class names", "no class-descriptions table: classes are called by their ids (/m/...)")

    def record(self, path: str) -> dict[str, Any] | None:
        stem = posixpath.splitext(posixpath.basename(path))[0]
        found = self._found.get(stem)
        if found is None:
            self._notes.count("images without a row in the Open Images tables")
            return {"split": split_of(path)}
        return {**found, "split": split_of(path) or found.get("split"), "relative": True}

    def is_row(self, path: str) -> bool:
        return posixpath.basename(path) not in self._masks

    def is_used(self, path: str) -> bool:
        return path in self._used

    def report(self, notes: Notes) -> None:
        if self._masks:
            notes.skip(f"{len(self._masks):,} masks", "Open Images segmentation is not read", "Open Images masks")

    def _read_names(self, tree: Tree, path: str) -> None:
        for row in csv.reader((reading.text(tree, path, self._notes) or "").splitlines()):
            if len(row) >= 2 and row[0].startswith("/"):
                self._names[row[0].strip()] = row[1].strip()

    def _read(self, tree: Tree, path: str, kind: str) -> None:
        said = _SPLIT.search(path.lower())
        number = missing = 0
        try:
            with places.open_binary(tree.place(path)) as stream, _open(stream, _header(tree, path)) as table:
                for batch in table:
                    here = batch.filter(pc.is_in(batch["ImageID"], value_set=self._ids))
                    number, missing = number + len(here), missing + len(batch) - len(here)
                    for row in here.to_pylist():
                        record = self._found[row["ImageID"]]
                        if said:
                            record.setdefault("split", said[1])
                        getattr(self, f"_add_{kind}")(path, row, record)
        except (OSError, pa.ArrowException, SourceError) as error:
            words = f"cannot be read to its end: {' '.join(str(error).split())[:160]}"
            self._notes.problem(path, words, hides="all")
        if missing:
            self._notes.count(f"rows of {posixpath.basename(path)} of images that are not there", missing)

    def _add_boxes(self, path: str, row: dict[str, str], record: dict[str, Any]) -> None:
        try:
            x0, x1, y0, y1 = (float(row[side]) for side in _BOX)
        except (TypeError, ValueError):
            self._notes.problem(f"{path}: {row['ImageID']}", "a box whose corners are not numbers is left out")
            return
        thing: dict[str, Any] = {"class": self._name(row["LabelName"]), "bbox": [x0, y0, x1 - x0, y1 - y0]}
        thing |= {flag: row[flag] == "1" for flag in _FLAGS if row.get(flag) in ("0", "1")}
        thing |= {"iscrowd": True} if thing.get("IsGroupOf") else {}
        thing |= {"source": row["Source"]} if row.get("Source") else {}
        score = _number(row.get("Confidence"))
        thing |= {"score": score} if score not in (None, 1.0) else {}
        record.setdefault("objects", []).append(thing)

    def _add_labels(self, path: str, row: dict[str, str], record: dict[str, Any]) -> None:
        name, score = self._name(row["LabelName"]), _number(row.get("Confidence"))
        if row.get("Source") == "machine":
            record.setdefault("machine_labels", []).append(name)
            record.setdefault("machine_scores", []).append(score)
            return
        kind = "absent_labels" if score == 0 else "labels"
        if name not in record.setdefault(kind, []):
            record[kind].append(name)
        if score not in (None, 0.0, 1.0):
            self._notes.count("image labels with a confidence between 0 and 1, taken as present")

    def _add_images(self, path: str, row: dict[str, str], record: dict[str, Any]) -> None:
        record |= {column: row[name] for name, column in _FACTS.items() if row.get(name)}
        record["rotation"] = _number(row.get("Rotation"))
        record["split"] = row.get("Subset") or record.get("split")

    def _add_masks(self, path: str, row: dict[str, str], record: dict[str, Any]) -> None:
        self._masks.add(posixpath.basename(row["MaskPath"]))

    def _name(self, id_: str) -> str:
        if self._names and id_ not in self._names:
            self._notes.count("classes that no class-descriptions table names, called by their ids")
        return self._names.get(id_, id_)


def _kind(header: list[str]) -> str:
    """What a table with these first cells is; "" if it is none of these."""
    cells = set(header)
    if {"ImageID", "LabelName", *_BOX} <= cells:
        return "boxes"
    if {"ImageID", "LabelName", "MaskPath"} <= cells:
        return "masks"
    if {"ImageID", "LabelName", "Confidence"} <= cells:
        return "labels"
    if {"ImageID", "OriginalURL"} <= cells:
        return "images"
    if len(header) == 2 and (
        header[0].startswith(("/m/", "/g/", "/j/", "/t/")) or header == ["LabelName", "DisplayName"]
    ):
        return "names"
    return ""


def _header(tree: Tree, path: str) -> list[str]:
    try:
        with places.open_binary(tree.place(path)) as stream:
            line = stream.readline(_HEAD).decode("utf-8-sig", "replace")
    except (OSError, SourceError):
        return []
    return [cell.strip() for cell in next(csv.reader([line]), [])]


def _open(stream: Any, header: list[str]) -> Any:
    """A table as batches of text cells."""
    wanted = {"ImageID", "LabelName", "Source", "Confidence", "Subset", "MaskPath", *_BOX, *_FLAGS, *_FACTS}
    columns = [name for name in header if name in wanted]
    return arrow_csv.open_csv(
        stream,
        read_options=arrow_csv.ReadOptions(encoding="utf8"),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
