"""CSV and JSON files as typed records, streamed, and read again one by one from their places in the file.

CSV is parsed by Python's own module, line by line: pyarrow and DuckDB give no places to come back to, infer types from
the first block, and refuse a whole file for one ragged row or one byte that is not UTF-8.
"""

from __future__ import annotations

import csv
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool import limits, location
from veduta.pool.csv_cells import unquoted
from veduta.pool.readers import csv_text, json_bounds, json_text, places, source
from veduta.pool.readers.csv_text import Dialect
from veduta.pool.readers.infer import clean, join, kind, settle
from veduta.pool.readers.lines import lines as lines_of
from veduta.pool.readers.lines import too_long, whole
from veduta.pool.readers.names import tidy
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.source import Source

CSV, JSON = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json")
SUFFIXES = (*CSV, *JSON)
FIRST = 50  # lines that the dialect is told from
_CAPTIONS = ("caption", "captions", "text", "comment", "title")
_LONG_RECORD = 50  # lines; a longer one is more likely a quote that is not closed


class Records:
    """The rows of one file. types: the columns, known after `scan`, which reads the file once.

    source: a URI, or anything with a `name` and `open() -> BinaryIO` (see `source`). encoding: of the text, where it is
    neither UTF-8 nor UTF-16; bytes that are not UTF-8 are otherwise read as Windows-1252, which is said.
    cut: after `scan` of a CSV that does not end with its last line: the column of the last cell, else "".
    Memory: one record; the whole file if it is one JSON document, not UTF-8, or compressed and read by place.
    """

    def __init__(self, source_: str | Source, notes: Notes, *, encoding: str | None = None) -> None:
        self.source = source.of(source_)
        self.name = places.base(self.source.name)
        self.types: dict[str, pa.DataType] = {}
        self.count = 0
        self.is_csv = source.form(self.source.name) in (*CSV, ".txt")
        self._notes = notes
        self._encoding = encoding
        self._header: list[str] = []
        self._dialect = Dialect(",")
        self._held: list[dict[str, Any]] | None = None
        self._open: BinaryIO | None = None
        self._odd = self._unclosed = False
        self.cut = ""
        self._has_header = True
        if encoding is not None:
            try:
                "".encode(encoding)
            except LookupError:
                raise BadInput(
                    f"there is no encoding '{encoding}'; expected one such as utf-8, cp1252 or shift_jis"
                ) from None

    @property
    def separator(self) -> str:
        """What parts the cells of a CSV, once it was scanned."""
        return self._dialect.separator

    def scan(self, on_row: Callable[[int, dict[str, Any]], None] | None = None) -> Records:
        """Find the columns and their types; `on_row` sees the place and the untyped values of every record."""
        self.count = 0
        self.types = (self._scan_csv if self.is_csv else self._scan_json)(on_row)
        if self._odd:
            self._notes.guess(f"encoding of {self.name}", "Windows-1252, since it is not UTF-8", "--encoding NAME")
        return self

    def _scan_csv(self, on_row: Callable[[int, dict[str, Any]], None] | None) -> dict[str, pa.DataType]:
        kinds: dict[str, str] = {}
        gaps: set[str] = set()
        words: Counter[str] = Counter()
        for place, row in self._rows(report=True):
            self.count += 1
            for name, cell in row.items():
                have = kinds.get(name)
                if cell in csv_text.MISSING:
                    words[name] += 1
                if have == csv_text.TEXT:
                    continue
                found = csv_text.cell_kind(cell)
                if found == csv_text.NULL or found == csv_text.NAN:
                    gaps.add(name)
                if have != found:
                    kinds[name] = found if have is None else csv_text.wider(have, found)
            if on_row:
                on_row(place, row)
        for name, found in kinds.items():
            if words[name] and found in (csv_text.TEXT, csv_text.COMMA, csv_text.NAN):
                what = "cells" if words[name] > 1 else "cell"
                how = (
                    f"{words[name]:,} {what} such as NA, None or null kept as text; other programs read them as missing"
                )
                self._notes.warn(f"column {name}", how)
            if found == csv_text.COMMA:
                self._notes.warn(f"column {name}", "numbers with a decimal comma are left as text")
            if found == csv_text.ROUND and name in gaps:
                self._notes.count("columns of whole numbers with gaps read as integers")
        return {n: csv_text.column_type(kinds.get(n, csv_text.NULL), n in gaps) for n in self._header}

    def _scan_json(self, on_row: Callable[[int, dict[str, Any]], None] | None) -> dict[str, pa.DataType]:
        types: dict[str, pa.DataType] = {}
        for place, row in self._rows(report=True):
            self.count += 1
            for name, value in row.items():
                have = types.get(name)
                found = kind(value)
                if have is not found:
                    types[name] = found if have is None else join(have, found)
            if on_row:
                on_row(place, row)
        return {name: settle(found) for name, found in types.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """All records; the cells of a CSV have become numbers and booleans where the whole column is."""
        for _, row in self._rows():
            yield self._typed(row)

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first records, their cells untyped, without a `scan` of the rest."""
        return [row for _, row in itertools.islice(self._rows(report=True), count)]

    def at(self, place: int) -> dict[str, Any]:
        """The record at a place that `scan` reported; not from two threads at once."""
        if self._held is not None:
            return self._held[place]
        if self._open is None:
            self._open = source.open_text(self.source, self._encoding)
            if self.source.name.lower().endswith((".gz", ".bz2")):
                with self._open as packed:
                    self._open = io.BytesIO(_up_to_damage(packed))
        self._open.seek(place)
        if self.is_csv:
            return self._typed(self._row(next(self._dialect.records(_text(self._open)))))
        return json_bounds.loads(_decode(self._open.readline()).removeprefix("\ufeff"))

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self.is_csv:
            return row
        text = pa.string()
        return {name: csv_text.cell_value(value, self.types.get(name, text)) for name, value in row.items()}

    def _rows(self, report: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
        if self._held is not None:
            yield from enumerate(self._held)
            return
        is_any = False
        try:
            with source.open_text(self.source, self._encoding) as stream:
                for found in self._csv_rows(stream, report) if self.is_csv else self._json_rows(stream, report):
                    is_any = True
                    yield found
        except (OSError, EOFError, zlib.error, csv.Error, MemoryError) as error:
            words = getattr(error, "strerror", None) or error or "no memory for it"
            if not is_any:
                raise SourceError(
                    f"{self.source.name} cannot be read: {words}; mend the file or name another"
                ) from None
            if report:
                self._notes.problem(self.name, f"is damaged; what comes before is read: {words}", hides="all")

    def _csv_rows(self, stream: BinaryIO, report: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        if report:
            self._unclosed = _ends_in_quotes(stream)
        all_lines = lines_of(stream)
        first = _up_to(all_lines)
        start = place = 0
        while first and not first[0][0].strip(b"\xef\xbb\xbf \r\n"):
            if report and not first[0][0]:
                self._notes.problem(f"{self.name}: row at byte {place}", too_long(first[0][1]), hides="all")
            start = place = place + first[0][1]
            first = first[1:]
        if not first:
            return
        lines = [_decode(raw).removeprefix("\ufeff") for raw, _ in first if 0 < len(raw) <= limits.CELL]
        has_header = self._plan(lines) if report else self._has_header

        raw = b""

        def numbered() -> Iterator[str]:
            nonlocal place, raw
            for raw, size in itertools.chain(first, all_lines):
                text = _decode(raw)
                if place == start:
                    text = text.removeprefix("\ufeff")
                if not raw and report:
                    self._notes.problem(f"{self.name}: row at byte {place}", too_long(size), hides="all")
                place += size
                if not raw:
                    continue
                self._odd = self._odd or not (text.isascii() or _is_utf8(text))
                yield text

        rows = self._dialect.records(numbered())
        if has_header:
            next(rows)
        start = place
        while True:
            try:
                cells = next(rows, None)
            except csv.Error as error:
                if report:
                    words = "one cell of it is too long" if "limit" in str(error) else str(error)
                    self._notes.problem(f"{self.name}: row at byte {start}", f"passed over: {words}", hides="all")
                start = place
                continue
            if cells is None:
                break
            if cells:
                if report:
                    self._check(cells, start)
                row = self._row(cells)
                yield start, row
                self.cut = next(reversed(row), "")
            start = place
        if raw.endswith((b"\n", b"\r")):
            self.cut = ""

    def _plan(self, lines: list[str]) -> bool:
        """Decide about separator, quotes and header from the first lines; says whether there is a header."""
        usual = "\t" if source.form(self.source.name) == ".tsv" else ","
        self._dialect = csv_text.sniff(lines, usual, self._unclosed)
        name = self.name
        if self._dialect.separator != usual:
            self._notes.guess(f"separator of {name}", csv_text.SEPARATORS[self._dialect.separator])
        if self._unclosed:
            self._notes.guess(f"quotes of {name}", "one is not closed, so every line is a row of its own")
        rows = [row for row in self._dialect.records(iter(lines)) if row]
        names, made = csv_text.header(rows if len(rows) == 1 or len(lines) < FIRST else rows[:-1])
        if made:
            self._notes.guess(f"columns of {name}", f"it has no header; read as {made}")
        self._header = tidy([clean(name) for name in names], self._notes)
        self._has_header = not made
        return self._has_header

    def _check(self, cells: list[str], start: int) -> None:
        if len(cells) > len(self._header) and self._ends_in_text():
            self._notes.count("rows whose last column holds separators without quotes, joined again")
        elif len(cells) != len(self._header):
            self._notes.warn(
                f"{self.name}: row at byte {start}", f"{len(cells)} cells under {len(self._header)} column names"
            )
        if any(cell.count("\n") > _LONG_RECORD for cell in cells):
            self._notes.warn(f"{self.name}: row at byte {start}", "a very long cell; is a quote before it not closed?")

    def is_short(self, row: dict[str, Any]) -> bool:
        """Whether a row of a CSV has fewer cells than there are columns."""
        return self.is_csv and len(row) < len(self._header)

    def _ends_in_text(self) -> bool:
        return len(self._header) > 1 and self._header[-1].lower() in _CAPTIONS

    def _row(self, cells: list[str]) -> dict[str, str]:
        width = len(self._header)
        if len(cells) > width and self._ends_in_text():
            cells = [*cells[: width - 1], self._dialect.separator.join(cells[width - 1 :])]
        if {"key", "digest"} <= set(self._header):  # a manifest of Veduta's own
            cells = [unquoted(cell) for cell in cells]
        return dict(zip(self._header, cells))

    def _json_rows(self, stream: BinaryIO, report: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        if report and self._is_document(stream):
            self._held = self._document(stream)
            yield from enumerate(self._held)
            return
        start = 0
        for number, (raw, size) in enumerate(lines_of(stream), 1):
            place, start = start, start + size
            line = _decode(raw).removeprefix("\ufeff")
            if raw and not line.strip():
                continue
            self._odd = self._odd or not (line.isascii() or _is_utf8(line))
            try:
                row, reason = (json_bounds.loads(line), "") if raw else (None, too_long(size))
            except (ValueError, MemoryError) as error:
                row, reason = None, f"not JSON: {error or 'no memory for it'}"
            if isinstance(row, dict):
                if not line.isascii() or "\\ud" in line:  # halves of a pair, or bytes that are not UTF-8, in a name
                    row = {clean(name): value for name, value in row.items()}
                yield place, row
            elif report:
                reason = reason or "not a JSON object"
                self._notes.problem(f"{self.name}: line {number}", reason, hides="all")

    def _is_document(self, stream: BinaryIO) -> bool:
        """Whether the file is one JSON document, not an object a line; leaves the stream at its start."""
        found = (raw for raw, _ in lines_of(stream))
        texts = (_decode(raw).removeprefix("\ufeff").strip() for raw in found)
        first = next(texts, None)
        if first == "" and (stream.tell() > limits.LINE.bytes):  # one long line
            stream.seek(0)
            return source.form(self.source.name) == ".json"
        first = first or next((line for line in texts if line), "")
        second = next((line for line in texts if line), "")
        stream.seek(0)
        if first.startswith("["):
            return not first.endswith("]") or not second.startswith("[")
        try:
            json_bounds.loads(first or "{}")
        except ValueError:
            return not second.startswith("{") or first == "{"
        return not second and source.form(self.source.name) == ".json"

    def _document(self, stream: BinaryIO) -> list[dict[str, Any]]:
        text = _decode(whole(stream)).removeprefix("\ufeff")
        self._odd = not (text.isascii() or _is_utf8(text))
        try:
            document = json_bounds.loads(text)
        except (ValueError, MemoryError) as error:
            expected = "expected a list of objects or one object a line"
            raise SourceError(f"{self.source.name} is not JSON: {error}; {expected}") from None
        found, how = json_text.records(document, self.name)
        if not text.isascii() or "\\ud" in text:
            found = [{clean(str(name)): value for name, value in row.items()} for row in found]
        if how:
            self._notes.guess(f"records of {self.name}", how)
        if not found and isinstance(document, dict) and source.form(self.source.name) != ".json":
            return [document]
        return found


def _text(stream: BinaryIO) -> Iterator[str]:
    for raw, _ in lines_of(stream):
        yield _decode(raw).removeprefix("\ufeff")


def _decode(raw: bytes) -> str:
    # Bytes that are not UTF-8 survive here, because a column may hold file names.
    return raw.decode("utf-8", "surrogateescape")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ends_in_quotes(stream: BinaryIO) -> bool:
    """Whether a quote is open at the end of the file; leaves the stream at its start."""
    odd = False
    try:
        while part := stream.read(1 << 20):
            odd ^= part.count(b'"') % 2 == 1
    except (OSError, EOFError, zlib.error):  # told where the rows before the damage are read
        odd = False
    stream.seek(0)
    return odd


def _up_to(found: Iterator[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """The first lines, of which a damaged file may have fewer."""
    first: list[tuple[bytes, int]] = []
    try:
        for line in itertools.islice(found, FIRST):
            first.append(line)
            if sum(len(raw) for raw, _ in first) > limits.LINE.bytes:
                break
    except (OSError, EOFError, zlib.error):
        if not first:
            raise
    return first


def _up_to_damage(stream: BinaryIO) -> bytes:
    """What a packed file holds before it is damaged, within the bounds of a document."""
    found = bytearray()
    try:
        while part := stream.read(1 << 20):
            found += part
            location.refuse_large(len(found), limits.DOCUMENT)
    except (OSError, EOFError, zlib.error):
        pass
    return bytes(found)
