"""Rows of tables in their several forms (Parquet, Arrow, CSV, JSON lines, in memory), streamed as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import places, source
from veduta.pool.readers.columnar import BATCH, OF_ONE_COLUMN, IpcFile, ParquetFile, rows_at_once
from veduta.pool.readers.infer import join, settle
from veduta.pool.readers.names import tidy
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.records import SUFFIXES as RECORD_SUFFIXES
from veduta.pool.readers.records import Records

PARQUET = (".parquet", ".pq", ".parq")
IPC = (".arrow", ".feather", ".ipc", ".arrows")
LANCE = ".lance"

Row = dict[str, Any]


class Rows(Protocol):
    """A table's rows. `values` streams one column (or "struct.field") without reading the others.

    by_file: all rows, each with the number of the file that it is in.
    """

    schema: pa.Schema

    def rows(self) -> Iterator[Row]: ...

    def by_file(self) -> Iterator[tuple[int, Row]]: ...

    def values(self, column: str) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


class ArrowRows:
    """Rows of record batches; each file yields its batches anew at every pass.

    splits: of each file, "" where it is in none; they become the column `split`. renamed: (old, new) names of columns.
    numbers: of the files, where some were left out.
    """

    def __init__(self, files: Sequence[Any], splits: Sequence[str] = (), numbers: Sequence[int] | None = None) -> None:
        self._files = files
        self._numbers = range(len(files)) if numbers is None else numbers
        self._splits = splits or [""] * len(files)
        self._names = [tidy(f.schema.names) for f in files]
        pairs = [
            p for f, names in zip(files, self._names, strict=True) for p in zip(f.schema.names, names, strict=True)
        ]
        self.renamed = list(dict.fromkeys((old, new) for old, new in pairs if old != new))
        types: dict[str, pa.DataType] = {}
        for file, names in zip(files, self._names, strict=True):
            for name, field in zip(names, file.schema, strict=True):
                types[name] = _union(types[name], field.type) if name in types else field.type
        if any(self._splits):
            types["split"] = pa.string()
        self.schema = pa.schema(list(types.items()), metadata=files[0].schema.metadata)

    def rows(self) -> Iterator[Row]:
        return (row for _, row in self.by_file())

    def by_file(self) -> Iterator[tuple[int, Row]]:
        empty = dict.fromkeys(self.schema.names)
        for number, file, names, split in zip(self._numbers, self._files, self._names, self._splits, strict=True):
            more = {"split": split} if split else {}
            for batch in file.batches(None):
                if batch.schema.names != names:
                    batch = batch.rename_columns(names)
                most = rows_at_once(batch, BATCH)
                for start in range(0, batch.num_rows, most):
                    for row in _plain_rows(batch.slice(start, most)):
                        yield number, {**empty, **row, **more}

    def values(self, column: str) -> Iterator[Any]:
        top, _, leaf = column.partition(".")
        for file, names in zip(self._files, self._names, strict=True):
            is_odd = names != file.schema.names
            for batch in file.batches(None if is_odd else column):
                if is_odd:
                    batch = batch.rename_columns(names)
                if top not in batch.schema.names:
                    yield from (None for _ in range(batch.num_rows))
                    continue
                array = batch.column(top)
                array = array.field(leaf) if leaf else array
                most = rows_at_once(pa.RecordBatch.from_arrays([array], names=[column]), OF_ONE_COLUMN)
                for start in range(0, len(array), most):
                    yield from _plain_values(array.slice(start, most))

    def __len__(self) -> int:
        return sum(len(file) for file in self._files)


def _union(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The type that holds values of both: Arrow's own, else text."""
    if a == b:
        return a
    try:
        pair = [pa.schema([("x", kind)]) for kind in (a, b)]
        return pa.unify_schemas(pair, promote_options="permissive").field("x").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return join(settle(a), settle(b))


def _plain_rows(batch: pa.RecordBatch) -> list[Row]:
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        columns = [_plain_values(column) for column in batch.columns]
        return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_values(column: pa.Array) -> list[Any]:
    """Times beyond Python's as text, and texts that are not UTF-8 as those of a CSV are."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise SourceError("texts in lists or structs that are not UTF-8; write the table again") from None
        is_small = pa.types.is_string(column.type)
        raw = column.view(pa.binary() if is_small else pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]
    except (ValueError, OverflowError, pa.ArrowException):
        try:
            return column.cast(pa.string()).to_pylist()
        except (ValueError, pa.ArrowException) as error:
            raise SourceError(f"values of the type {str(column.type)[:80]} cannot be read: {error!s:.120}") from None


class TableInMemory:
    """A pyarrow.Table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema

    def batches(self, column: str | None) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches(max_chunksize=8192)

    def __len__(self) -> int:
        return len(self._table)


