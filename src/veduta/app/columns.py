"""A column in memory, as small as its values allow, ready to be counted and sorted.

n: rows of the pool. A million rows take 1 to 9 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool import Pool

BINS = 30
FEW, MANY = 100, 50_000
"""A text column with more distinct values than FEW and half its rows, or than MANY, names its rows and is not a choice."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """values: (n,) float32 or float64, NaN where null; bins: (n,) uint8, BINS where not finite; edges: (BINS + 1,)."""

    values: NDArray[np.floating]
    bins: NDArray[np.uint8]
    edges: NDArray[np.float64]

    @property
    def bytes(self) -> int:
        return self.values.nbytes + self.bins.nbytes + self.edges.nbytes


@dataclass(frozen=True, slots=True)
class Codes:
    """codes: (m,) integers into `names`, -1 where null; rows: (m,) int32 row of each code for a list column (a member
    counts once a row), None where m is n. names: values as text or bool, most frequent first.
    """

    codes: NDArray[np.signedinteger]
    names: list[Any]
    rows: NDArray[np.int32] | None = None

    @property
    def bytes(self) -> int:
        return self.codes.nbytes + (0 if self.rows is None else self.rows.nbytes) + 100 * len(self.names)


@dataclass(frozen=True, slots=True)
class Names:
    """A text column that names its rows. distinct: how many values there are; missing: (n,) bool, where there is none."""

    distinct: int
    missing: NDArray[np.bool_]

    @property
    def bytes(self) -> int:
        return self.missing.nbytes


Column = Numbers | Codes | Names


def read(pool: Pool, name: str) -> Column:
    """The column. Cost: one pass over it. Raises BadInput for vectors, structures and the image bytes."""
    kind = pool.schema.field(name).type
    if not _readable(kind):
        raise BadInput(f"the column '{name}' holds {kind}, which cannot be sorted, counted or coloured by")
    values = pool.table([name]).column(0)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        small = kind in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.float16(), pa.float32())
        numbers = values.cast(pa.float32() if small else pa.float64(), safe=False)
        return _binned(np.asarray(numbers.fill_null(np.nan)))
    if pa.types.is_boolean(kind):
        return _ranked(np.asarray(values.cast(pa.int8()).fill_null(-1)), [False, True])
    if pa.types.is_list(kind):
        return _members(values)
    return _texts(values if _is_text(kind) else values.cast(pa.string()))


def _readable(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    listed = pa.types.is_list(kind) and _is_text(kind.value_type)
    return number or listed or pa.types.is_boolean(kind) or _is_text(kind) or pa.types.is_temporal(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _binned(values: NDArray[np.floating]) -> Numbers:
    sound = np.isfinite(values)
    low, high = (float(values[sound].min()), float(values[sound].max())) if sound.any() else (0.0, 1.0)
    high = high if high > low else low + max(1.0, abs(low) * 1e-6)
    edges = low + (high / 2 - low / 2) * np.linspace(0, 2, BINS + 1)  # halves: high - low may not be finite
    edges[-1] = high
    with np.errstate(invalid="ignore"):
        bins = np.searchsorted(edges[1:-1], values, side="right").astype(np.uint8)
    bins[~sound] = BINS
    return Numbers(values, bins, edges)


def _encoded(values: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes (m,), -1 for null, and the values that they mean."""
    whole = values.combine_chunks()
    whole = whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
    coded = whole.dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1)).astype(np.int32), coded.dictionary


def _texts(values: pa.ChunkedArray) -> Codes | Names:
    codes, names = _encoded(values)
    present = np.count_nonzero(codes >= 0)
    if len(names) > MANY or len(names) > max(FEW, present / 2):
        return Names(len(names), codes < 0)
    return _ranked(codes, names.to_pylist())


def _members(values: pa.ChunkedArray) -> Codes:
    rows = np.asarray(pc.list_parent_indices(values)).astype(np.int64)  # pyright: ignore[reportAttributeAccessIssue]
    flat = pc.list_flatten(values)  # pyright: ignore[reportAttributeAccessIssue]
    codes, names = _encoded(flat)
    sound = codes >= 0
    pairs = np.unique(rows[sound] * max(1, len(names)) + codes[sound])
    rows, codes = np.divmod(pairs, max(1, len(names)))
    return _ranked(codes.astype(np.int32), names.to_pylist(), rows.astype(np.int32))


def _ranked(codes: NDArray[Any], names: list[Any], rows: NDArray[np.int32] | None = None) -> Codes:
    """Renumbered, so that the most frequent is 0."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    ranked = np.argsort(-counts, kind="stable")
    place = np.empty(len(names) + 1, np.min_scalar_type(-max(1, len(names))))
    place[ranked] = np.arange(len(names))
    place[-1] = -1
    return Codes(place[codes], [names[i] for i in ranked], rows)


def order(pool: Pool, name: str, column: Column, desc: bool) -> NDArray[np.uint32]:
    """(n,) rows by value, ties in row order, then those without one. Raises BadInput for lists."""
    if isinstance(column, Numbers):
        ranks, missing = column.values, np.isnan(column.values)
    elif isinstance(column, Codes):
        if column.rows is not None:
            raise BadInput(f"the column '{name}' holds lists, by which nothing can be sorted")
        ranks, missing = _alphabet(column.names)[column.codes], column.codes < 0
    else:
        values = pool.table([name]).column(0)
        ranks = np.asarray(pc.rank(values, tiebreaker="dense")).astype(np.uint32)  # pyright: ignore[reportAttributeAccessIssue]
        missing = column.missing
    rows = np.flatnonzero(~missing)
    ranks = ranks[rows]
    if desc:  # reversed before and after: equal values stay in row order
        rows = rows[::-1][np.argsort(ranks[::-1], kind="stable")][::-1]
    else:
        rows = rows[np.argsort(ranks, kind="stable")]
    return np.concatenate([rows, np.flatnonzero(missing)]).astype(np.uint32)


def _alphabet(names: list[Any]) -> NDArray[np.int32]:
    """The place of each name in the alphabet; one more for the code -1."""
    places = np.zeros(len(names) + 1, np.int32)
    places[sorted(range(len(names)), key=lambda i: names[i])] = np.arange(len(names))
    return places
