"""Nearest neighbours of points, with their exact distances.

Legend: n points, d numbers a point, k neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Exact search up to here; above, an inverted file, whose cells make the cost grow with n^1.5 instead of n^2.
EXACT_ROWS = 60_000
QUERY_ROWS = 4_096
SPARE = 4
BLOCK = 64


def nearest(values: NDArray[np.float32], k: int) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.int64]]]:
    """For a block of points at a time: where they are, their (b, k) Euclidean distances to the nearest others, ascending,
    and which these are, -1 (at an infinite distance) where there are no more.

    Candidates come from faiss, four more than asked for; their distances are then computed without the cancellation of
    |x|^2 - 2xy + |y|^2, which is as large as the distance of near-duplicates. All points are compared up to 60,000; above,
    the 16 nearest of 4 sqrt(n) cells. Cost: n^2 d products, or n^1.5 d; memory: the points, above 60,000 twice.
    """
    count = len(values)
    asked = min(count, k + 1 + SPARE)
    values = np.ascontiguousarray(values, np.float32)
    search = _search(values)
    for start in range(0, count, QUERY_ROWS):
        part = slice(start, min(count, start + QUERY_ROWS))
        ids = search(values[part], asked)
        distances = np.empty(ids.shape, np.float32)
        for at in range(0, len(ids), BLOCK):
            some = slice(at, at + BLOCK)
            gaps = values[ids[some]]
            gaps -= values[start + at : start + at + len(gaps), None]
            distances[some] = np.sqrt(np.einsum("bkd,bkd->bk", gaps, gaps))
        missing = (ids < 0) | (ids == np.arange(part.start, part.stop)[:, None])
        distances[missing], ids[missing] = np.inf, -1
        order = np.lexsort((ids, distances), axis=1)[:, :k]
        distances, ids = np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)
        if order.shape[1] < k:  # fewer points than neighbours
            short = ((0, 0), (0, k - order.shape[1]))
            distances = np.pad(distances, short, constant_values=np.inf)
            ids = np.pad(ids, short, constant_values=-1)
        yield part, distances, ids


def _search(values: NDArray[np.float32]) -> Any:
    import faiss

    if len(values) <= EXACT_ROWS:
        return lambda queries, k: faiss.knn(queries, values, k)[1]
    index = cells(values)
    return lambda queries, k: index.search(queries, k)[1]


def cells(values: NDArray[np.float32]) -> Any:
    """An inverted file over the (n, d) points: 4 sqrt(n) cells, of which a search visits the 16 nearest."""
    import faiss

    count, width = values.shape
    number = int(4 * count**0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, number)
    index.cp.seed, index.cp.niter, index.cp.min_points_per_centroid = 1, 6, 1
    index.cp.max_points_per_centroid = 64
    index.nprobe = 16
    index.train(values)
    index.add(values)
    return index
