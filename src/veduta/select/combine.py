"""Several selections and conditions made into one."""

from __future__ import annotations

import pyarrow as pa

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection
from veduta.pool.selection import column_names


class Combine(Selector):
    """Keep the rows that every named selection keeps and that can be decoded.

    The reason of a row is the first that left it out. `leave_out` adds conditions of one's own: SQL -> words.
    """

    selections: tuple[str, ...] = Field((), description="names of stored selections, in the order of their reasons")
    leave_out: dict[str, str] = Field({}, description="further conditions: SQL over the columns -> the reason in words")

    def check(self, pool: Pool) -> None:
        for name in self.selections:
            if name not in pool.selections():
                have = ", ".join(pool.selections()) or "none"
                raise BadInput(f"combine: the pool has no selection '{name}' (it has: {have})")

    def reads(self) -> list[str]:
        return ["error", *(column for name in self.selections for column in column_names(name))]

    def select(self, pool: Pool) -> Selection:
        reasons: list[str | None] = [None] * len(pool)
        counts: dict[str, int] = {}

        def leave(rows: list[int], words: list[str | None], source: str) -> None:
            fresh = [(row, word) for row, word in zip(rows, words, strict=True) if reasons[row] is None]
            for row, word in fresh:
                reasons[row] = word or source
            counts[source] = len(fresh)

        bad = pool.rows("error is not null")
        leave(
            bad.tolist(), [f"cannot be decoded: {e}" for e in pool.take(bad, ["error"])["error"].to_pylist()], "error"
        )
        for name in self.selections:
            keep, reason = column_names(name)
            rows = pool.rows(f"not {keep} or {keep} is null")
            leave(rows.tolist(), pool.take(rows, [reason])[reason].to_pylist(), name)
        for condition, words in self.leave_out.items():
            rows = pool.rows(condition)
            leave(rows.tolist(), [words] * len(rows), words)
        array = pa.array(reasons, pa.string())
        return Selection.of(
            "combine", array.is_null().to_numpy(zero_copy_only=False), array, summary={"left_out": counts}
        )
