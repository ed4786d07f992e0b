"""Images unlike all the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.nearest import cells
from veduta.annotate.vectors import Vectors, read_vectors
from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View

# Exact search below; above, an inverted file, whose cells make the cost grow with n^1.5 instead of n^2.
EXACT_ROWS = 20_000
QUERY_ROWS = 8_192


def neighbour_count(rows: int) -> int:
    """How many neighbours to ask: twice the root of the rows, between 10 and 100, and no more than there are.

    A clump of foreign images with more members than this hides itself, so it grows with the pool.
    """
    return max(1, min(rows - 1, max(10, min(100, round(2 * rows**0.5)))))


def mean_distance(vectors: Vectors, neighbours: int) -> NDArray[np.float32]:
    """(m,) the root mean squared Euclidean distance of each vector to its `neighbours` nearest others.

    Where the vectors are projections, what these leave out counts as orthogonal: d^2 = |px - py|^2 + rest_x + rest_y.
    Above 20,000 vectors the search visits the 16 nearest of 4 sqrt(m) cells.
    """
    values, rest = vectors.values, vectors.rest
    index = _index(values)
    result = np.empty(len(values), np.float32)
    for start in range(0, len(values), QUERY_ROWS):
        part = slice(start, start + QUERY_ROWS)
        squares, ids = index.search(values[part], neighbours + 1)
        own = np.arange(start, start + len(ids))[:, None]
        # The row itself need not come first among exact duplicates, nor at all: drop it, else the farthest.
        other = ids != own
        other[other.all(axis=1), -1] = False
        total = np.maximum(squares, 0) + rest[np.maximum(ids, 0)]
        found = other & (ids >= 0)
        mean = np.where(found, total, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        result[part] = np.sqrt(mean + rest[part])
    return result


def _index(values: NDArray[np.float32]) -> Any:
    import faiss

    if len(values) > EXACT_ROWS:
        return cells(values)
    index = faiss.IndexFlatL2(values.shape[1])
    index.add(values)
    return index


def robust_score(distance: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores (m,) in [0, 1] and whether each reaches one half.

    z = (log d - median) / (84th percentile - median): deviations of the upper half, because duplicates draw the lower one
    out. score = z^4 / (z^4 + threshold^4) for z > 0, else 0: one half at `threshold` deviations. No fixed share is
    flagged: of normally distributed logarithms 0.02 % lie above 3.5.
    """
    logs = np.log(np.maximum(distance.astype(np.float64), 1e-6))
    middle, upper = np.quantile(logs, [0.5, 0.8413])
    # Equal distances (a pool of copies) have no spread; a hundredth is far below that of any real pool.
    z = np.maximum((logs - middle) / max(float(upper - middle), 0.01), 0.0)
    return (z**4 / (z**4 + threshold**4)).astype(np.float32), z >= threshold


class Outlier(TableAnnotator):
    """Find images that are unlike all others in the pool.

    Adds `outlier`: float32 in [0, 1], from the mean distance to the nearest neighbours in the embedding, one half where
    its logarithm lies `threshold` robust deviations above the median; `is_outlier`: bool, at or above one half.
    It finds what is foreign to a pool with a theme (a photo among X-rays, a drawing among photos), also small groups of
    it, up to the number of neighbours. In a pool without a theme, where every image is far from every other, nothing
    stands out, and nothing is flagged.
    Memory: at most 1,100 bytes a row above 2,000 rows (see `read_vectors`). Fewer than 4 vectors: score 0.
    """

    embedding: str = Field("embedding", description="embedding column")
    neighbours: int | None = Field(
        None, ge=1, description="how many neighbours the distance is averaged over; by default 10 to 100, with the rows"
    )
    threshold: float = Field(3.5, gt=0, description="robust deviations from which an image is an outlier")

    def reads(self) -> list[str]:
        return [self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("outlier", pa.float32()), pa.field("is_outlier", pa.bool_())])

    def compute(self, pool: View) -> pa.Table:
        vectors = read_vectors(pool, self.embedding, needed_by="outlier")
        count = len(vectors)
        if count < 4:
            score, flag = np.zeros(count, np.float32), np.zeros(count, bool)
        else:
            neighbours = min(self.neighbours or neighbour_count(count), count - 1)
            score, flag = robust_score(mean_distance(vectors, neighbours), self.threshold)
        return pa.table(
            {"_row": pa.array(vectors.rows), "outlier": pa.array(score, pa.float32()), "is_outlier": pa.array(flag)}
        )
