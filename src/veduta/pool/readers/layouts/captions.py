"""Texts beside images: `x.jpg` with `x.txt`, `x.caption`, `x.tags` or `x.json`, as trainers and img2dataset leave them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from veduta.pool.readers import images, json_bounds
from veduta.pool.readers.infer import clean, join, kind
from veduta.pool.readers.layouts import texts
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import File, Tree

ENDS = (".txt", ".caption", ".captions", ".tags")
# Texts read to see whether they are captions; numbers alone are boxes or classes of another program.
TRIED = 12
MOST_JSON = 1 << 20
_SETTING = re.compile(r"[A-Za-z][\w.@-]{0,30}=")
_CAPTION = ("captions", "caption", "text")


class Captions:
    """A text file a picture is its caption, one a line if there are several lines; the fields of a JSON file are columns.

    The file has the picture's name, with or without its suffix (`x.txt`, `x.jpg.txt`). Texts of numbers are not taken.
    """

    name = "captions"
    weak = True

    def claim(self, survey: Survey, tree: Tree) -> str:
        found: list[tuple[str, int]] = []
        for end in (*ENDS, ".json"):
            pairs = list(_pairs(survey, end))
            read = [text for path in pairs[:TRIED] if (text := _peek(tree, path))]
            good = [
                text for text in read if (_fields(text) is not None if end == ".json" else not texts.is_numbers(text))
            ]
            if good and 2 * len(good) > len(read):
                found.append((end, survey.count(end)))
        if not found:
            return ""
        many = " and ".join(f"{count:,} {end} file{'s' if count != 1 else ''}" for end, count in found)
        return f"{many} beside images"

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> BesideImages:
        return BesideImages(survey, tree, notes)


class BesideImages:
    """The texts of one tree, read when their image comes. Memory: the survey's.

    The columns are those of the first 64 JSON files of each folder; a field that only later ones have is counted.
    """

    labelled = False

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        self._survey, self._tree, self._notes = survey, tree, notes
        found: dict[str, pa.DataType] = {}
        for path in _pairs(survey, ".json"):
            for name, value in (_fields(_peek(tree, path)) or {}).items():
                found[name] = join(found.get(name, pa.null()), kind(value))
        for name in _CAPTION:
            found.pop(name, None)
        self.types = {"captions": pa.list_(pa.string()), **found}

    def record(self, path: str) -> dict[str, Any] | None:
        record: dict[str, Any] = {}
        captions: list[str] = []
        for file in self._beside(path):
            is_json = images.suffix(file.name) == ".json"
            text = texts.read(file, self._notes, MOST_JSON if is_json else texts.MOST_BYTES)
            if not is_json:
                captions += self._lines(text)
                continue
            fields = _fields(text)
            if fields is None:
                if text:
                    self._notes.problem(file.path, "not a JSON object")
                continue
            given = next((fields[name] for name in _CAPTION if fields.get(name)), None)
            captions += [str(c) for c in (given if isinstance(given, list) else [given]) if c is not None]
            more = [name for name in fields if name not in self.types and name not in _CAPTION]
            if more:
                self._notes.count("fields of JSON files that the first files do not have left out", len(more))
            record |= {name: value for name, value in fields.items() if name in self.types}
        if captions:
            record["captions"] = list(dict.fromkeys(captions))
        return record or None

    def is_row(self, path: str) -> bool:
        return True

    def is_used(self, path: str) -> bool:
        stem, end = posixpath.splitext(path)
        if end.lower() not in (*ENDS, ".json"):
            return False
        if images.is_image(stem):
            return self._tree.find(stem) is not None
        ends = self._survey.suffixes.get(path.rpartition("/")[0], {}).keys() & images.SUFFIXES
        return any(self._tree.find(stem + e) is not None for end in sorted(ends) for e in (end, end.upper()))

    def report(self, notes: Notes) -> None:
        self._notes = notes

    def _lines(self, text: str) -> list[str]:
        if texts.is_numbers(text):
            return []
        found = texts.lines(text)
        plain = [line for line in found if not _SETTING.match(line)]
        if plain and len(plain) < len(found):
            self._notes.count("lines like 'name=value' in texts beside images left out", len(found) - len(plain))
            return plain
        return found

    def _beside(self, path: str) -> Iterator[File]:
        there = self._survey.suffixes.get(path.rpartition("/")[0], {})
        for end in (*ENDS, ".json"):
            if end not in there:
                continue
            for name in (posixpath.splitext(path)[0] + end, path + end):
                file = self._tree.find(name)
                if file is not None:
                    yield file


def _pairs(survey: Survey, end: str) -> Iterator[str]:
    """Of the names that a survey keeps, the paths of files with a suffix that are called like an image beside them."""
    for folder in sorted({f for f, e in survey.names if e == end}):
        kept = {name for e in images.SUFFIXES & survey.suffixes[folder].keys() for name in survey.names[folder, e]}
        kept |= {posixpath.splitext(name)[0] for name in kept}
        for name in survey.names[folder, end]:
            if posixpath.splitext(name)[0] in kept:
                yield f"{folder}/{name}" if folder else name


def _peek(tree: Tree, path: str) -> str:
    file = tree.find(path)
    return texts.read(file, Notes(), MOST_JSON) if file else ""


def _fields(text: str) -> dict[str, Any] | None:
    """The fields of a JSON object; None if it is none."""
    try:
        found = json_bounds.loads(text) if text else None
    except ValueError:
        return None
    return {clean(str(k)): v for k, v in found.items() if str(k)} if isinstance(found, dict) else None