class RecordRows:
    """Rows of CSV and JSON files; every pass parses them anew."""

    def __init__(
        self, uris: Sequence[str], notes: Notes, splits: Sequence[str] = (), encoding: str | None = None
    ) -> None:
        self._files: list[Records] = []
        self._numbers: list[int] = []
        for number, uri in enumerate(uris):
            try:
                self._files.append(Records(uri, notes, encoding=encoding).scan())
                self._numbers.append(number)
            except SourceError as error:
                if number + 1 == len(uris) and not self._files:
                    raise
                notes.problem(places.base(uri), str(error).removeprefix(f"{uri} "), hides="all")
        self._splits = [splits[i] for i in self._numbers] if splits else [""] * len(self._files)
        types: dict[str, pa.DataType] = {}
        for file in self._files:
            for name, kind in file.types.items():
                types[name] = join(types[name], kind) if name in types else kind
        for file in self._files:  # a column that is text in one file is text in all, as it stands
            file.types = {name: types[name] for name in file.types}
        if any(self._splits):
            types["split"] = pa.string()
        self.schema = pa.schema(list(types.items()))

    def rows(self) -> Iterator[Row]:
        return (row for _, row in self.by_file())

    def by_file(self) -> Iterator[tuple[int, Row]]:
        for number, file, split in zip(self._numbers, self._files, self._splits, strict=True):
            more = {"split": split} if split else {}
            for row in file.rows():
                yield number, {**row, **more} if more else row

    def values(self, column: str) -> Iterator[Any]:
        return (row.get(column) for row in self.rows())

    def separators(self) -> set[str]:
        """What parts the cells of the CSV files among them."""
        return {file.separator for file in self._files if file.is_csv}

    def __len__(self) -> int:
        return sum(file.count for file in self._files)


class LanceTable:
    """A Lance table's folder, as Lance and LanceDB write it."""

    def __init__(self, uri: str) -> None:
        import lance

        try:
            self._data = lance.dataset(str(location.local(uri)) if not location.is_remote(uri) else uri)
        except (ValueError, OSError) as error:
            words = str(error).split(", /")[0].splitlines()[0][:160]
            raise SourceError(f"{uri} is not a sound Lance table: {words}; write it again") from None
        self.schema = pa.schema([_blob_as_bytes(f) for f in self._data.schema])

    def batches(self, column: str | None) -> Iterator[pa.RecordBatch]:
        wanted = [column.partition(".")[0]] if column else None
        scanner = self._data.scanner(
            columns=wanted, batch_size=8192 if column else BATCH, scan_in_order=True, blob_handling="all_binary"
        )
        yield from scanner.to_batches()

    def __len__(self) -> int:
        return self._data.count_rows()


def _blob_as_bytes(field: pa.Field) -> pa.Field:
    is_blob = b"lance-encoding:blob" in (field.metadata or {})
    return pa.field(field.name, pa.large_binary()) if is_blob else field


def open_rows(uris: Sequence[str], notes: Notes, splits: Sequence[str] = (), encoding: str | None = None) -> Rows:
    """The rows of one or several files of one kind. splits: of each file. encoding: of text files."""
    kinds = {_kind(uri) for uri in uris}
    if len(kinds) != 1:
        raise SourceError(
            f"the files {', '.join(map(places.base, uris[:5]))} are of different kinds; read them one by one"
        )
    kind = kinds.pop()
    for uri in uris if kind in ("parquet", "ipc") else ():
        with places.open_binary(uri) as stream:
            source.refuse_pointer(uri, stream.read(64))
    if kind == "records":
        return RecordRows(uris, notes, splits, encoding)
    if kind == "lance":
        return ArrowRows([LanceTable(uri) for uri in uris], splits)
    maker = ParquetFile if kind == "parquet" else IpcFile
    files, at = [], []
    for number, uri in enumerate(uris):
        try:
            files.append(maker(uri, notes))
            at.append(number)
        except SourceError as error:
            if number + 1 == len(uris) and not files:
                raise
            notes.problem(places.base(uri), str(error).removeprefix(f"{uri} "), hides="all")
    return ArrowRows(files, [splits[i] for i in at] if splits else (), at)


def _kind(uri: str) -> str:
    lower = uri.lower()
    if lower.endswith(PARQUET):
        return "parquet"
    if lower.endswith(IPC):
        return "ipc"
    if lower.endswith(LANCE) and places.is_folder(uri):
        return "lance"
    if lower.removesuffix(".gz").removesuffix(".bz2").endswith((*RECORD_SUFFIXES, ".txt")):
        return "records"
    with places.open_binary(uri) as stream:
        start = stream.read(6)
    if start[:4] == b"PAR1" or start == b"ARROW1":
        return "parquet" if start[:4] == b"PAR1" else "ipc"
    raise SourceError(f"{uri} is not a table; expected {', '.join((*PARQUET[:1], *IPC[:2], *RECORD_SUFFIXES))}")
