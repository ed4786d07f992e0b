"""Labelbox: the NDJSON export (one data row a line, with its labels by project)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from veduta.errors import SourceError
from veduta.pool.readers import json_bounds
from veduta.pool.readers.layouts import shapes
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather, listed, plain
from veduta.pool.readers.layouts.noted import Noted, whole
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

SUFFIXES = (".ndjson", ".jsonl", ".json")


def is_labelbox(head: bytes) -> bool:
    """Whether the start of a file is that of an NDJSON export of Labelbox."""
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"{") and b'"data_row"' in start[:64] and b'"row_data"' in head


class Labelbox:
    """The layout `labelbox`. Of several labels of a data row the first is taken; the others are counted."""

    name = "labelbox"
    title = "Labelbox"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(claimed(survey, tree, SUFFIXES, is_labelbox), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else claimed(survey, tree, SUFFIXES, is_labelbox)
        return gather(self.title, tree, files, read, notes, asked=self._files is not None)


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """All data rows that are images."""
    rows = 0
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json_bounds.loads(line)
            facts = row["data_row"]
            rows += 1
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            notes.problem(f"{path}, line {number}", f"not a data row of Labelbox: {error}", hides="all")
            continue
        names = _names(facts)
        if names:
            yield Entry(names, _record(row, notes))
        else:
            notes.count("data rows without a picture left out")
    if not rows:
        raise SourceError(f"{path} is not Labelbox's: no line holds a `data_row`")


def _names(facts: Any) -> list[str]:
    """external_id is the file's name as it was uploaded, row_data its address."""
    if not isinstance(facts, dict):
        return []
    given = [v for k in ("external_id", "global_key") if isinstance(v := facts.get(k), str) and v]
    place = facts.get("row_data")
    if isinstance(place, str) and place:
        given += [unquote(urlsplit(place).path).lstrip("/")] if "://" in place else [place]
    return list(dict.fromkeys(n for n in given if posixpath.basename(n)))


def _record(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
    media = row.get("media_attributes") if isinstance(row.get("media_attributes"), dict) else {}
    record: dict[str, Any] = {"width": whole(media.get("width")), "height": whole(media.get("height"))}
    details = row["data_row"].get("details")
    if isinstance(details, dict) and details.get("dataset_name"):
        record["dataset"] = str(details["dataset_name"])
    projects = row.get("projects")
    labels = [
        label
        for project in (projects.values() if isinstance(projects, dict) else ())
        if isinstance(project, dict)
        for label in listed(project.get("labels"))
        if isinstance(label, dict) and isinstance(label.get("annotations"), dict)
    ]
    if len(labels) > 1:
        notes.count("further labels of the same data row left aside", len(labels) - 1)
    if labels:
        given = labels[0]["annotations"]
        things = [_object(o, notes) for o in listed(given.get("objects")) if isinstance(o, dict)]
        record["objects"] = [t for t in things if t]
        _classify(record, [c for c in listed(given.get("classifications")) if isinstance(c, dict)])
    return record


def _object(given: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    thing: dict[str, Any] | None = None
    try:
        if isinstance(box := given.get("bounding_box"), dict):
            thing = {"bbox": [float(box[k]) for k in ("left", "top", "width", "height")]}
        elif given.get("polygon"):
            thing = shapes.polygon([_point(p) for p in given["polygon"]])
        elif given.get("line"):
            thing = {**shapes.line([_point(p) for p in given["line"]]), "shape": "line"}
        elif isinstance(given.get("point"), dict):
            thing = shapes.keypoints([_point(given["point"])])
        elif given.get("mask") or given.get("composite_mask"):
            notes.count("masks that lie on Labelbox's server left out")
            return None
    except (KeyError, TypeError, ValueError):
        thing = None
    if thing is None:
        notes.count("malformed or unknown objects dropped")
        return None
    return {**_answers(given.get("classifications")), **thing, "class": given.get("name") or given.get("value")}


def _point(given: dict[str, Any]) -> tuple[float, float]:
    return float(given["x"]), float(given["y"])


def _classify(record: dict[str, Any], classifications: list[dict[str, Any]]) -> None:
    """Answers of the whole picture: a column each; those that name classes are its labels as well."""
    found = _answers(classifications)
    record |= {k: v for k, v in found.items() if k not in record}
    names = []
    for one in classifications:
        names += [one["radio_answer"]] if isinstance(one.get("radio_answer"), dict) else []
        names += listed(one.get("checklist_answers"))
    labels = [str(n.get("name")) for n in names if isinstance(n, dict) and n.get("name")]
    if labels:
        record["labels"] = labels
        if len(labels) == 1:
            record["label"] = labels[0]


def _answers(classifications: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in classifications if isinstance(classifications, list) else []:
        if not isinstance(one, dict):
            continue
        name = str(one.get("name") or one.get("value"))
        for answer in (one.get("radio_answer"), one.get("text_answer")):
            if isinstance(answer, dict):
                out[name] = answer.get("name") if "name" in answer else answer.get("content")
        many = one.get("checklist_answers")
        if isinstance(many, list):
            out[name] = [str(a.get("name")) for a in many if isinstance(a, dict)]
    return {k: v for k, v in out.items() if plain(v) or isinstance(v, list)}
