"""What became of the items of a source, and what the pool knew of them before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.pool import Pool, View

# ingested, updated, unchanged, undecodable, unreadable, duplicate key
MOST_PROBLEMS = 1000


@dataclass
class IngestReport:
    """What became of every item: counts by outcome, and the first problems by key, outcome and reason.

    skipped: files of the source that are no images. notes: what the reader mended on the way, counted.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, key: str, outcome: str, reason: str = "") -> None:
        """Count one item."""
        self.outcomes[outcome] += 1
        if reason and len(self.problems) < MOST_PROBLEMS:
            self.problems.append((key, outcome, reason))

    @property
    def offered(self) -> int:
        """How many items the source offered."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class Known:
    """What the pool holds of a key: its stamp, digest, place, error and row position."""

    stamp: str
    digest: str
    uri: str
    error: str | None
    row: int


class Before:
    """The pool as it was before an ingest. Memory: some 100 bytes a row."""

    def __init__(self, pool: Pool, given: Sequence[pa.Field]) -> None:
        self._view = View(pool.at(pool.version).dataset)
        self._given = [f for f in given if f.name in self._view.schema.names]
        table = self._view.table(["key", "stamp", "digest", "uri", "error"])
        columns = [column.to_pylist() for column in table.columns[1:]]
        keys = table.column(0).to_pylist()
        rows = zip(keys, *columns, range(len(keys)), strict=True)
        self._known = {key: Known(*rest) for key, *rest in rows}

    def get(self, key: str) -> Known | None:
        """What is known of a key."""
        return self._known.get(key)

    def says(self, known: Known, row: dict[str, Any]) -> bool:
        """Whether the stored row has the very bytes and the very fields that the source gives now."""
        if known.digest != row["digest"]:
            return False
        names = [f.name for f in self._given]
        stored = self._view.take(np.array([known.row]), names)
        try:
            fresh = pa.table({f.name: pa.array([row.get(f.name)], f.type) for f in self._given})
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return False
        return stored.to_pylist() == fresh.to_pylist()
