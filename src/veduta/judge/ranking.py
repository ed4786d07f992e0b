"""Retrieval measured: rankings of a database for many queries, scored against groups.

Legend: q queries, n database rows, d dimensions. Vectors are of unit norm, scores are cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Ranked:
    """Per query that has something to find, (m,) each.

    queries: which of the q queries. precision: average precision over the whole ranking. first: rank of the first hit
    (1 is best). hits: number of hits within each depth asked for, depth -> (m,). relevant: how many there are to find.
    """

    queries: NDArray[np.int64]
    precision: NDArray[np.float64]
    first: NDArray[np.int64]
    hits: dict[int, NDArray[np.int64]]
    relevant: NDArray[np.int64]

    @property
    def mean_average_precision(self) -> float:
        """mAP; NaN without queries."""
        return float(self.precision.mean()) if len(self.precision) else float("nan")

    def recall(self, k: int) -> NDArray[np.bool_]:
        """(m,) whether at least one hit is among the first k. Raises BadInput if k was not asked for."""
        if k < 1:
            raise BadInput(f"k must be at least 1, got {k}")
        return self.first <= k


def rank(
    queries: NDArray[np.float32],
    query_groups: NDArray[np.int64],
    database: NDArray[np.float32],
    database_groups: NDArray[np.int64],
    *,
    own: NDArray[np.int64] | None = None,
    depths: Sequence[int] = (4,),
) -> Ranked:
    """Rank the database for every query; hits have the query's group.

    own: (q,) database row of the query itself, -1 if it is not there; that row is taken out of the ranking. Leave it
    None to keep self-matches (as UKBench counts them). Queries without anything to find are left out. Ties go to the
    lower row. Cost: q * n * d multiplications and q sorts of n; memory CHUNK * n * 16 bytes.
    """
    kept, precision, first, relevant = [], [], [], []
    hits: dict[int, list[int]] = {depth: [] for depth in depths}
    for start in range(0, len(queries), CHUNK):
        scores = queries[start : start + CHUNK] @ database.T
        for row, own_scores in enumerate(scores, start):
            same = database_groups == query_groups[row]
            if own is not None and own[row] >= 0:
                own_scores[own[row]] = -np.inf
                same = same.copy()
                same[own[row]] = False
            if not same.any():
                continue
            order = np.argsort(-own_scores, kind="stable")
            places = np.flatnonzero(same[order]) + 1
            kept.append(row)
            precision.append(float(np.mean(np.arange(1, len(places) + 1) / places)))
            first.append(int(places[0]))
            relevant.append(len(places))
            for depth in depths:
                hits[depth].append(int((places <= depth).sum()))
    return Ranked(
        np.array(kept, np.int64),
        np.array(precision, np.float64),
        np.array(first, np.int64),
        {depth: np.array(found, np.int64) for depth, found in hits.items()},
        np.array(relevant, np.int64),
    )
