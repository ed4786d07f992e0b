"""The unit of work of an annotation run, and how it is carried out on this machine.

A task can be pickled: it names the pool by path and version and carries the operations' parameters, so that another
executor may send it to other processes or machines. It returns plain Arrow data and writes nothing; the run commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from veduta.engine.fused import FusedPass, try_decode
from veduta.engine.operation import Annotator
from veduta.engine.pipeline import BATCH, batched, ordered_map
from veduta.pool import Pool, View, unread

# The column of a task's result that says why a row could not be read; null where it was.
UNREAD = pa.field("_unread", pa.string())
# Rows of a batch that needs no pixels: large enough for vectorised work.
TABLE_BATCH = 4096


@dataclass
class Task:
    """Compute the annotators' columns for row positions of one version of a pool.

    condition: rows that do not satisfy this SQL expression get null, as do rows with an error.
    """

    path: Path
    version: int
    annotators: tuple[Annotator, ...]
    condition: str | None = None
    _bound: tuple[View, FusedPass, np.ndarray | None] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_bound": None}

    def bind(self) -> tuple[View, FusedPass, np.ndarray | None]:
        """Open the pool and load the models, once a process."""
        if self._bound is None:
            pool = Pool.open(self.path, self.version)
            chosen = pool.rows(self.condition) if self.condition is not None else None
            pool.rows()  # fills the address cache before threads share it
            self._bound = (pool, FusedPass(self.annotators), chosen)
        return self._bound

    @property
    def schema(self) -> pa.Schema:
        """The columns that the task computes, and UNREAD."""
        return self.bind()[1].schema.append(UNREAD)

    @property
    def batch_size(self) -> int:
        """Rows that should be worked on together."""
        return BATCH if self.bind()[1].side else TABLE_BATCH

    def __call__(self, rows: Sequence[int] | np.ndarray) -> pa.RecordBatch:
        """One batch of columns, a row for each of `rows`. Thread-safe once bound."""
        pool, work, chosen = self.bind()
        rows = np.asarray(rows, dtype=np.int64)
        basic = ["key", "width", "height", "format", "bytes", "error"]
        marks = dict.fromkeys(filter(None, (unread.column(pool.schema, name) for name in work.reads)))
        names = dict.fromkeys([*basic, *work.reads, *marks])
        table = pool.take(rows, list(names)).combine_chunks()
        sound = table.column("error").is_null().to_numpy()
        if chosen is not None:
            sound = sound & np.isin(rows, chosen)
        reasons = np.full(len(rows), None, dtype=object)
        for mark in marks:  # what it reads waits itself
            told = np.array(table.column(mark).to_pylist(), dtype=object)
            reasons = np.where(sound & (reasons == None), told, reasons)  # noqa: E711
        sound = sound & (reasons == None)  # noqa: E711
        images: list[np.ndarray] = []
        if work.side and sound.any():
            problems: dict[int, str] = {}
            decoded = [try_decode(content, work.side)[0] for content in pool.read_images(rows[sound], problems)]
            reasons[np.flatnonzero(sound)] = [problems.get(row) for row in rows[sound].tolist()]
            sound = sound.copy()
            sound[np.flatnonzero(sound)] = [pixels is not None for pixels in decoded]
            images = [pixels for pixels in decoded if pixels is not None]
        if not sound.any():
            empty = [pa.nulls(len(rows), f.type) for f in work.schema]
            return pa.RecordBatch.from_arrays([*empty, pa.array(reasons, UNREAD.type)], schema=self.schema)
        valid = table.filter(pa.array(sound)).combine_chunks().to_batches()[0]
        made = work.spread(work.run(images, valid), sound)
        columns = [made[name] for name in work.schema.names]
        return pa.RecordBatch.from_arrays([*columns, pa.array(reasons, UNREAD.type)], schema=self.schema)


class Executor(Protocol):
    """Carries out a task over fragments, in any order and anywhere."""

    def run(
        self, task: Task, fragments: Sequence[tuple[int, np.ndarray]], advance: Callable[[int], None]
    ) -> Iterator[tuple[int, pa.Table]]:
        """For every (fragment id, row positions) yield (fragment id, columns in row order) as soon as it is done.

        `advance(rows)` tells how far the work has come; it must be called from the caller's thread.
        """
        ...


class LocalExecutor:
    """One fragment after the other, its batches over worker threads."""

    def run(
        self, task: Task, fragments: Sequence[tuple[int, np.ndarray]], advance: Callable[[int], None]
    ) -> Iterator[tuple[int, pa.Table]]:
        task.bind()
        for fragment_id, rows in fragments:
            pieces = []
            for piece in ordered_map(task, batched(rows, task.batch_size)):
                pieces.append(piece)
                advance(piece.num_rows)
            yield fragment_id, pa.Table.from_batches(pieces, task.schema)
