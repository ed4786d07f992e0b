"""The reading surface of a pool: the whole table, or the rows that satisfy an SQL condition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veduta.errors import BadInput, MissingColumn, SourceError
from veduta.pool import location, roles
from veduta.pool.condition_form import formed
from veduta.pool.condition_words import refused

if TYPE_CHECKING:
    import lance

# Lance reads ahead by up to two gigabytes unless told otherwise.
_CALM: dict[str, Any] = {"io_buffer_size": 32 << 20, "batch_readahead": 2, "fragment_readahead": 1}


class View:
    """Rows of one version of a pool, in row order. Row positions always count in the whole pool.

    `condition` is an SQL expression over the columns ("label = 'cat' and blurry < 0.5"), or None for all rows.
    """

    def __init__(self, dataset: lance.LanceDataset, condition: str | None = None) -> None:
        self._dataset = dataset
        self.condition = condition
        self._address_cache: tuple[int, np.ndarray] | None = None
        self._form = None if condition is None else self._checked(condition)

    def _checked(self, condition: str) -> str:
        """The condition as Lance is asked it. Raises BadInput unless it is one whole SQL expression over the columns."""
        form = formed(condition, self.schema, roles.LATE)
        try:
            self._some(["key"], f"({form})")  # in brackets Lance too must read all of it
        except (ValueError, OSError, RuntimeError) as error:
            raise refused(condition, error, self.schema.names) from None
        return form

    def scanned(self, where: str | None = None) -> str | None:
        """The filter for a scan of `dataset`: the condition of this view and `where`, None for all rows.

        Raises BadInput for a `where` that is not one whole SQL expression over the columns.
        """
        return self._form if where is None else self._and(formed(where, self.schema, roles.LATE))

    @property
    def askable(self) -> list[str]:
        """Names that a condition may use: the columns, and those that are made when a row first needs them."""
        names = self.schema.names
        return [*names, *(name for name in roles.LATE if name not in names)]

    @property
    def dataset(self) -> lance.LanceDataset:
        """The Lance table behind it, for reading what this surface does not offer."""
        return self._dataset

    @property
    def schema(self) -> pa.Schema:
        """All columns; field metadata says which operation made each."""
        return self._dataset.schema

    @property
    def version(self) -> int:
        """The version of the table that is read."""
        return self._dataset.version

    def __len__(self) -> int:
        return self._dataset.count_rows(self._form)

    def require(self, column: str, *, needed_by: str, mend: str = "") -> pa.Field:
        """The field of `column`, or MissingColumn with what there is instead."""
        if column not in self.schema.names:
            raise MissingColumn(column, needed_by=needed_by, have=self.schema.names, mend=mend)
        return self.schema.field(column)

    def has(self, column: str, *, filled: bool = True) -> bool:
        """Whether the column exists (and, if `filled`, holds at least one non-null value in this view)."""
        if column not in self.schema.names:
            return False
        if not filled:
            return True
        return self._some([], self._and(f"{column} is not null"))

    def _some(self, columns: list[str], condition: str) -> bool:
        """Whether any row satisfies the condition; reads little, also where it is on a vector column."""
        scanner = self._dataset.scanner(
            columns=columns, filter=condition, limit=1, batch_size=64, with_row_address=True, **_CALM
        )
        return any(len(batch) for batch in scanner.to_batches())

    def _and(self, condition: str) -> str:
        return condition if self._form is None else f"({self._form}) and ({condition})"

    def _columns(self, columns: Sequence[str] | None) -> list[str]:
        have = self.schema.names  # asked once: Lance makes its schema anew at every call
        if columns is None:
            return [name for name in have if name != "image"]
        for name in columns:
            if name not in have and name not in roles.LATE:
                self.require(name, needed_by="reading the pool")
        return list(columns)

    def _there(self, names: list[str]) -> list[str]:
        """Those of the names that the table has; the key where it has none."""
        have = self.schema.names
        return [name for name in names if name in have] or (["key"] if names else [])

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> pa.Table:
        """The rows as an Arrow table (all columns but the image bytes when `columns` is None)."""
        condition = self._form if where is None else self._and(self._checked(where))
        names = self._columns(columns)
        scanner = self._dataset.scanner(
            columns=self._there(names), filter=condition, limit=limit, offset=offset, scan_in_order=True
        )
        return _with_late(scanner.to_table(), names)

    def batches(
        self, columns: Sequence[str], *, where: str | None = None, batch_size: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """The rows in pieces, so that memory does not grow with the pool."""
        names = self._columns(columns)
        scanner = self._dataset.scanner(
            columns=self._there(names), filter=self.scanned(where), batch_size=batch_size, scan_in_order=True, **_CALM
        )
        for batch in scanner.to_batches():
            yield _with_late(batch, names)

    def _addresses(self) -> np.ndarray:
        """Lance addresses of all rows of the pool in row order; ascending. 8 bytes a row, cached."""
        if self._address_cache is None or self._address_cache[0] != self.version:
            self._address_cache = (self.version, self._scan_addresses(None))
        return self._address_cache[1]

    def _scan_addresses(self, condition: str | None) -> np.ndarray:
        # Small batches, one by one: a condition on a vector column reads that column, and a table of all rows at once
        # would hold hundreds of megabytes of what is only looked at.
        scanner = self._dataset.scanner(
            columns=[], filter=condition, with_row_address=True, scan_in_order=True, batch_size=512, **_CALM
        )
        pieces = [batch.column("_rowaddr").to_numpy() for batch in scanner.to_batches()]
        return np.concatenate([np.empty(0, np.uint64), *pieces]).astype(np.uint64)

    def rows(self, where: str | None = None) -> np.ndarray:
        """Positions (int64) in the whole pool of the rows of this view that also satisfy `where`."""
        condition = self._form if where is None else self._and(self._checked(where))
        if condition is None:
            return np.arange(len(self), dtype=np.int64)
        found = self._scan_addresses(condition)
        return np.searchsorted(self._addresses(), found).astype(np.int64)

    def vectors(self, column: str, *, where: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of a fixed-size-list column and the row positions they belong to; null rows are skipped.

        Returns (m, d) float32 and (m,) int64. Memory: m * d * 4 bytes.
        """
        field = self.require(column, needed_by="reading vectors")
        if not pa.types.is_fixed_size_list(field.type):
            raise BadInput(f"the column '{column}' holds {field.type}, not vectors; name an embedding column")
        there = f"{column} is not null"
        condition = self._and(there if where is None else f"({self._checked(where)}) and {there}")
        # One scan for both: a filter on the column reads the column.
        scanner = self._dataset.scanner(
            columns=[column], filter=condition, batch_size=1024, scan_in_order=True, with_row_address=True, **_CALM
        )
        out = np.empty((len(self._addresses()), field.type.list_size), dtype=np.float32)
        found = np.empty(len(out), dtype=np.uint64)
        at = 0
        for batch in scanner.to_batches():
            values = batch.column(column).flatten().to_numpy(zero_copy_only=False)
            out[at : at + len(batch)] = values.reshape(len(batch), -1)
            found[at : at + len(batch)] = batch.column("_rowaddr").to_numpy()
            at += len(batch)
        return out[:at], np.searchsorted(self._addresses(), found[:at]).astype(np.int64)

    def take(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """The given row positions, in the given order."""
        names = self._columns(columns)
        if len(rows) == 0:
            return _with_late(self.schema.empty_table(), names)
        return _with_late(self._dataset.take([int(row) for row in rows], columns=self._there(names)), names)

    def read_images(
        self, rows: Sequence[int] | np.ndarray, problems: dict[int, str] | None = None
    ) -> list[bytes | None]:
        """The original bytes of the given row positions; None where there are none, or no longer the ones that were ingested.

        A referenced file is compared with the row's digest. problems: receives the reason for each position without bytes.
        """
        if len(rows) == 0:
            return []
        positions = np.asarray(rows, dtype=np.int64)
        addresses = self._addresses()[positions]
        # One request per distinct row; asked for in row order, which is the order on disk.
        stored = dict(self._dataset.read_blobs("image", addresses=np.unique(addresses).tolist()))
        data: list[bytes | None] = [stored.get(int(address)) for address in addresses]
        missing = [i for i, content in enumerate(data) if not content]
        if missing:
            facts = self.take(positions[missing], ["uri", "bytes", "digest"]).to_pylist()
            for i, fact in zip(missing, facts, strict=True):
                if fact["uri"] and fact["bytes"]:
                    data[i], reason = _follow(fact["uri"], fact["digest"])
                    if reason and problems is not None:
                        problems[int(positions[i])] = reason
        return data


def _with_late(rows: Any, names: list[str]) -> Any:
    """The columns in this order; those that are not there yet are null."""
    for name in names:
        if name not in rows.schema.names:
            rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
    return rows if rows.schema.names == names else rows.select(names)


def _follow(uri: str, digest: str | None) -> tuple[bytes | None, str]:
    """The bytes of a referenced file, or None and why not."""
    try:
        data = location.read(uri)
    except (OSError, SourceError) as error:
        return None, f"the file {uri} cannot be read: {getattr(error, 'strerror', None) or error}"
    if digest and hashlib.sha256(data).hexdigest() != digest:
        return None, f"the file {uri} is no longer the image that was ingested; ingest its source again"
    return data, ""
