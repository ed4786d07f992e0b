"""Vectors of a column in memory, kept between queries of one process.

A block is known by the files that hold the column, not by the version of the pool: adding another column, or an
index, does not throw it away. The cache holds `CACHE_BYTES` at most and forgets the block used longest ago.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.search.exact import unit
from veduta.search.place import state

if TYPE_CHECKING:
    from veduta.pool import View

CACHE_BYTES = 1 << 30
BATCH = 8192
PIECE = 16_384
"""Rows scored at a time: the copy that a filter makes stays small (80 MB with 1,280 dimensions)."""


@dataclass(frozen=True, slots=True)
class Block:
    """vectors: (m, d) float32 of unit norm; rows: (m,) int64 ascending; skipped: how many had no direction."""

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    skipped: int

    @property
    def bytes(self) -> int:
        """Memory in bytes."""
        return self.vectors.nbytes + self.rows.nbytes

    def pieces(
        self, allowed: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """(vectors, rows) of at most PIECE rows, of the ascending rows `allowed` only; what is whole is not copied."""
        for start in range(0, len(self.rows), PIECE):
            vectors, rows = self.vectors[start : start + PIECE], self.rows[start : start + PIECE]
            if allowed is not None:
                keep = np.isin(rows, allowed, assume_unique=True)
                if not keep.all():
                    vectors, rows = vectors[keep], rows[keep]
            yield vectors, rows


_blocks: OrderedDict[tuple[str, ...], Block] = OrderedDict()
_lock = threading.Lock()


def clear() -> None:
    """Forget all blocks."""
    with _lock:
        _blocks.clear()


def clean(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> Block:
    """Unit vectors only: rows (m, d) that are zero or not finite have no direction and are left out."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.linalg.norm(vectors, axis=1) if len(vectors) else np.empty(0, np.float32)
    sound = np.isfinite(norms) & (norms > 0)
    if not sound.all():
        vectors, rows = vectors[sound], rows[sound]
    if len(vectors) and np.abs(norms[sound] - 1).max() > 1e-4:
        vectors = unit(vectors)
    return Block(np.ascontiguousarray(vectors), rows, int((~sound).sum()))


def cached(pool: View, column: str, *, read: bool = True) -> Block | None:
    """The whole column as one block, from the cache or (if `read`) read now; None if it is larger than the cache may be."""
    dim = pool.schema.field(column).type.list_size
    key = (*state(pool, column), pool.condition or "")
    with _lock:
        if key in _blocks:
            _blocks.move_to_end(key)
            return _blocks[key]
    if not read or len(pool) * (dim + 2) * 4 > CACHE_BYTES:
        return None
    block = clean(*pool.vectors(column))
    with _lock:
        for old in [k for k in _blocks if k[:2] == key[:2] and k != key]:
            del _blocks[old]  # an older state of the same column
        _blocks[key] = block
        while sum(b.bytes for b in _blocks.values()) > CACHE_BYTES and len(_blocks) > 1:
            _blocks.popitem(last=False)
    return block


def some(pool: View, column: str, rows: NDArray[np.int64]) -> Block:
    """The vectors of some ascending rows, read now; rows without one are left out."""
    values = pool.take(rows, [column]).column(0).combine_chunks()
    there = np.asarray(values.is_valid())
    vectors = np.asarray(values.drop_null().flatten(), np.float32)
    return clean(vectors.reshape(-1, pool.schema.field(column).type.list_size), rows[there])


def stream(
    pool: View, column: str, where: str | None = None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The column in pieces of at most BATCH rows: (vectors, rows), unit norm. Memory does not grow with the pool."""
    given = f"{column} is not null" if where is None else f"({where}) and {column} is not null"
    rows, at = pool.rows(given), 0
    for batch in pool.batches([column], where=given, batch_size=BATCH):
        values = batch.column(0).flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
        block = clean(values, rows[at : at + len(batch)])
        at += len(batch)
        yield block.vectors, block.rows
