"""Rows that show a test image again.

Legend: m rows that may be trained on, t test rows, d dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.judge.curation.bench import Bench

COSINE = 0.98
CHUNK = 1024


def leaks(
    pool: Bench, train: NDArray[np.bool_], test: NDArray[np.int64], embedding: str | None
) -> dict[str, NDArray[np.bool_]]:
    """How -> (pool rows,) bool: rows of `train` (pool rows,) bool with the bytes of a row of `test` (t,), and, where there
    is an embedding column, rows whose vector has a cosine above 0.98 to one of theirs.

    Cost: m t d multiplications; memory the vectors, and 4 KiB a test row.
    """
    digests = pool.table(["digest"]).column(0).to_pylist()
    tested = {digests[row] for row in test if digests[row]}
    same = train & np.array([digest in tested for digest in digests], bool)
    found = {"with the same file as a test image": same}
    if embedding is None:
        return found
    vectors, rows = pool.unit_vectors(embedding)
    theirs = vectors[np.isin(rows, test)]
    near = np.zeros(len(pool), bool)
    own = np.flatnonzero(train[rows] & ~same[rows])
    for start in range(0, len(own) if len(theirs) else 0, CHUNK):
        part = own[start : start + CHUNK]
        near[rows[part]] = (vectors[part] @ theirs.T).max(1) > COSINE
    found[f"with a cosine above {COSINE} to a test image"] = near
    return found
