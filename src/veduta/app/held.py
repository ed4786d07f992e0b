"""Columns in memory, as small as they can be: what a page sorts, counts, colours and filters by.

A version of a pool never changes, so that what was read of it stays right; the least used goes when there is too much.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.app import sql
from veduta.errors import BadInput
from veduta.pool import Pool

BYTES = 320 << 20


class Kept:
    """Values by name, the least used given up beyond `limit` bytes. Safe to use from several threads."""

    def __init__(self, limit: int = BYTES) -> None:
        self.limit, self.total = limit, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """The value, made now if it is not there; two threads may make it twice."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name][0]
        value = make()
        with self._lock:
            if name not in self._values:
                self._values[name] = value, size(value)
                self.total += size(value)
            while self.total > self.limit and len(self._values) > 1:
                self.total -= self._values.popitem(last=False)[1][1]
        return value


@dataclass(frozen=True)
class Numbers:
    """values: (n,) float32 or float64, NaN where null."""

    values: NDArray[np.floating]

    @property
    def bytes(self) -> int:
        return self.values.nbytes


@dataclass(frozen=True)
class Codes:
    """codes: (m,) int32 into `names`, -1 where null; rows: (m,) int32 row of each code for a list column, None where m
    is the number of rows. names: values as text or bool, most frequent first.
    """

    codes: NDArray[np.int32]
    names: list[Any]
    rows: NDArray[np.int32] | None = None

    @property
    def bytes(self) -> int:
        return self.codes.nbytes + (0 if self.rows is None else self.rows.nbytes) + 80 * len(self.names)


class Held:
    """The columns and conditions of a pool's versions."""

    def __init__(self) -> None:
        self.kept = Kept()

    def column(self, pool: Pool, name: str) -> Numbers | Codes:
        """A scalar or list-of-text column. Raises MissingColumn; BadInput for vectors and structures."""
        pool.require(name, needed_by="this view")
        return self.kept.get(("column", pool.version, name), lambda: _read(pool, name), lambda value: value.bytes)

    def matches(self, pool: Pool, condition: str) -> NDArray[np.bool_]:
        """(n,) whether each row satisfies the SQL condition. Raises BadInput."""

        def find() -> NDArray[np.bool_]:
            mask = np.zeros(pool.dataset.count_rows(), bool)
            mask[pool.rows(condition)] = True
            return mask

        return self.kept.get(("condition", pool.version, condition), find, lambda mask: mask.nbytes)

    def mask(self, pool: Pool, where: str | None, picks: Any) -> NDArray[np.bool_] | None:
        """(n,) rows that satisfy everything, None for all."""
        conditions = [sql.checked(where)] if where else []
        conditions += [sql.of_pick(pool, pick) for pick in picks]
        masks = [self.matches(pool, condition) for condition in conditions]
        return np.logical_and.reduce(masks) if masks else None


def _read(pool: Pool, name: str) -> Numbers | Codes:
    values = pool.table([name]).column(0).combine_chunks()
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        small = kind in (pa.int8(), pa.int16(), pa.float16(), pa.float32())
        numbers = values.cast(pa.float32() if small else pa.float64(), safe=False)
        return Numbers(np.asarray(numbers.fill_null(np.nan)))
    if pa.types.is_boolean(kind):
        codes = np.asarray(values.cast(pa.int8()).fill_null(-1)).astype(np.int32)
        return Codes(codes, [False, True])
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        rows = np.asarray(pc.list_parent_indices(values)).astype(np.int32)
        return _coded(pc.list_flatten(values), rows)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _coded(values, None)
    if pa.types.is_temporal(kind):
        return _coded(values.cast(pa.string()), None)
    raise BadInput(f"the column '{name}' holds {kind}, which cannot be sorted, counted or coloured by")


def _coded(values: pa.Array, rows: NDArray[np.int32] | None) -> Codes:
    coded = values.dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1)).astype(np.int32)
    counts = np.bincount(codes[codes >= 0], minlength=len(coded.dictionary))
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(order) + 1, np.int32)
    place[order] = np.arange(len(order))
    place[-1] = -1
    return Codes(place[codes], coded.dictionary.take(pa.array(order)).to_pylist(), rows)
