"""Images in a table: bytes in a column, or paths beside it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool import location
from veduta.pool.item import Item
from veduta.pool.readers import places, sidecar
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.infer import clean
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.rows import ArrowRows, Rows, TableInMemory, class_names, open_rows

# In the schema's metadata of tables that Veduta wrote: names and types are the pool's.
EXPORTED = b"veduta:export"
BYTE_COLUMNS = ("image", "img", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp", "data", "content", "picture")
PATH_COLUMNS = (*sidecar.PATH_COLUMNS, "uri", "url", "image_url")
_KEYS = ("key", "__key__", *sidecar.PATH_COLUMNS, "id", "image_id")
_TABLES = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".jsonl", ".ndjson")


class Table:
    """Parquet, Arrow, CSV or JSON-lines files (one, several, a folder, a pattern), or a table in memory.

    The image column is found by type (binary, or a struct of `bytes` and `path` as Hugging Face has it), else by
    name (`file_name`, `file`, `path`, `image`, ..., `url`); `image` names it. Paths count from the table's folder.
    `key` names the column of the keys; else it is the first of `key`, the path column, `id` whose values differ in
    every row, else the row's number. See `fields` for what becomes of the other columns.
    Memory: 64 rows (of Parquet also a page, which some writers make as large as a row group), and 8 bytes a row while the key column is checked.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path] | pa.Table | Any,
        *,
        image: str | None = None,
        key: str | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        if isinstance(source, (str, Path)) or (isinstance(source, (list, tuple)) and source):
            uris = _files(source)
            self.name = str(source) if isinstance(source, (str, Path)) else ", ".join(map(str, source))
            self._stem, self._folder = places.base(uris[0]).split(".")[0], places.parent(uris[0])
            self._rows: Rows = open_rows(uris, self.notes)
        else:
            self.name, self._stem, self._folder = "a table in memory", "row", places.absolute(".")
            self._rows = _in_memory(source)
        self._start(image, key)

    @classmethod
    def of_rows(cls, rows: Rows, name: str, stem: str, *, image: str | None = None, key: str | None = None) -> Table:
        """A reader over rows that somebody else opened."""
        new = cls.__new__(cls)
        new.boxes_are_raw, new.notes = False, Notes()
        new.skipped, new.problems = new.notes.skipped, new.notes.problems
        new.name, new._stem, new._folder, new._rows = name, stem, places.absolute("."), rows
        new._start(image, key)
        return new

    def _start(self, image: str | None, key: str | None) -> None:
        schema = self._rows.schema
        self._exact = EXPORTED in (schema.metadata or {})
        self._image, self._form = _image_column(schema, image, self.name)
        others = [f.name for f in schema if _bytes_form(f.type) and f.name != self._image and not self._exact]
        for name in others:
            self.notes.skip(name, f"a second image column; read it with image='{name}'")
        self._key = self._key_column(key)
        used = {self._image, self._key or self._image, *others}
        types = {f.name: f.type for f in schema}
        self._columns = Columns(types, self.notes, used=used, names=class_names(schema), exact=self._exact)

    def columns(self) -> dict[str, pa.DataType]:
        return self._columns.free

    def __len__(self) -> int:
        return len(self._rows)

    def items(self) -> Iterator[Item]:
        for number, row in enumerate(self._rows.rows()):
            content, path = self._content(row)
            key = _at(row, self._key) if self._key else None
            key = location.escape(str(key)) if key is not None else f"{self._stem}/{number:08d}"
            uri = self._uri(path) if content is None and path else ""
            fields = self._columns.fields(row)
            read = partial(_given, content) if content is not None else partial(_follow, uri)
            yield Item(clean(key), uri, self._stamp(row, content, uri), read, fields)

    def _content(self, row: dict[str, Any]) -> tuple[bytes | None, str | None]:
        value = row.get(self._image)
        if self._form == "struct" and value is not None:
            return value.get("bytes"), value.get("path")
        if self._form == "bytes":
            return value, None
        return None, value if isinstance(value, str) else None

    def _uri(self, path: str) -> str:
        if "://" in path:
            return path
        if location.is_remote(self._folder):
            return places.join(self._folder, clean(path))
        return places.absolute(path if path.startswith("/") else f"{location.local(self._folder)}/{path}")

    def _stamp(self, row: dict[str, Any], content: bytes | None, uri: str) -> str:
        rest = {k: v for k, v in row.items() if k != self._image}
        if content is None:
            return f"{places.stamp(uri) if uri else places.ABSENT}:{sidecar.digest(rest)}"
        return hashlib.blake2b(content, digest_size=12).hexdigest() + ":" + sidecar.digest(rest)

    def _key_column(self, key: str | None) -> str | None:
        schema = self._rows.schema
        if key is not None:
            if key not in schema.names:
                raise BadInput(f"the table has no column '{key}' for the keys; its columns: {', '.join(schema.names)}")
            return key
        candidates = [n for n in _KEYS if n in schema.names and _may_be_key(schema.field(n).type)]
        if self._form == "struct":
            candidates.append(f"{self._image}.path")
        return next((name for name in candidates if _differ(self._rows.values(name))), None)


