"""Finds the tables that speak of a tree's images: by their names in any folder, and by what their rows name."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.readers import folder_names, images, sidecar
from veduta.pool.readers.infer import join
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.records import Records
from veduta.pool.readers.survey import MOST_NAMES, Survey
from veduta.pool.readers.tree import Tree

_ENDS = (".csv", ".tsv", ".jsonl", ".ndjson")
# Rows read of a table of another name to see what it names, and tables of one suffix looked at in one folder.
ROWS, TABLES = 20, 8


@dataclass(slots=True, frozen=True)
class SidecarFile:
    """A table of images. path: its own; prefix: the folder its paths count from, "" or ending in "/"; split: its split."""

    path: str
    prefix: str
    split: str | None


def find(survey: Survey, tree: Tree, is_used: Callable[[str], bool]) -> list[SidecarFile]:
    """All such tables, sorted by folder: the first of `sidecar.NAMES` in each, then those whose rows name images.

    is_used: whether a file belongs to an annotation layout already.
    """
    found = []
    for folder in sorted(survey.suffixes):
        prefix = f"{folder}/" if folder else ""
        known = next((n for n in sidecar.NAMES if _is_known(survey, tree, prefix, n, is_used)), None)
        if known:
            found.append(SidecarFile(prefix + known, prefix, None))
        for name in _others(survey, folder):
            path = prefix + name
            counted_from = None if name in sidecar.NAMES or is_used(path) else _prefix(survey, tree, path)
            if counted_from is not None:
                found.append(SidecarFile(path, counted_from, folder_names.split(posixpath.splitext(name)[0])))
    return found


def _is_known(survey: Survey, tree: Tree, prefix: str, name: str, is_used: Callable[[str], bool]) -> bool:
    """Whether a table of a known name is there. JSON files of these names may be anything: they must name images."""
    if not _is_there(survey, tree, prefix.rstrip("/"), name) or is_used(prefix + name):
        return False
    return not name.endswith(".json") or _prefix(survey, tree, prefix + name) is not None


def _is_there(survey: Survey, tree: Tree, folder: str, name: str) -> bool:
    end = images.suffix(name)
    if name in survey.names.get((folder, end), ()):
        return True
    return survey.suffixes[folder][end] > MOST_NAMES and tree.find(posixpath.join(folder, name)) is not None


def _others(survey: Survey, folder: str) -> Iterator[str]:
    for end in _ENDS:
        if survey.suffixes[folder][end] <= TABLES:
            yield from survey.names.get((folder, end), ())


def _prefix(survey: Survey, tree: Tree, path: str) -> str | None:
    """The folder from which most paths of a table's first rows count; None if it names no images."""
    names = _names(tree, path) if survey.head(tree, path) else []
    folder, _, name = path.rpartition("/")
    split = folder_names.split(posixpath.splitext(name)[0])
    own = [folder, *(f for f in _holders(survey) if f and f"{f}/".startswith(f"{folder}/" if folder else ""))]
    if split:
        own.sort(key=lambda f: not any(folder_names.split(part) == split for part in f.split("/")))
    for prefix in own:
        hits = sum(any(tree.find(posixpath.join(prefix, tail)) is not None for tail in _tails(n)) for n in names)
        if hits and 2 * hits >= len(names):
            return f"{prefix}/" if prefix else ""
    return None


def _tails(name: str) -> Iterator[str]:
    """The name, and its ends below a folder: paths of another machine are found by these."""
    parts = [part for part in name.replace("\\", "/").split("/") if part]
    yield from ("/".join(parts[i:]) for i in range(len(parts)))


def _holders(survey: Survey) -> list[str]:
    """Folders with images from which paths may count: the first of them, with all above."""
    found: dict[str, None] = {}
    for folder in itertools.islice((f for f, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys()), 50):
        parts = folder.split("/")
        found |= dict.fromkeys("/".join(parts[: i + 1]) for i in range(len(parts)))
    return list(found)


def _names(tree: Tree, path: str) -> list[str]:
    try:
        rows = Records(tree.place(path), Notes()).first(ROWS)
    except (SourceError, OSError, ValueError):
        return []
    found = (next((row[c] for c in sidecar.PATH_COLUMNS if isinstance(row.get(c), str) and row[c]), "") for row in rows)
    return [name for name in found if images.is_image(name)]


class Beside:
    """The records of all tables, as `sidecar.Sidecars` has them; those of `train.csv` have its split."""

    def __init__(self, files: list[SidecarFile], tree: Tree, notes: Notes, encoding: str | None = None) -> None:
        self._groups: list[tuple[str | None, sidecar.Sidecars]] = []
        self.used: set[str] = set()
        self.types: dict[str, pa.DataType] = {}
        self.paths = {file.path for file in files}
        for split in dict.fromkeys(file.split for file in files):
            group = [(f.prefix, tree.place(f.path)) for f in files if f.split == split]
            one = sidecar.Sidecars(group, notes, encoding=encoding)
            self._groups.append((split, one))
            self.used |= one.used
            kinds = {**one.types, "split": pa.string()} if split and "split" not in one.types else one.types
            for name, kind in kinds.items():
                self.types[name] = join(self.types[name], kind) if name in self.types else kind

    def __len__(self) -> int:
        return sum(len(group) for _, group in self._groups)

    def find(self, *paths: str) -> dict[str, Any] | None:
        """The record of the first of the paths that has one; of several tables, the first to say a thing is heard."""
        record: dict[str, Any] | None = None
        for split, group in self._groups:
            found = group.find(*paths)
            if found is not None:
                if split and not found.get("split"):
                    found = {**found, "split": split}
                record = {**found, **{k: v for k, v in (record or {}).items() if v is not None}}
        return record

    def doubt(self, *paths: str) -> tuple[bool, str]:
        """Whether a row of the record ends early, and the column at whose cell its file ends (see `sidecar.Sidecars.doubt`)."""
        found = [group.doubt(*paths) for _, group in self._groups]
        return any(short for short, _ in found), next((column for _, column in found if column), "")

    def has(self, path: str) -> bool:
        """Whether an image has a record; reads none."""
        return any(group.has(path) for _, group in self._groups)

    def report_missing(self) -> None:
        """Note the records whose image was not found, then start afresh."""
        for _, group in self._groups:
            group.report_missing()
