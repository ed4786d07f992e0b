"""Each of some queries takes its nearest rows, and no row is taken twice.

Legend: q queries, n rows, d dimensions. Vectors are of unit norm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

CHUNK = 256
FIRST = 4
"""How many times k nearest rows a query looks at first; those that others took make it look farther."""


def taken(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which query takes each row (n,), -1 for none, and the cosine to it (n,), NaN for none.

    Pairs are served by falling cosine (ties: the earlier query, then the earlier row), so that a row goes to the query
    that is nearest of those with room left. A query gets fewer than k only where no row is left.
    Cost: q n d multiplications, a few times where many want the same rows; memory CHUNK * n * 4 bytes and 20 bytes a pair that
    is looked at: 4 k of each query at first, all of them at worst.
    """
    if queries.ndim != 2 or vectors.ndim != 2 or queries.shape[1] != vectors.shape[1] or k < 1:
        raise BadInput(f"queries (q, d), vectors (n, d) and k >= 1 must fit, got {queries.shape}, {vectors.shape}, {k}")
    owner, score = np.full(len(vectors), -1, np.int64), np.full(len(vectors), np.nan, np.float32)
    room = np.full(len(queries), k)
    depth = FIRST * k
    while True:
        free, open_ = np.flatnonzero(owner < 0), np.flatnonzero(room > 0)
        if not len(free) or not len(open_):
            return owner, score
        who, row, cosine, whole = _pairs(queries[open_], vectors[free], depth)
        unseen = np.bincount(who, minlength=len(open_))
        for i in np.lexsort((row, who, -cosine)):
            query, place = int(open_[who[i]]), int(free[row[i]])
            if room[query] and owner[place] < 0:
                owner[place], score[place] = query, cosine[i]
                room[query] -= 1
            unseen[who[i]] -= 1
            if room[query] and not unseen[who[i]] and not whole:
                break  # this query's next row may come before the next pair of another one: look farther first
        if whole:
            return owner, score
        depth *= 4


def _pairs(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], bool]:
    """(query, row, cosine) of the `depth` nearest rows of each query, and whether these are all rows."""
    depth = min(depth, len(vectors))
    who, rows, cosines = [], [], []
    for start in range(0, len(queries), CHUNK):
        near = queries[start : start + CHUNK] @ vectors.T
        chosen = np.argpartition(-near, depth - 1, axis=1)[:, :depth]
        who.append(np.repeat(np.arange(start, start + len(near)), depth))
        rows.append(chosen.ravel())
        cosines.append(np.take_along_axis(near, chosen, 1).ravel())
    return np.concatenate(who), np.concatenate(rows), np.concatenate(cosines), depth == len(vectors)
