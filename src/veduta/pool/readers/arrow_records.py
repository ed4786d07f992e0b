"""The rows of a Parquet or Arrow file as records found by their places, for metadata beside images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
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
                start = stream.read(64)
                stream.seek(0)
                refuse_pointer(source.name, start)
                if start[:4] == b"PAR1":
                    import pyarrow.parquet as pq

                    table = pq.read_table(stream)
                else:
                    table = (pa.ipc.open_file if start[:6] == b"ARROW1" else pa.ipc.open_stream)(stream).read_all()
        except (pa.ArrowException, OSError) as error:
            words = (str(error) or type(error).__name__).splitlines()[0][:160]
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
