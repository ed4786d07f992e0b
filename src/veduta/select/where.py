"""Rows by an SQL condition."""

from __future__ import annotations

import re

import numpy as np

from veduta.engine.operation import Field, Selector
from veduta.pool import Pool, Selection

LONGEST = 500
KEYWORDS = {
    "and",
    "or",
    "not",
    "is",
    "null",
    "in",
    "like",
    "between",
    "true",
    "false",
    "case",
    "when",
    "then",
    "else",
    "end",
}


class Where(Selector):
    """Keep the rows that satisfy an SQL condition over the columns.

    A condition that is null for a row (because a value is missing) is not satisfied. The reason is kept with every row that
    is left out: of a condition longer than 500 characters it has the beginning.
    """

    sql: str = Field(description='the condition, such as "width >= 256 and error is null"', min_length=1)
    reason: str | None = Field(
        None, min_length=1, max_length=LONGEST, description="why all others are left out, in words; null: the condition"
    )

    def reads(self) -> list[str]:
        # Every word outside of quotes: names that are not columns are ignored where this is used.
        words = re.findall(r"[A-Za-z_]\w*", re.sub(r"'(?:[^']|'')*'", " ", self.sql))
        return sorted({word for word in words if word.lower() not in KEYWORDS})

    def check(self, pool: Pool) -> None:
        pool.where(self.sql)

    def select(self, pool: Pool) -> Selection:
        keep = np.zeros(len(pool), dtype=bool)
        keep[pool.rows(self.sql)] = True
        short = self.sql if len(self.sql) <= LONGEST else f"{self.sql[:LONGEST]}…"
        reason = self.reason or f"does not satisfy: {short}"
        return Selection.of(self.operation(), keep, reason, summary={"kept": int(keep.sum())})
