"""Exact nearest neighbours on arrays.

Legend: m vectors, d dimensions, q queries, k results. All vectors are of unit norm, so the score is the cosine.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (m, d), or one vector (d,), scaled to unit norm in float32; a zero row stays zero."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k largest scores (m,), best first; equal scores in order of position.

    Cost: one partition of m values and a sort of k.
    """
    k = min(k, len(scores))
    if k == 0:
        return np.empty(0, np.int64)
    if k == len(scores):
        chosen = np.arange(len(scores))
    else:
        # argpartition picks arbitrarily among scores equal to the k-th; the lowest positions are wanted
        bar = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > bar)
        chosen = np.concatenate([above, np.flatnonzero(scores == bar)[: k - len(above)]])
    return chosen[np.argsort(-scores[chosen], kind="stable")].astype(np.int64)


def nearest(
    blocks: Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]],
    queries: NDArray[np.float32],
    k: int,
    skip: int | None = None,
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """For each of the queries (q, d) its k nearest rows and their cosines, best first.

    `blocks` yields (vectors (m, d), rows (m,)), rows ascending throughout; `skip` is a row that may not be found. Ties
    go to the lower row. Cost: one pass over the blocks, q * m * d multiplications, memory q * (k + rows of a block).
    """
    found = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
    for vectors, rows in blocks:
        scores = queries @ vectors.T
        if skip is not None:
            scores[:, rows == skip] = -np.inf
        for i, own in enumerate(scores):
            top = best(own, k)
            top = top[own[top] > -np.inf]
            seen, values = np.concatenate([found[i][0], rows[top]]), np.concatenate([found[i][1], own[top]])
            keep = best(values, k)  # earlier blocks come first and hold lower rows, so ties keep their order
            found[i] = (seen[keep], values[keep])
    return found
