"""Rows that waited for their source, tried again: only they are read, and what is there of the others stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from veduta.engine import faults, progress
from veduta.engine.operation import Annotator
from veduta.engine.task import UNREAD, Executor, Task
from veduta.pool import Pool, unread


def marked(pool: Pool, annotators: Sequence[Annotator], columns: pa.Table) -> pa.Table:
    """A task's result with its reasons beside each annotator's columns, in the place of UNREAD.

    Declares the columns of reasons that a row needs; where no row waits and none ever did, there is none.
    """
    reasons = columns.column(UNREAD.name).cast(pa.string())
    columns = columns.drop_columns([UNREAD.name])
    for annotator in annotators:
        field = unread.declared(pool.schema, annotator.adds().names)
        if field.name not in pool.schema.names:
            if reasons.null_count == len(reasons):
                continue
            pool.define(pa.schema([field]))
        columns = columns.append_column(field, reasons)
    return columns


def again(
    pool: Pool, annotators: Sequence[Annotator], where: str | None, on: progress.Progress, executor: Executor
) -> int:
    """Try the waiting rows of all fragments that are filled; how many are done now. A fragment is one commit."""
    work = _waiting(pool, annotators)
    done = 0
    if work:
        total = sum(len(rows) for rows, _ in work.values())
        with progress.stage(on, "rows that waited", total) as facts:
            for fragment_id, (rows, who) in work.items():
                task = Task(pool.path, pool.version, tuple(who), where)
                for _, made in executor.run(task, [(fragment_id, rows)], on.advance):
                    done += _put(pool, who, fragment_id, rows, made)
            facts["rows"] = done
    for annotator in annotators:
        names = annotator.adds().names
        field = unread.declared(pool.schema, names)
        if field.name in pool.schema.names and not pool.has(field.name):
            pool.drop([field.name])
    return done


def _waiting(pool: Pool, annotators: Sequence[Annotator]) -> dict[int, tuple[np.ndarray, list[Annotator]]]:
    """Fragment -> the rows that wait in it, and the annotators for which they do."""
    found: dict[int, tuple[np.ndarray, list[Annotator]]] = {}
    for annotator in annotators:
        names = annotator.adds().names
        rows = unread.rows(pool, names)
        if not len(rows):
            continue
        undone = set(pool.pending(names))
        for fragment in pool.dataset.get_fragments():
            number = fragment.fragment_id
            here = np.intersect1d(rows, pool.fragment_rows(number))
            if number not in undone and len(here):
                before, who = found.get(number, (np.empty(0, np.int64), []))
                found[number] = np.union1d(before, here), [*who, annotator]
    return found


def _put(pool: Pool, who: Sequence[Annotator], fragment_id: int, rows: np.ndarray, made: pa.Table) -> int:
    """Write the rows that could be read this time; how many."""
    read = np.asarray(made.column(UNREAD.name).is_null())
    if not read.any():
        return 0
    made = marked(pool, who, made).filter(pa.array(read)).combine_chunks()
    everything = pool.fragment_rows(fragment_id)
    places = np.arange(len(everything))
    places[np.searchsorted(everything, rows[read])] = len(everything) + np.arange(int(read.sum()))
    held = pool.take(everything, made.column_names).combine_chunks()
    columns = [_joined(held[name], made[name]).take(pa.array(places)) for name in made.column_names]
    faults.point("refill.computed")
    pool.fill(pa.Table.from_arrays(columns, schema=made.schema), [fragment_id], message="rows that waited")
    faults.point("refill.filled")
    return int(read.sum())


def _joined(held: pa.ChunkedArray, made: pa.ChunkedArray) -> pa.Array:
    pieces = [chunk.cast(made.type) for chunk in (*held.chunks, *made.chunks)]
    return pa.concat_arrays(pieces) if pieces else pa.array([], made.type)
