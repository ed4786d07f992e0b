"""Reading columns for a selection: vectors that can be compared, hashes, and the order in which rows are preferred."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, View, withdrawn
from veduta.select.spill import Spilled, held, stored

Kept = TypeVar("Kept")

UNIT_WITHIN = 1e-3
CHUNK = 1024


def unit_vectors(pool: Pool, column: str, needed_by: str) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """As `stored_unit_vectors`, all in memory."""
    return _unit_vectors(pool, column, needed_by, held)


def stored_unit_vectors(
    pool: Pool, column: str, needed_by: str
) -> tuple[NDArray[np.float32] | Spilled, NDArray[np.int64], list[str]]:
    """Vectors (m, d) float32 of unit norm, the row positions (m,) they belong to, and remarks.

    Rows without a vector are left out, and so are withdrawn ones and those that their source no longer offers: no selection
    keeps them, so none of them stands for another or is one of a pair. Vectors with NaN, infinity or zero length cannot be compared: BadInput names
    their keys. Vectors that are not of unit norm are scaled, with a remark. Above 64 MiB they are kept in a file.
    """
    return _unit_vectors(pool, column, needed_by, partial(stored, folder=pool.path))


def _unit_vectors(
    pool: Pool, column: str, needed_by: str, keep: Callable[[Iterable[NDArray[np.float32]], int, int], Kept]
) -> tuple[Kept, NDArray[np.int64], list[str]]:
    pool.require(column, needed_by=needed_by, mend="run: veduta annotate embed POOL")
    field = pool.schema.field(column)
    if not pa.types.is_fixed_size_list(field.type):
        raise BadInput(f"the column '{column}' holds {field.type}, not vectors; name an embedding column")
    width = field.type.list_size
    given = " and ".join([f"{column} is not null", *([usable] if (usable := withdrawn.usable(pool)) else [])])
    rows = pool.rows(given)
    if len(rows) == 0:
        raise NothingToDo(
            f"{needed_by}: no row of this pool has a vector in '{column}'; run: veduta annotate embed POOL"
        )
    off, at = 0, 0
    broken: list[int] = []

    def pieces() -> Iterator[NDArray[np.float32]]:
        nonlocal off, at
        for batch in pool.batches([column], where=given, batch_size=CHUNK):
            flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            part = np.array(flat, np.float32).reshape(len(batch), width)
            norms = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
            bad = ~np.isfinite(norms) | (norms == 0)
            broken.extend((at + np.flatnonzero(bad)).tolist())
            off += int((np.abs(norms - 1) > UNIT_WITHIN).sum())
            part /= np.where(bad, 1, norms).astype(np.float32)[:, None]
            at += len(part)
            yield part

    vectors = keep(pieces(), len(rows), width)
    if broken:
        keys = pool.take(rows[broken[:5]], ["key"]).column("key").to_pylist()
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise BadInput(
            f"{needed_by}: the vectors in '{column}' of {', '.join(keys)}{more} hold NaN or are zero, so they have no "
            "direction; embed those images again, or set their vectors to null"
        )
    remarks = [f"{off} vectors in '{column}' were not of unit norm and have been scaled"] if off else []
    return vectors, rows, remarks


def hashes(pool: View, column: str, needed_by: str) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """64-bit hashes (m,) uint64 and the row positions (m,) they belong to.

    Withdrawn rows and those that their source no longer offers are left out. The column may hold 8 bytes, a 64-bit integer, or 16 hexadecimal digits.
    """
    field = pool.require(column, needed_by=needed_by, mend="run: veduta annotate perceptual-hash POOL")
    values = pool.table([column]).column(column).combine_chunks()
    lost = np.concatenate([withdrawn.rows(pool), withdrawn.gone(pool)])
    if len(lost):
        mask = np.zeros(len(values), bool)
        mask[lost] = True
        values = pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)
    rows = np.flatnonzero(np.asarray(values.is_valid())).astype(np.int64)
    values = values.drop_null()
    if pa.types.is_integer(field.type) and field.type.bit_width == 64:
        return values.to_numpy(zero_copy_only=False).astype(np.int64, copy=False).view(np.uint64), rows
    try:
        if pa.types.is_string(field.type):
            whole = b"".join(bytes.fromhex(text) for text in values.to_pylist())
        else:
            whole = b"".join(values.to_pylist())
        words = np.frombuffer(whole, dtype=np.uint64)
    except (ValueError, TypeError):
        words = np.empty(0, dtype=np.uint64)
    if len(words) != len(rows):
        raise BadInput(
            f"{needed_by}: the column '{column}' holds {field.type}, not 64-bit hashes; name the column of perceptual-hash"
        )
    return words, rows


def preferred(pool: View, measures: Sequence[tuple[str, NDArray[np.float64]]] = ()) -> NDArray[np.int64]:
    """All row positions of the pool, the preferred ones first: by the measures, then by key.

    measures: ("ascending" or "descending", one number a row); NaN comes last. Rows that no selection keeps (withdrawn, or no
    longer in their source) come after all others, so that none stands for one that could be kept. The order does not depend on
    the order of ingest.
    """
    table = {"key": keys(pool)}
    lost = np.concatenate([withdrawn.rows(pool), withdrawn.gone(pool)])
    if len(lost):
        last = np.zeros(len(pool))
        last[lost] = 1
        measures = [("ascending", last), *measures]
    for i, (_, values) in enumerate(measures):
        table[f"by_{i}"] = pa.array(values, mask=np.isnan(values))
    order = [*((f"by_{i}", direction) for i, (direction, _) in enumerate(measures)), ("key", "ascending")]
    return pc.sort_indices(pa.table(table), sort_keys=order).to_numpy().astype(np.int64)


def ranks(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row in an order (a permutation)."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def numbers(pool: View, column: str) -> NDArray[np.float64]:
    """A numeric column, one float64 a row; null becomes NaN."""
    values = pool.table([column]).column(0).cast(pa.float64()).combine_chunks()
    return values.fill_null(float("nan")).to_numpy()


def keys(pool: View) -> pa.Array:
    """The keys of all rows, in row order."""
    return pool.table(["key"]).column("key").combine_chunks()


def place(size: int, rows: NDArray[np.int64], values: pa.Array) -> pa.Array:
    """A column of `size` rows with `values` at the positions `rows`, null elsewhere."""
    where = np.full(size, -1, dtype=np.int64)
    where[rows] = np.arange(len(rows))
    return values.take(pa.array(where, mask=where < 0))


def sentence(*parts: str | pa.Array) -> pa.Array:
    """Join words and columns row by row into strings."""
    return pc.binary_join_element_wise(*(part if isinstance(part, pa.Array) else pa.scalar(part) for part in parts), "")


def written(values: NDArray[np.floating] | NDArray[np.integer], form: str = "%.3f") -> pa.Array:
    """Numbers as text."""
    return pa.array(np.char.mod(form, values), pa.string()) if len(values) else pa.array([], pa.string())
