"""Vectors of a pool's column, read so that memory does not grow with their dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.engine.threads import one_blas_thread
from veduta.errors import BadInput
from veduta.pool import View

# Up to so many rows vectors are kept whole; above, their leading principal directions stand for them.
WHOLE_ROWS = 2_000
SAMPLE_ROWS = 8_000
BATCH_ROWS = 1_024


@dataclass(frozen=True)
class Vectors:
    """Unit vectors of the m rows of a column that have sound ones.

    values: (m, k) float32, k <= d. rows: (m,) int64 positions in the pool. rest: (m,) float32 squared length of what the
    k directions leave out. directions: (k, d) float32 orthonormal, or None if k = d and nothing was left out.
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]
    rest: NDArray[np.float32]
    directions: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.rows)


def column_vectors(
    pool: View, column: str, *, also: Sequence[str] = (), needed_by: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], list[pa.Array]]]:
    """Pieces of a vector column in row order: row positions (m,), vectors (m, d) float32, the columns `also`.

    Rows without a vector are skipped. Raises MissingColumn or BadInput for a column that is not one of vectors.
    """
    field = pool.require(column, needed_by=needed_by, mend="make it with: veduta annotate embed")
    if not pa.types.is_fixed_size_list(field.type):
        raise BadInput(f"{needed_by}: the column '{column}' holds {field.type}, not vectors; name an embedding column")
    given = f"{column} is not null"
    rows, at = pool.rows(given), 0
    for batch in pool.batches([column, *also], where=given, batch_size=BATCH_ROWS):
        flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
        vectors = np.asarray(flat, np.float32).reshape(len(batch), -1)
        yield rows[at : at + len(batch)], vectors, [batch.column(i + 1) for i in range(len(also))]
        at += len(batch)


def sound(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) whether each of the (n, d) vectors is finite and not zero."""
    return np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) of unit norm; a zero row stays zero."""
    return unit(vectors)


def read_vectors(pool: View, column: str, *, needed_by: str, dimensions: int = 128, whole: int = WHOLE_ROWS) -> Vectors:
    """The column's sound vectors, of unit norm.

    More than `whole` (2,000) vectors of more than `dimensions` dimensions are projected on that many leading directions of 8,000
    of them, evenly spread; inner products and distances change by no more than `rest` says.
    Memory: 4 bytes x rows x min(d, dimensions); one pass, and one over the sample.
    """
    field = pool.require(column, needed_by=needed_by, mend="make it with: veduta annotate embed")
    count = len(pool.rows(f"{column} is not null"))
    width = field.type.list_size if pa.types.is_fixed_size_list(field.type) else 0
    directions = None
    if count > whole and width > dimensions:
        directions = leading_directions(_sample(pool, column, count, needed_by), dimensions)
    values: list[NDArray[np.float32]] = [np.empty((0, width if directions is None else dimensions), np.float32)]
    rows: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    rest: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    for positions, vectors, _ in column_vectors(pool, column, needed_by=needed_by):
        use = sound(vectors)
        piece = normalised(vectors[use])
        if directions is not None:
            piece = piece @ directions.T
        values.append(piece)
        rows.append(positions[use])
        length = np.einsum("nd,nd->n", piece, piece)
        rest.append(np.maximum(1 - length, 0) if directions is not None else np.zeros_like(length))
    return Vectors(np.concatenate(values), np.concatenate(rows), np.concatenate(rest), directions)


def _sample(pool: View, column: str, count: int, needed_by: str) -> NDArray[np.float32]:
    step, seen, kept = -(-count // SAMPLE_ROWS), 0, []
    for _, vectors, _ in column_vectors(pool, column, needed_by=needed_by):
        piece = vectors[(-seen) % step :: step]
        kept.append(normalised(piece[sound(piece)]))
        seen += len(vectors)
    return np.concatenate(kept)


def leading_directions(vectors: NDArray[np.float32], count: int, seed: int = 0) -> NDArray[np.float32]:
    """(k, d) orthonormal: the leading right singular vectors of (n, d) `vectors`, k = min(count, n, d), signs fixed.

    Randomised range finder with two power iterations (Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4);
    exact where the matrix has no more than k + 16 rows or columns.
    """
    n, d = vectors.shape
    count = min(count, n, d)
    width = min(count + 16, n, d)
    with one_blas_thread():
        if width == min(n, d):
            basis = np.linalg.svd(vectors, full_matrices=False)[2][:count]
        else:
            probe = np.random.default_rng(seed).standard_normal((d, width)).astype(np.float32)
            reach = np.linalg.qr(vectors @ probe)[0]
            for _ in range(2):
                reach = np.linalg.qr(vectors @ np.linalg.qr(vectors.T @ reach)[0])[0]
            basis = np.linalg.svd(reach.T @ vectors, full_matrices=False)[2][:count]
    signs = np.sign(basis[np.arange(count), np.abs(basis).argmax(axis=1)])
    return np.ascontiguousarray(basis * np.where(signs == 0, 1, signs)[:, None], dtype=np.float32)
