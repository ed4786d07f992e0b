"""The result of a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rich.table import Table

    from veduta.pool import View

DEFAULT = ("key", "label", "captions", "width", "height")
SHOWN = 40


@dataclass(frozen=True, slots=True)
class Hit:
    """One result: its row position, key, score, and the columns asked for."""

    row: int
    key: str
    score: float
    fields: dict[str, Any]


@dataclass(frozen=True, repr=False)
class Hits:
    """Results, best first.

    rows: (k,) int64 row positions; scores: (k,) float32, cosine in [-1, 1] (patch search: 1 - distance / 2);
    table: `_row`, `score`, `key` and the columns asked for; method: how they were found; notes: what a user should
    know about them (rows that were not searched, an index that was built).
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    table: pa.Table
    method: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        pool: View,
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        columns: list[str] | None,
        method: str,
        notes: list[str],
    ) -> Hits:
        """Read the asked columns (default: key, label, captions, width, height, where the pool has them)."""
        names = columns if columns is not None else [name for name in DEFAULT if name in pool.schema.names]
        read = pool.take(rows, list(dict.fromkeys(["key", *names])))
        table = pa.table({"_row": pa.array(rows), "score": pa.array(scores, pa.float32())})
        for name in read.column_names:
            table = table.append_column(name, read.column(name))
        return cls(rows, scores, table, method, tuple(notes))

    @property
    def keys(self) -> list[str]:
        """Keys of the results."""
        return self.table.column("key").to_pylist()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Hit]:
        for record in self.table.to_pylist():
            yield Hit(record.pop("_row"), record["key"], record.pop("score"), record)

    def __getitem__(self, index: int) -> Hit:
        return list(self)[index]

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        names = [
            name
            for name in self.table.column_names
            if name in ("_row", "score", "key") or self.table.column(name).null_count < len(self)
        ]
        head = ["row" if name == "_row" else name for name in names]
        return head, [[_cell(record[name]) for name in names] for record in self.table.select(names).to_pylist()]

    def __repr__(self) -> str:
        head, body = self._cells()
        lines = [f"Hits({len(self)}, {self.method})"]
        shown = body[:20]
        widths = [max(len(line[i]) for line in [head, *shown]) for i in range(len(head))]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in [head, *shown]
        ]
        lines += [f"... {len(body) - 20} more"] if len(body) > 20 else []
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def rich(self) -> Table:
        """A table for the terminal."""
        from rich.markup import escape
        from rich.table import Table

        head, body = self._cells()
        table = Table(caption="\n".join([self.method, *self.notes]), caption_justify="left", header_style="bold")
        for name in head:
            table.add_column(name, justify="right" if name in ("row", "score") else "left", overflow="fold")
        for line in body:
            table.add_row(*(escape(cell) for cell in line))
        return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        value = value[0] if value and isinstance(value[0], str) else f"{len(value)} values"
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
