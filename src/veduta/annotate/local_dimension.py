"""In how many ways the images around each image vary."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.nearest import nearest
from veduta.annotate.points import COLUMN, IMAGE, SIZE, check_column, first_equal, read_points
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import NothingToDo
from veduta.pool import View

FEWEST = 5
"""Points for each neighbour that is asked, below which an estimate says little."""


def inverse_dimension(distances: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) 1/m(x) from the distances T_1 <= ... <= T_k (n, k), all above 0, of n points to their k >= 3 nearest others:

        1/m(x) = 1/(k - 2) sum_{j < k} log(T_k(x) / T_j(x))

    (Levina and Bickel 2004, with k - 2 as MacKay and Ghahramani and the released code of arXiv 2104.08894 have it). The
    dimension of many points is one over the mean of these, not the mean of the m(x).
    """
    logs = np.log(np.asarray(distances, np.float64))
    return (logs[:, -1:] - logs[:, :-1]).sum(axis=1) / (logs.shape[1] - 2)


class LocalDimension(TableAnnotator):
    """Estimate around each image in how many ways its neighbours vary: low in crowds of much the same, high in clutter.

    Adds `local_dimension`: float32 above 0, the maximum-likelihood estimate of Levina and Bickel (2004) from the distances to
    the `k` nearest images (see `inverse_dimension`; `judge difficulty` gives the average and its interval). One image alone is
    a rough estimate: its standard error is the value / sqrt(k - 2). Equal images count once and have the same value. Null where
    the image cannot be decoded or has no vector, and where all its k neighbours are at one distance.
    All are compared with all up to 60,000 images, above by the nearest of 4 sqrt(n) cells. Memory: 4 bytes x rows x numbers a
    row, at most 2 GiB, above 60,000 rows twice.
    """

    column: str = COLUMN
    size: int = SIZE
    k: int = Field(20, ge=3, le=200, description="neighbours")

    def reads(self) -> list[str]:
        return [] if self.column == IMAGE else [self.column]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("local_dimension", pa.float32())])

    def check(self, pool: View) -> None:
        check_column(pool, self.column, self.operation())

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        points = read_points(pool, self.column, self.size, pool.rows(), self.operation())
        first = first_equal(points.values)
        own, place = np.unique(first, return_inverse=True)
        if len(own) < FEWEST * self.k:
            raise NothingToDo(
                f"local-dimension with k = {self.k} needs {FEWEST * self.k} different images, got {len(own)}; lower --k"
            )
        inverse = np.empty(len(own))
        for part, distances, _ in nearest(points.values[own], self.k):
            inverse[part] = inverse_dimension(distances)
        known = inverse[place] > 0
        values = (1 / np.where(known, inverse[place], 1)).astype(np.float32)
        return pa.table({"_row": pa.array(points.rows), "local_dimension": pa.array(values, mask=~known)})
