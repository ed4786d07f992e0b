"""Metadata files beside images: `metadata.jsonl`, `captions.csv`, `labels.json`, `index.parquet` and their like."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import images, places, source
from veduta.pool.readers.arrow_records import ArrowRecords
from veduta.pool.readers.infer import join
from veduta.pool.readers.lookup import DEEPER, TAIL, Lookup
from veduta.pool.readers.merge import Merger
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.path_columns import IDS, PATH_COLUMNS, named, named_by, of_values
from veduta.pool.readers.records import Records
from veduta.pool.readers.roots import is_link
from veduta.pool.readers.size import header_size
from veduta.pool.readers.source import Source

_FORMS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".json")
NAMES = tuple(stem + end for stem in ("metadata", "index", "captions", "labels") for end in _FORMS)
NAMES = (*NAMES, "annotations.csv", "_annotations.csv", "captions.txt")

PEEK = 50  # records of a file that are looked at to find further columns of images
# Written by Veduta's own exports: the Arrow schema of the pool's columns, so that types survive JSON.
SCHEMA_FILE = "veduta-schema.json"


def open_records(file: str | Source, notes: Notes, **options: Any) -> Records | ArrowRecords:
    """The records of a metadata file: text, or Parquet and Arrow by its suffix."""
    found = source.of(file)
    if source.form(found.name) in (".parquet", ".arrow", ".feather"):
        return ArrowRecords(found, notes)
    return Records(found, notes, **options)


class Sidecars:
    """The records of all metadata files of a source, found by image path. Memory: about 200 bytes a record.

    files: (folder that the file's paths count from, relative to the root, "" or ending in "/"; URI of the file or a
    `Source`, such as a `source.Member` of an archive).
    paths: the images below the root, so that names in another spelling find them (see `lookup`); asked for only where
    a name fits none as it stands. By default those below the folder of the first file.
    columns: of each file, the column that names its images; None to look for it in every record.

    Several records of one image become one (see `merge`).
    """

    def __init__(
        self,
        files: Sequence[tuple[str, str | Source]],
        notes: Notes,
        *,
        paths: Callable[[], Iterable[str]] | None = None,
        columns: Sequence[str | None] = (),
        encoding: str | None = None,
    ) -> None:
        self._notes = notes
        self._folders = [folder for folder, _ in files]
        self._names = [places.base(source.of(file).name) for _, file in files]
        self._index: dict[str, tuple[int, ...]] = {}  # path -> file, place, file, place, ...
        self._raw: dict[str, str] = {}  # path -> the name as it stands, where the path does not show it
        self._matched: set[str] = set()
        self._lookup: Lookup | None = None
        self._meant: dict[str, str] | None = None  # image -> the path under which its record is
        self._given = columns or [None] * len(files)
        self._columns: dict[tuple[str, ...], str | None] = {}
        self._short: set[str] = set()
        self._cut: dict[str, str] = {}
        self._last = ""
        self._nameless = [0] * len(files)
        self._root = _root(files)
        self._paths = paths or self._listed
        self._named_by: list[Counter[str]] = [Counter() for _ in files]  # columns that named images
        self._further: list[Counter[str]] = [Counter() for _ in files]  # columns that name further images
        self._groups: dict[tuple[str, int, int], tuple[str, int]] = {}  # path, file, place -> first path, position
        self.used: set[str] = set()
        self.broken: set[int] = set()  # places in `files` of those that cannot be read
        self._files: dict[int, Records | ArrowRecords] = {}
        types: dict[str, pa.DataType] = {}
        for number, (folder, file) in enumerate(files):
            try:
                records = open_records(file, notes, encoding=encoding)
                self._files[number] = records
                records.scan(lambda place, row, number=number, folder=folder: self._add(folder, number, place, row))
            except SourceError as error:
                if self._is_exact():  # without it, images would get other keys than they had
                    raise
                self._forget(number)
                self.broken.add(number)
                name = source.of(file).name
                notes.problem(folder + self._names[number], str(error).removeprefix(f"{name} "), hides="all")
                continue
            self._tell_nameless(number)
            self._tell_further(number)
            if isinstance(records, Records) and records.cut and self._last:
                self._cut[self._last] = records.cut
            for name, kind in records.types.items():
                types[name] = join(types[name], kind) if name in types else kind
        if self._groups:
            types |= {"group": pa.string(), "position": pa.int32()}
            notes.guess("records with several images", "one for each of them, joined by the column 'group'")
        self._merger = Merger(types, notes, self.used)
        self._plan()
        self.types: dict[str, pa.DataType] = self._merger.types

    def __len__(self) -> int:
        return len(self._index)

    def find(self, *paths: str) -> dict[str, Any] | None:
        """The record of the first of the paths that has one."""
        path = self._place(paths)
        if path is None:
            return None
        self._matched.add(path)
        records = list(self._records(path))
        return self._merger.merge(records, lambda: self._size(paths[0])) if self._merger.is_needed else records[0]

    def doubt(self, *paths: str) -> tuple[bool, str]:
        """Of the record that `find` gives: whether its row ends early, and the column at whose cell its file ends, if it does."""
        path = self._place(paths) or ""
        return path in self._short, self._cut.get(path, "")

    def has(self, path: str) -> bool:
        """Whether an image has a record; reads none."""
        return self._place((path,)) is not None

    def _place(self, paths: Sequence[str]) -> str | None:
        """The path under which the records of an image are kept. Other spellings are asked only where some are open."""
        path = next((p for p in paths if p in self._index), None)
        if path is None and (self._meant is not None or len(self._matched) < len(self._index)):
            meant = self._resolved()
            path = next((meant[p] for p in paths if p in meant), None)
        return path

    def report_missing(self) -> None:
        """Note the records whose image was not found, then start afresh."""
        for path, (number, *_) in self._index.items():
            if path not in self._matched:
                self._notes.problem(
                    path, f"named in {self._names[number]}, but {self._why(path, number)}", hides="nothing"
                )
        self._matched.clear()

    def _why(self, path: str, number: int) -> str:
        """Why a record has no image."""
        self._resolved()
        found = self._lookup.namesakes(self._raw.get(path, path), self._folders[number]) if self._lookup else []
        if len(found) < 2:
            return "there is no such image"
        return f"{len(found):,} images have that name; write their folders before it"

    def _add(self, folder: str, number: int, place: int, row: dict[str, Any]) -> None:
        column = self._given[number] or self._path_column(row)
        names = named_by(row.get(column)) if column else []
        if column is None or not names:
            self._nameless[number] += 1
            if self._nameless[number] == 1:
                wanted = ", ".join(PATH_COLUMNS[:4])
                self._first = f"a record has no column of {wanted}: {json.dumps(dict(row), default=str)[:80]}"
            return
        self._named_by[number][column] += 1
        if self._named_by[number][column] <= PEEK:
            self._further[number].update(n for n, v in row.items() if n != column and _names_image(v))
        records = self._files[number]
        is_short = isinstance(records, Records) and records.is_short(row)
        first = ""
        for position, name in enumerate(dict.fromkeys(names)):
            path = posixpath.normpath(folder + location.escape(name))
            if any(c in name for c in "\\%:") or name.startswith(("/", "..")):
                self._raw[path] = name
            first = first or path
            self._last = path
            if is_short:
                self._short.add(path)
            if len(names) > 1:
                self._groups[path, number, place] = (first, position)
            self._index[path] = (*self._index.get(path, ()), number, place)

    def _forget(self, number: int) -> None:
        """Leave out the records of a file that cannot be read to its end."""
        for path, where in list(self._index.items()):
            left = [v for pair in zip(where[::2], where[1::2], strict=True) if pair[0] != number for v in pair]
            if len(left) < len(where):
                self._index[path] = tuple(left)
                if not left:
                    del self._index[path]

    def _path_column(self, row: Mapping[str, Any]) -> str | None:
        names = tuple(row)
        if names not in self._columns:
            texts = [n for n in names if isinstance(row[n], str)]
            found = named(texts, PATH_COLUMNS) or of_values([row]) or named(texts, IDS)
            if found is None and any(not isinstance(row[n], str) for n in names):
                return None  # the next record of the same columns may have it
            self._columns[names] = found
        return self._columns[names]

    def _tell_nameless(self, number: int) -> None:
        if not self._nameless[number]:
            return
        if self._nameless[number] == self._files[number].count:
            self._notes.skip(self._names[number], f"no metadata of images: {self._first}")
        else:
            self._notes.problem(self._names[number], self._first, hides="all")
            self._notes.count("records that name no image", self._nameless[number])

    def _tell_further(self, number: int) -> None:
        """Decide which columns are names and nothing else, and tell of those that name further images."""
        columns = list(self._named_by[number])
        more = [n for n, count in self._further[number].items() if count * 2 > min(PEEK, self._files[number].count)]
        by_name = [column for column in columns if not more or named([column], (*PATH_COLUMNS, *IDS))]
        self.used.update(by_name)
        if more and columns:
            how = f"'{columns[0]}' names the image of a record, {', '.join(more)} kept as text"
            self._notes.guess(f"images named in {self._names[number]}", how, "image='...' (--image-column)")

    def _plan(self) -> None:
        """Find out what the records of one image disagree in, and whether they hold boxes."""
        several = [path for path, where in self._index.items() if len(where) > 2]
        for path in self._index if self._merger.boxes and not self._is_exact() else several:
            self._merger.see(list(self._records(path)))
        self._merger.settle()

    def _is_exact(self) -> bool:
        return self._root is not None and places.exists(places.join(self._root, SCHEMA_FILE))

    def _records(self, path: str) -> Iterator[dict[str, Any]]:
        where = self._index[path]
        for number, place in zip(where[::2], where[1::2], strict=True):
            record = self._files[number].at(place)
            if self._groups:
                group, position = self._groups.get((path, number, place), (None, None))
                record = {**record, "group": group, "position": position}
            yield record

    def _size(self, path: str) -> tuple[int, int] | None:
        return header_size(places.join(self._root, path)) if self._root is not None else None

    def _resolved(self) -> dict[str, str]:
        """Images whose record has them under another spelling."""
        if self._meant is None:
            self._meant = {}
            table = self._lookup = Lookup(self._paths())
            guessed: dict[tuple[int, str], list[str]] = defaultdict(list)
            for path, (number, *_) in self._index.items():
                folder = self._folders[number]
                match = table.match(self._raw.get(path, path.removeprefix(folder)), folder)
                if match is None or match.path == path or match.path in self._index:
                    continue
                if match.path in self._meant:
                    other = self._meant[match.path]
                    self._notes.problem(path, f"means {match.path}, which {other} means as well; the first is taken")
                    continue
                self._meant[match.path] = path
                self._notes.count(match.rule)
                if match.rule in (TAIL, DEEPER):
                    guessed[number, match.rule].append(match.path)
            for (number, rule), found in guessed.items():
                how = f"{len(found):,} {rule}, such as {found[0]}"
                self._notes.guess(f"names in {self._names[number]}", how)
        return self._meant

    def _listed(self) -> Iterator[str]:
        return iter(()) if self._root is None else places.image_paths(self._root)


def _names_image(value: Any) -> bool:
    return isinstance(value, str) and len(value) < 4096 and images.is_image(value) and not is_link(value)


def _root(files: Sequence[tuple[str, str | Source]]) -> str | None:
    """The folder that all paths count from; None where the files lie in none."""
    for folder, file in files:
        if isinstance(file, str):
            parent = places.parent(file)
            return parent.removesuffix(folder.rstrip("/")).rstrip("/") or "/" if folder else parent
    return None


def digest(record: Mapping[str, Any]) -> str:
    """A short digest of a record, part of its item's stamp."""
    text = json.dumps(record, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def read_schema(folder: str) -> pa.Schema | None:
    """The schema that an export of Veduta left in the folder; None if there is none."""
    uri = places.join(folder, SCHEMA_FILE)
    if not places.exists(uri):
        return None
    try:
        packed = base64.b64decode(json.loads(location.read(uri))["arrow_schema"], validate=True)
        return pa.ipc.read_schema(pa.py_buffer(packed))
    except (ValueError, KeyError, TypeError, binascii.Error, pa.ArrowException) as error:
        raise SourceError(f"{uri} is damaged: {error}; remove it to read the folder by its names alone") from None
