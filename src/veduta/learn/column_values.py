"""Columns of the rows that are trained on: kept in memory where they are small, else read when asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.pool import View

KEPT_BYTES = 64 << 20


class ColumnValues:
    """Columns `names` of `rows` (m,): positions in the whole pool.

    Memory: the columns, if they need no more than `limit` bytes; else none, and each `at` is a read. Thread-safe.
    """

    def __init__(self, pool: View, rows: NDArray[np.int64], names: Sequence[str], limit: int = KEPT_BYTES) -> None:
        self.names = list(names)
        self._pool, self._rows = View(pool.dataset), rows
        self._kept: pa.Table | None = None
        if self.names:
            some = self._pool.take(rows[:1000], self.names)
            if some.nbytes / max(1, len(some)) * len(rows) <= limit:
                # One piece: taking from many looks each place up in all of them.
                self._kept = self._pool.take(rows, self.names).combine_chunks()

    def at(self, members: NDArray[np.int64]) -> pa.Table:
        """Values at some places in `rows`."""
        if self._kept is None:
            return self._pool.take(self._rows[members], self.names)
        return self._kept.take(pa.array(members))
