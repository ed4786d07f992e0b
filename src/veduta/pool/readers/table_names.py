"""Whether a table beside images speaks of them: which of its columns names images, and from which folder they count."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from veduta.errors import SourceError
from veduta.pool.readers import csv_text, folder_names, images
from veduta.pool.readers.lookup import Lookup
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.path_columns import IDS, PATH_COLUMNS, named, named_by, of_values
from veduta.pool.readers.records import Records
from veduta.pool.readers.survey import MOST_NAMES, Survey
from veduta.pool.readers.tree import Tree

# Rows read of a table to see what it names; folders of images from which its names may count.
ROWS, FOLDERS = 20, 50
MOST_OF = 0.9  # of the names that are there, those below one folder, if they count from it
# Up to so many images, names are also looked for wherever they may lie.
MOST_IMAGES = 200_000


@dataclass(slots=True, frozen=True)
class Named:
    """column: names the images; prefix: the folder that the names count from, "" or ending in "/"."""

    column: str
    prefix: str


class TableNames:
    """Looks into the tables of one tree. Memory: with tables whose names are not found at once, 300 bytes an image."""

    def __init__(self, survey: Survey, tree: Tree) -> None:
        self._survey, self._tree = survey, tree
        self._lookup: Lookup | None = None
        self._holders = _holders(survey)

    def columns(self, path: str) -> list[str]:
        """The columns of the first rows."""
        return list(dict.fromkeys(name for row in self._first(path) for name in row))

    def find(self, path: str, image: str | None = None) -> Named | None:
        """The first column most of whose first values name images of the tree. image: look at this column only."""
        rows = self._first(path)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        flat = [{name: next(iter(named_by(value)), None) for name, value in row.items()} for row in rows]
        if image is not None:
            sure, more = [name for name in columns if name == image], []
        else:
            paths = [name for name in (named(columns, [wanted]) for wanted in PATH_COLUMNS) if name]
            ids = [name for name in (named(columns, [wanted]) for wanted in IDS) if name]
            sure = [name for name in dict.fromkeys([*paths, of_values(flat), *ids]) if name]
            more = [name for name in columns if name not in sure and _may_name([row.get(name) for row in flat])]
        for column in [*sure, *more]:
            prefix = self._prefix(path, _names(rows, column))
            if prefix is not None:
                return Named(column, prefix)
        return next((Named(c, _folder(path)) for c in sure if self._are_somewhere(path, _names(rows, c))), None)

    def _first(self, path: str) -> list[dict[str, Any]]:
        if not self._survey.head(self._tree, path):
            return []
        try:
            return Records(self._tree.place(path), Notes()).first(ROWS)
        except (SourceError, OSError, ValueError):
            return []

    def _prefix(self, path: str, names: Sequence[str]) -> str | None:
        """The folder from which most names count; the table's own where they count from several."""
        folder, _, name = path.rpartition("/")
        split = folder_names.split(posixpath.splitext(name)[0])
        own = [folder, *(f for f in self._holders if f and f"{f}/".startswith(f"{folder}/" if folder else ""))]
        if split:
            own.sort(key=lambda f: not any(folder_names.split(part) == split for part in f.split("/")))
        found: set[int] = set()
        best, most = "", 0
        for prefix in own:
            here = {i for i, n in enumerate(names) if any(self._is_there(posixpath.join(prefix, t)) for t in _tails(n))}
            found |= here
            if len(here) > most:
                best, most = prefix, len(here)
            if most == len(names):
                break
        if not found or 2 * len(found) < len(names):
            return None
        if most < MOST_OF * len(found):
            return _folder(path)
        return f"{best}/" if best else ""

    def _is_there(self, path: str) -> bool:
        """Whether an image has this path, or this path and a suffix."""
        folder, base = posixpath.split(posixpath.normpath(path))
        if folder not in self._survey.suffixes:
            return False
        counts = self._survey.suffixes[folder]
        ends = [images.suffix(base)] if images.is_image(base) else [e for e in counts if e in images.SUFFIXES]
        for end in ends:
            name = base if images.is_image(base) else f"{base}{end}"
            if name in self._survey.names.get((folder, end), ()):
                return True
            both = (name, name[: -len(end)] + end.upper())
            if counts[end] > MOST_NAMES and any(self._tree.find(posixpath.join(folder, n)) for n in both):
                return True
            if end and both[1] in self._survey.names.get((folder, end), ()):
                return True
        return False

    def _are_somewhere(self, path: str, names: Sequence[str]) -> bool:
        if not names or self._survey.images > MOST_IMAGES:
            return False
        if self._lookup is None:
            self._lookup = Lookup(self._survey.every(self._tree, *images.SUFFIXES))
        folder = _folder(path)
        return 2 * sum(self._lookup.match(name, folder) is not None for name in names) >= len(names)


def _folder(path: str) -> str:
    return f"{posixpath.dirname(path)}/".removeprefix("/") if "/" in path else ""


def _names(rows: Sequence[dict[str, Any]], column: str) -> list[str]:
    return [name for row in rows for name in named_by(row.get(column))[:1]]


def _may_name(values: Sequence[Any]) -> bool:
    """Whether values of a column that is not called like one of names could be some: texts, most of them different."""
    texts = [v for v in values if isinstance(v, str) and csv_text.cell_kind(v) == csv_text.TEXT]
    return bool(texts) and 2 * len(texts) > len(values) and 2 * len(set(texts)) > len(texts)


def _tails(name: str) -> Iterator[str]:
    """The name, and its ends below a folder: paths of another machine are found by these."""
    parts = [part for part in name.replace("\\", "/").split("/") if part]
    yield from ("/".join(parts[i:]) for i in range(len(parts)))


def _holders(survey: Survey) -> list[str]:
    """Folders with images from which paths may count: the first of them, with all above."""
    found: dict[str, None] = {}
    holding = (f for f, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys())
    for folder in itertools.islice(holding, FOLDERS):
        parts = folder.split("/")
        found |= dict.fromkeys("/".join(parts[: i + 1]) for i in range(len(parts)))
    return list(found)
