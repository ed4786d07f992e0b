"""CSV and JSON-lines files as typed records, streamed, and read again one by one from their places in the file."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.readers import places
from veduta.pool.readers.infer import clean, fit, join, kind, settle
from veduta.pool.readers.notes import Notes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# A leading zero or too many digits mean that a cell is a name made of digits.
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|[1-9][0-9]*(?=e))(?:e[-+]?[0-9]+)?|nan|-?inf")
MOST_CELL = 1 << 24


class Records:
    """The rows of one file. types: the columns, known after `scan`, which reads the file once."""

    def __init__(self, uri: str, notes: Notes) -> None:
        self.uri = uri
        self.types: dict[str, pa.DataType] = {}
        self.count = 0
        self._notes = notes
        name = uri.lower().removesuffix(".gz").removesuffix(".bz2")
        self.is_csv = name.endswith((".csv", ".tsv"))
        self._tab = name.endswith(".tsv")
        self._header: list[str] = []
        self._delimiter = ","
        self._open: BinaryIO | None = None

    def scan(self, on_row: Callable[[int, dict[str, Any]], None] | None = None) -> Records:
        """Find the columns and their types; `on_row` sees the place and the untyped values of every record."""
        types: dict[str, pa.DataType] = {}
        self.count = 0
        for place, row in self._rows(report=True):
            self.count += 1
            for name, value in row.items():
                have = types.get(name)
                found = _cell_kind(value) if self.is_csv else kind(value)
                if have is not found:
                    types[name] = (
                        found if have is None else _join_cells(have, found) if self.is_csv else join(have, found)
                    )
            if on_row:
                on_row(place, row)
        for name in self._header:
            types.setdefault(name, pa.string())
        self.types = {name: settle(found) for name, found in types.items()}
        return self

    def rows(self) -> Iterator[dict[str, Any]]:
        """All records; the cells of a CSV have become numbers and booleans where the whole column is."""
        for _, row in self._rows():
            yield self._typed(row)

    def at(self, place: int) -> dict[str, Any]:
        """The record at a place that `scan` reported; not for compressed files, not from two threads at once."""
        if self._open is None:
            self._open = places.open_binary(self.uri)
        self._open.seek(place)
        if self.is_csv:
            cells = next(self._csv(_text(self._open)))
            return self._typed(dict(zip(self._header, cells)))
        return json.loads(_decode(self._open.readline()))

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self.is_csv:
            return row
        return {name: _cell(value, self.types.get(name, pa.string())) for name, value in row.items()}

    def _rows(self, report: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with _stream(self.uri) as stream:
                yield from self._csv_rows(stream, report) if self.is_csv else self._json_rows(stream, report)
        except (OSError, EOFError, csv.Error) as error:
            raise SourceError(f"{self.uri} cannot be read: {error}; mend the file or name another") from None

    def _csv_rows(self, stream: BinaryIO, report: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        place = 0
        first = _decode(stream.readline()).removeprefix("\ufeff")
        if not first.strip():
            return
        self._delimiter = "\t" if self._tab else ";" if first.count(";") > first.count(",") else ","
        place = stream.tell()

        def lines() -> Iterator[str]:
            nonlocal place
            for raw in stream:
                place += len(raw)
                yield _decode(raw)

        self._header = [clean(name.strip()) for name in next(self._csv(iter([first])))]
        rows = self._csv(lines())
        start = place
        for cells in rows:
            if cells:
                if len(cells) != len(self._header) and report:
                    self._notes.warn(
                        f"{places.base(self.uri)}: row at byte {start}",
                        f"{len(cells)} cells under {len(self._header)} column names",
                    )
                yield start, dict(zip(self._header, cells))
            start = place

    def _csv(self, lines: Iterator[str]) -> Iterator[list[str]]:
        csv.field_size_limit(MOST_CELL)
        return csv.reader(lines, delimiter=self._delimiter)

    def _json_rows(self, stream: BinaryIO, report: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        start = 0
        for number, raw in enumerate(stream, 1):
            place, start = start, start + len(raw)
            line = _decode(raw).removeprefix("\ufeff")
            if number == 1 and line.lstrip().startswith("["):
                yield from _json_list(line, stream, self.uri)
                return
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                row, reason = None, f"not JSON: {error}"
            else:
                reason = "not a JSON object"
            if isinstance(row, dict):
                yield place, row
            elif report:
                self._notes.problem(f"{places.base(self.uri)}: line {number}", reason)


def _json_list(first: str, stream: BinaryIO, uri: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """A file that is one JSON list of objects; held in memory as a whole."""
    try:
        rows = json.loads(first + _decode(stream.read()))
    except ValueError as error:
        raise SourceError(f"{uri} is not JSON: {error}; expected a list of objects or one object a line") from None
    for place, row in enumerate(rows):
        if isinstance(row, dict):
            yield place, row


def _stream(uri: str) -> BinaryIO:
    raw = places.open_binary(uri)
    if uri.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if uri.lower().endswith(".bz2"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    return raw


def _text(stream: BinaryIO) -> Iterator[str]:
    for raw in iter(stream.readline, b""):
        yield _decode(raw)


def _decode(raw: bytes) -> str:
    # Bytes that are not UTF-8 survive here, because a column may hold file names.
    return raw.decode("utf-8", "surrogateescape")


def _cell_kind(cell: str) -> pa.DataType:
    if cell == "":
        return _NULL
    if _INT.fullmatch(cell):
        return _WHOLE
    if _FLOAT.fullmatch(cell.lower()):
        return _REAL
    return _TRUTH if cell.lower() in ("true", "false") else _TEXT


# One object a type, so that `scan` compares by identity.
_NULL, _WHOLE, _REAL, _TRUTH, _TEXT = pa.null(), pa.int64(), pa.float64(), pa.bool_(), pa.string()


def _join_cells(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    if a is b or b is _NULL:
        return a
    if a is _NULL:
        return b
    return _REAL if {a, b} == {_WHOLE, _REAL} else _TEXT


def _cell(cell: str, type_: pa.DataType) -> Any:
    if cell == "":
        return None
    if pa.types.is_boolean(type_):
        return cell.lower() == "true"
    # Text stays as it is: a path may hold bytes that are not UTF-8, which only the path's reader can escape.
    return cell if pa.types.is_string(type_) else fit(cell, type_)
