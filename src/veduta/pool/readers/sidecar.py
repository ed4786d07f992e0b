"""Metadata files beside images: `metadata.jsonl`, `metadata.csv`, `index.jsonl` and their like."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import places
from veduta.pool.readers.infer import join
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.records import Records

NAMES = ("metadata.jsonl", "metadata.ndjson", "metadata.csv", "metadata.tsv", "index.jsonl", "index.csv")
PATH_COLUMNS = ("file_name", "file", "path", "image", "image_path", "filepath", "filename", "img_path")

# Written by Veduta's own exports: the Arrow schema of the pool's columns, so that types survive JSON.
SCHEMA_FILE = "veduta-schema.json"


class Sidecars:
    """The records of all metadata files of a source, found by image path. Memory: about 200 bytes a record.

    files: (folder that the file's paths count from, relative to the root, "" or ending in "/"; URI of the file).
    """

    def __init__(self, files: list[tuple[str, str]], notes: Notes) -> None:
        self._notes = notes
        self._files = [Records(uri, notes) for _, uri in files]
        self._names = [places.base(uri) for _, uri in files]
        self._index: dict[str, tuple[int, int]] = {}
        self._matched: set[str] = set()
        self.used: set[str] = set()
        self.types: dict[str, pa.DataType] = {}
        for number, ((folder, _), records) in enumerate(zip(files, self._files, strict=True)):
            records.scan(lambda place, row, number=number, folder=folder: self._add(folder, number, place, row))
            for name, kind in records.types.items():
                self.types[name] = join(self.types[name], kind) if name in self.types else kind

    def __len__(self) -> int:
        return len(self._index)

    def _add(self, folder: str, number: int, place: int, row: Mapping[str, Any]) -> None:
        column = next((c for c in PATH_COLUMNS if isinstance(row.get(c), str) and row[c]), None)
        if column is None:
            self._notes.problem(
                self._names[number], f"a record has no column of {', '.join(PATH_COLUMNS[:4])}: {str(dict(row))[:80]}"
            )
            return
        self.used.add(column)
        name = posixpath.normpath(folder + location.escape(row[column]))
        if name in self._index:
            self._notes.count("further records of the same file left out")
        else:
            self._index[name] = (number, place)

    def find(self, *paths: str) -> dict[str, Any] | None:
        """The record of the first of the paths that has one."""
        for path in paths:
            if path in self._index:
                self._matched.add(path)
                number, place = self._index[path]
                return self._files[number].at(place)
        return None

    def report_missing(self) -> None:
        """Note the records whose image was not found, then start afresh."""
        for path, (number, _) in self._index.items():
            if path not in self._matched:
                self._notes.problem(path, f"named in {self._names[number]}, but there is no such image")
        self._matched.clear()


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