def _may_be_key(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def _at(row: dict[str, Any], column: str) -> Any:
    top, _, leaf = column.partition(".")
    if column in row or not leaf:
        return row.get(column)
    return (row.get(top) or {}).get(leaf)


def _differ(values: Iterator[Any]) -> bool:
    """Whether all values are there and no two are equal (up to a collision of 64-bit hashes)."""
    hashes: list[np.ndarray] = []
    while part := list(itertools.islice(values, 65536)):
        if any(v is None or v == "" for v in part):
            return False
        hashes.append(np.fromiter(map(hash, part), np.int64, len(part)))
    total = np.concatenate(hashes) if hashes else np.empty(0, np.int64)
    return len(np.unique(total)) == len(total)


def _bytes_form(kind: pa.DataType) -> str:
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "bytes"
    if pa.types.is_struct(kind) and {"bytes", "path"} <= {f.name for f in kind}:
        return "struct"
    return ""


def _image_column(schema: pa.Schema, wanted: str | None, source: str) -> tuple[str, str]:
    """The column of the images, and its form: "bytes", "struct" or "path"."""
    columns = ", ".join(f"{f.name} ({f.type})" for f in schema) or "none"
    if wanted is not None:
        if wanted not in schema.names:
            raise BadInput(f"{source} has no column '{wanted}' for the images; its columns: {columns}")
        return wanted, _bytes_form(schema.field(wanted).type) or "path"
    binary = {f.name: form for f in schema if (form := _bytes_form(f.type))}
    name = next((n for n in BYTE_COLUMNS if n in binary), next(iter(binary), None))
    if name:
        return name, binary[name]
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    name = next((n for n in PATH_COLUMNS if n in texts), None)
    if name is None:
        raise SourceError(
            f"{source} has no column of images: expected binary data, or paths in a column named "
            f"{', '.join(sidecar.PATH_COLUMNS[:4])}; its columns: {columns}; name one with image='...'"
        )
    return name, "path"


def _files(source: str | Path | Sequence[str | Path]) -> list[str]:
    if not isinstance(source, (str, Path)):
        return [uri for one in source for uri in _files(one)]
    text = str(source)
    if places.exists(text) and places.is_folder(places.absolute(text)):
        found = sorted(
            e.uri for e in places.listing(places.absolute(text)) if not e.is_folder and e.name.lower().endswith(_TABLES)
        )
    else:
        found = places.expand(text)
    gone = next((uri for uri in found if not places.exists(uri)), None)
    if gone or not found:
        raise SourceError(f"{gone or text} does not exist; name a table, a folder of tables or a pattern")
    return found


def _in_memory(source: Any) -> Rows:
    if isinstance(source, pa.Table):
        return ArrowRows([TableInMemory(source)])
    try:
        return ArrowRows([TableInMemory(pa.Table.from_pandas(source, preserve_index=False))])
    except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, TypeError) as error:
        words = str(error).splitlines()[0]
        raise SourceError(f"the table in memory cannot be read: {words}; give images as bytes or paths") from None


def _given(content: bytes) -> bytes:
    return content


def _follow(uri: str) -> bytes:
    if not uri:
        raise SourceError("the record has neither bytes nor a path")
    return location.read(uri)
