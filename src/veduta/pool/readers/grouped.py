"""Rows of a table that share their image, joined into one row each."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.pool.readers.merge import Merger
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.rows import Row, Rows


class Grouped:
    """The rows of `inner`, one for every value of `column`; each comes where its last row stood.

    size: gives (width, height) of the image that a value names, for boxes in fractions of it. all_named: whether every row
    has a value, so that the values are unique once the rows are joined.
    Memory: 8 bytes a row, and the rows of images that are not complete yet.
    """

    def __init__(self, inner: Rows, column: str, notes: Notes, size: Callable[[Any], tuple[int, int] | None]) -> None:
        self._inner, self._column, self._size = inner, column, size
        kind = inner.schema.field(column).type
        may_repeat = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
        self._several, self.all_named = _several(inner.values(column)) if may_repeat else ({}, False)
        self._merger = Merger({f.name: f.type for f in inner.schema}, notes, used=(column,))
        if self._several or self._merger.boxes:
            for _, records in self._groups():
                self._merger.see(records)
        self._merger.settle()
        self.schema = pa.schema(list(self._merger.types.items()), metadata=inner.schema.metadata)

    @property
    def is_needed(self) -> bool:
        """Whether the rows differ from those of the table."""
        return self._merger.is_needed

    def rows(self) -> Iterator[Row]:
        return (row for _, row in self.by_file())

    def by_file(self) -> Iterator[tuple[int, Row]]:
        for number, records in self._groups():
            name = records[0].get(self._column)
            yield number, self._merger.merge(records, lambda name=name: self._size(name))

    def values(self, column: str) -> Iterator[Any]:
        top, _, leaf = column.partition(".")
        for row in self.rows():
            yield row.get(column) if not leaf else (row.get(top) or {}).get(leaf)

    def __len__(self) -> int:
        return len(self._inner) - sum(number - 1 for number in self._several.values())

    def _groups(self) -> Iterator[tuple[int, list[Row]]]:
        """The rows of one image, and the file of the last of them."""
        waiting: dict[int, list[Row]] = {}
        for file, row in self._inner.by_file():
            name = _hash(row.get(self._column)) if self._several else 0
            number = self._several.get(name, 1)
            if number == 1:
                yield file, [row]
                continue
            rows = waiting.setdefault(name, [])
            rows.append(row)
            if len(rows) == number:
                yield file, waiting.pop(name)


def _hash(value: Any) -> int:
    value = str(value) if isinstance(value, int) else value
    return hash(posixpath.normpath(value.replace("\\", "/"))) if isinstance(value, str) and value else 0


def _several(values: Iterator[Any]) -> tuple[dict[int, int], bool]:
    """How often the names that occur several times do, by their hash; and whether all names are there."""
    parts: list[np.ndarray] = []
    while part := list(itertools.islice(values, 65536)):
        parts.append(np.fromiter(map(_hash, part), np.int64, len(part)))
    if not parts:
        return {}, False
    found, counts = np.unique(np.concatenate(parts), return_counts=True)
    several = {int(f): int(c) for f, c in zip(found[counts > 1], counts[counts > 1], strict=True) if f != 0}
    return several, 0 not in found
