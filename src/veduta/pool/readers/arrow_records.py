"""The rows of a Parquet or Arrow file as records found by their places, for metadata beside images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import limits, location
from veduta.pool.readers.columnar import IpcFile, ParquetFile
from veduta.pool.readers.infer import settle
from veduta.pool.readers.names import tidy
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.source import Source, refuse_pointer

BATCH = 4096


class ArrowRecords:
    """As `records.Records`, for a table that is held in memory as a whole."""

    def __init__(self, source: Source, notes: Notes) -> None:
        self._name = source.name
        try:
            with source.open() as stream:
                content = stream.read(limits.DOCUMENT.bytes + 1)
            location.refuse_large(len(content), limits.DOCUMENT)
            refuse_pointer(source.name, content[:64])
            maker = ParquetFile if content[:4] == b"PAR1" else IpcFile
            file, held = maker(source.name, notes, content), []
            size = 0
            for batch in file.batches(None):
                held.append(batch)
                size += batch.nbytes
                location.refuse_large(size, limits.DOCUMENT)
            table = pa.Table.from_batches(held, file.schema)
        except (SourceError, pa.ArrowException, OSError) as error:
            words = (str(error) or type(error).__name__).splitlines()[0].removeprefix(f"{source.name} ")[:300]
            raise SourceError(f"{source.name} cannot be read as a table: {words}; fetch or write it again") from None
        self._table = table.rename_columns(tidy(table.column_names, notes)).combine_chunks()
        self.types: dict[str, pa.DataType] = {f.name: settle(f.type) for f in self._table.schema}
        self.count = len(table)

    def scan(self, on_row: Callable[[int, dict[str, Any]], None] | None = None) -> ArrowRecords:
        """Show every record to `on_row`, with its place."""
        if on_row:
            for place, row in enumerate(self.rows()):
                on_row(place, row)
        return self

    def rows(self) -> Iterator[dict[str, Any]]:
        """All records."""
        for batch in self._table.to_batches(max_chunksize=BATCH):
            yield from batch.to_pylist()

    def at(self, place: int) -> dict[str, Any]:
        """The record at a place."""
        return self._table.slice(place, 1).to_pylist()[0]
