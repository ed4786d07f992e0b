"""A selection: which rows are kept, and for every other row the reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.errors import BadInput


@dataclass(slots=True)
class Selection:
    """One decision per row of a pool.

    keep: (n,) bool, n = rows of the pool at the version the selection was made on.
    reasons: (n,) string, null exactly where `keep` is true.
    columns: further columns worth keeping (groups, distances), each (n,); stored beside the selection.
    summary: small facts for reports, JSON-serialisable.
    artifacts: larger tables for reports, name -> table (per-concept figures, groups).
    """

    name: str
    keep: np.ndarray
    reasons: pa.Array
    columns: dict[str, pa.Array] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        keep: np.ndarray,
        reasons: Mapping[int, str] | Sequence[str | None] | pa.Array | str,
        *,
        columns: Mapping[str, pa.Array] | None = None,
        summary: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, pa.Table] | None = None,
    ) -> Selection:
        """Build a selection; `reasons` may be one string for all, a map from row to reason, or one entry a row."""
        keep = np.asarray(keep, dtype=bool)
        if isinstance(reasons, str):
            words: Any = [None if kept else reasons for kept in keep.tolist()]
        elif isinstance(reasons, Mapping):
            words = [reasons.get(row) for row in range(len(keep))]
        else:
            words = reasons
        array = words if isinstance(words, pa.Array) else pa.array(words, pa.string())
        if len(array) != len(keep):
            raise BadInput(f"selection '{name}': {len(array)} reasons for {len(keep)} rows; give one reason a row")
        given = ~np.asarray(array.is_null())
        if (given == keep).any():
            row = int(np.flatnonzero(given == keep)[0])
            state = "is kept and has a reason" if keep[row] else "is left out without a reason"
            raise BadInput(f"selection '{name}': row {row} {state}; a reason belongs to exactly the rows left out")
        return cls(name, keep, array, dict(columns or {}), dict(summary or {}), dict(artifacts or {}))

    def __len__(self) -> int:
        """How many rows are kept."""
        return int(self.keep.sum())

    def rows(self) -> np.ndarray:
        """Positions of the kept rows, int64, ascending."""
        return np.flatnonzero(self.keep)

    def __repr__(self) -> str:
        return f"Selection('{self.name}': {len(self)} of {len(self.keep)} rows kept)"


def column_names(name: str) -> tuple[str, str]:
    """The two columns in which a selection called `name` is stored."""
    return f"select_{name}", f"reason_{name}"
