"""Finds the tables that speak of a tree's images: by their names in any folder, and by what their rows name."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool.readers import folder_names, images, sidecar
from veduta.pool.readers.infer import join
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.path_columns import PATH_COLUMNS, named
from veduta.pool.readers.survey import MOST_NAMES, Survey
from veduta.pool.readers.table_names import TableNames
from veduta.pool.readers.tree import Tree

_ENDS = (".csv", ".tsv", ".jsonl", ".ndjson")
TABLES = 8  # of one suffix in one folder that are looked into
OPTION = "image='...' (--image-column)"


@dataclass(slots=True, frozen=True)
class SidecarFile:
    """A table of images. path: its own; prefix: the folder its paths count from, "" or ending in "/"; split: its split.

    column: the column that names the images; found record by record when None.
    """

    path: str
    prefix: str
    split: str | None
    column: str | None = None


@dataclass(slots=True)
class Found:
    """files: the tables of images. refused: path -> why another table is not one, in the plural."""

    files: list[SidecarFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def find(survey: Survey, tree: Tree, is_used: Callable[[str], bool], image: str | None = None) -> Found:
    """All such tables, sorted by folder: those of `sidecar.NAMES` in each, then those whose rows name images.

    The first of `sidecar.NAMES` in a folder is one whatever it names, so that what is missing is told.
    is_used: whether a file belongs to an annotation layout already. image: the column that names the images.
    Raises BadInput if no table has that column.
    """
    found, names = Found(), TableNames(survey, tree)
    is_ours = tree.find(sidecar.SCHEMA_FILE) is not None
    for folder in sorted(survey.suffixes):
        prefix = f"{folder}/" if folder else ""
        known = [n for n in sidecar.NAMES if _is_there(survey, tree, folder, n) and not is_used(prefix + n)]
        has_first = False
        for name in dict.fromkeys([*known, *_others(survey, folder)]):
            path = prefix + name
            if is_used(path) or (is_ours and has_first and name in known):
                continue
            if "submission" in name.lower():
                found.refused[path] = "sample submissions, whose values are placeholders"
                continue
            by_text = images.suffix(name) in (*_ENDS, ".json", ".txt")
            seen = names.find(path, image) if by_text else None
            # JSON files of these names may be anything: they must name images.
            if (
                name in known
                and not has_first
                and (seen or not name.endswith(".json"))
                and not (image and by_text and not seen)
            ):
                has_first = True
                found.files.append(SidecarFile(path, prefix, None, seen.column if seen else None))
            elif seen:
                split = None if name in known else folder_names.split(posixpath.splitext(name)[0])
                found.files.append(SidecarFile(path, prefix if name in known else seen.prefix, split, seen.column))
            elif by_text:
                found.refused[path] = _why(names, path, image)
    if image is not None and not any(f.column == image for f in found.files):
        there = [
            f"{path} ({', '.join(names.columns(path))})" for path in [*(f.path for f in found.files), *found.refused]
        ]
        raise BadInput(
            f"{tree.name}: no table beside the images names them in a column '{image}'; "
            f"tables: {'; '.join(there[:5]) or 'none'}"
        )
    return found


def _why(names: TableNames, path: str, image: str | None) -> str:
    if image is not None and image in names.columns(path):
        return f"tables whose column '{image}' names no images that are here"
    if image is not None:
        return f"tables without a column '{image}'"
    return f"tables none of whose columns names most images that are here; name it with {OPTION}"


def _is_there(survey: Survey, tree: Tree, folder: str, name: str) -> bool:
    end = images.suffix(name)
    if name in survey.names.get((folder, end), ()):
        return True
    return survey.suffixes[folder][end] > MOST_NAMES and tree.find(posixpath.join(folder, name)) is not None


def _others(survey: Survey, folder: str) -> Iterator[str]:
    for end in _ENDS:
        if survey.suffixes[folder][end] <= TABLES:
            yield from survey.names.get((folder, end), ())


class Beside:
    """The records of all tables, as `sidecar.Sidecars` has them; those of `train.csv` have its split."""

    def __init__(self, files: list[SidecarFile], tree: Tree, notes: Notes, encoding: str | None = None) -> None:
        self._groups: list[tuple[str | None, sidecar.Sidecars]] = []
        self.used: set[str] = set()
        self.types: dict[str, pa.DataType] = {}
        self.written: dict[str, pa.DataType] = {}  # without what the tables' own names say
        self.paths = {file.path for file in files}
        self.broken: set[str] = set()
        for file in files:
            if file.column and not named([file.column], (*PATH_COLUMNS, "file_names")):
                notes.guess("the column that names images", f"'{file.column}' of {file.path}", OPTION)
        for split in dict.fromkeys(file.split for file in files):
            mine = [f for f in files if f.split == split and self._can_be_opened(f, tree, notes)]
            group = [(f.prefix, tree.place(f.path)) for f in mine]
            one = sidecar.Sidecars(group, notes, columns=[f.column for f in mine], encoding=encoding)
            self.broken |= {mine[number].path for number in one.broken}
            self._groups.append((split, one))
            self.used |= one.used
            self.written |= one.types
            kinds = {**one.types, "split": pa.string()} if split and "split" not in one.types else one.types
            for name, kind in kinds.items():
                self.types[name] = join(self.types[name], kind) if name in self.types else kind

    def _can_be_opened(self, file: SidecarFile, tree: Tree, notes: Notes) -> bool:
        """Whether a table can be taken out of its archive; told where not."""
        try:
            tree.place(file.path)
        except (OSError, SourceError) as error:
            self.broken.add(file.path)
            notes.problem(file.path, f"cannot be read: {error}", hides="all")
            return False
        return True

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
