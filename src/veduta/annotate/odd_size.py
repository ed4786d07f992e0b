"""Images whose size stands out from the pool's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View

# A pool of equal sizes has no spread; below this much (a factor of 1.28) nobody would call a size odd.
LEAST_SPREAD = 0.25


def odd_size(width: NDArray[np.int64], height: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """(n,) scores in [0, 1] and the median size in pixels of side.

    A size is the logarithm of sqrt(width * height). z is its distance from the median over 1.4826 * MAD (the robust
    standard deviation, at least 0.25); the score 1 / (1 + (5 / z)^4) is one half at five deviations.
    """
    size = 0.5 * (np.log(width.astype(np.float64)) + np.log(height.astype(np.float64)))
    median = np.median(size)
    spread = max(1.4826 * float(np.median(np.abs(size - median))), LEAST_SPREAD)
    z = np.abs(size - median) / spread
    return (z**4 / (z**4 + 5.0**4)).astype(np.float32), float(np.exp(median))


class OddSize(TableAnnotator):
    """Find images that are far larger or smaller than the pool's typical one.

    Adds `quality_odd_size`: float32 in [0, 1], one half at five robust standard deviations of the logarithm of
    sqrt(width * height) from the median, and `odd_size_reason`: string where the score reaches the threshold, else null.
    Memory: 40 bytes a row.
    """

    threshold: float = Field(0.5, gt=0, le=1, description="score from which a size is given as odd, with a reason")

    def reads(self) -> list[str]:
        return ["width", "height"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("quality_odd_size", pa.float32()), pa.field("odd_size_reason", pa.string())])

    def compute(self, pool: View) -> pa.Table:
        known = "width > 0 and height > 0"
        table, rows = pool.table(["width", "height"], where=known), pool.rows(known)
        width, height = (table.column(name).to_numpy().astype(np.int64) for name in ("width", "height"))
        score, median = odd_size(width, height) if len(rows) else (np.empty(0, np.float32), 0.0)
        reasons: list[str | None] = [None] * len(rows)
        for row in np.flatnonzero(score >= self.threshold):
            factor = float(np.sqrt(width[row] * height[row])) / median
            than = f"{factor:.1f} times larger" if factor > 1 else f"{1 / factor:.1f} times smaller"
            reasons[row] = f"{width[row]} x {height[row]} pixels is {than} than the typical {median:.0f} x {median:.0f}"
        return pa.table(
            {
                "_row": pa.array(rows, pa.int64()),
                "quality_odd_size": pa.array(score, pa.float32()),
                "odd_size_reason": pa.array(reasons, pa.string()),
            }
        )
