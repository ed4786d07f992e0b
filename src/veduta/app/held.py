"""What a page sorts, counts, colours and filters by, kept in memory.

A version of a pool never changes, so that what was read of it stays right. A column is known by the files that hold it: a
new version, as every decision of a review makes one, reads again only what it has changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.app import columns, sql
from veduta.app.columns import Column, Names, Numbers
from veduta.app.kept import Kept
from veduta.app.state import Pick
from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.search.place import state

SECONDS = 15.0
"""The longest that a condition may take."""

BATCH, SMALL = 16_384, 512
"""Rows that a condition looks at at a time; few where it may read vectors."""


class Held:
    """The columns and conditions of a pool's versions."""

    def __init__(self) -> None:
        self.kept = Kept()

    def column(self, pool: Pool, name: str) -> Column:
        """A scalar or list-of-text column. Raises MissingColumn; BadInput for vectors and structures."""
        pool.require(name, needed_by="this view")
        return self.kept.get(
            ("column", *self._place(pool, name)), lambda: columns.read(pool, name), lambda column: column.bytes
        )

    def order(self, pool: Pool, name: str, desc: bool) -> NDArray[np.uint32]:
        """(n,) all rows sorted by a column. Raises MissingColumn; BadInput for what has no order."""
        column = self.column(pool, name)
        return self.kept.get(
            ("order", *self._place(pool, name), desc),
            lambda: columns.order(pool, name, column, desc),
            lambda rows: rows.nbytes,
        )

    def matches(self, pool: Pool, condition: str) -> NDArray[np.bool_]:
        """(n,) whether each row satisfies the SQL condition. Raises BadInput."""
        return self.kept.get(
            ("condition", pool.version, condition), lambda: _mask(pool, condition), lambda mask: mask.nbytes
        )

    def mask(self, pool: Pool, where: str | None, picks: Sequence[Pick]) -> NDArray[np.bool_] | None:
        """(n,) rows that satisfy everything, None for all."""
        masks = [self.matches(pool, sql.checked(where, pool.askable))] if where else []
        masks += [self._picked(pool, pick) for pick in picks]
        return np.logical_and.reduce(masks) if masks else None

    def _picked(self, pool: Pool, pick: Pick) -> NDArray[np.bool_]:
        """The rows that `sql.of_pick` finds too, without a pass over the table."""
        condition = sql.of_pick(pool, pick)
        column = self.column(pool, pick.column)
        if isinstance(column, Names):
            return self.matches(pool, condition)
        if isinstance(column, Numbers):
            return _within(column, pick)
        wanted = set(pick.values or ())
        chosen = np.array([*(name in wanted for name in column.names), None in wanted])  # code -1 is the last: null
        if column.rows is None:
            return chosen[column.codes]
        mask = np.zeros(pool.dataset.count_rows(), bool)
        if None in wanted:
            mask[column.rows] = True
            mask = ~mask
        mask[column.rows[chosen[column.codes]]] = True
        return mask

    def _place(self, pool: Pool, name: str) -> tuple[str, str]:
        """Equal ones hold the same values in the same rows, in whatever version."""
        digest = self.kept.get(("place", pool.version, name), lambda: state(pool, name)[2], lambda _: 300)
        return name, digest


def _within(column: Numbers, pick: Pick) -> NDArray[np.bool_]:
    missing = column.bins == columns.BINS
    if pick.values is not None:
        return missing if None in pick.values else np.zeros(len(missing), bool)
    mask = ~missing
    with np.errstate(over="ignore"):  # a bound beyond float32 is infinite there
        if pick.low is not None:
            mask &= column.values >= pick.low
        if pick.high is not None:
            mask &= column.values <= pick.high
    return mask


def _mask(pool: Pool, condition: str) -> NDArray[np.bool_]:
    mask = np.zeros(pool.dataset.count_rows(), bool)
    mask[rows(pool, condition)] = True
    return mask


def rows(pool: Pool, condition: str) -> NDArray[np.int64]:
    """Positions of the rows that satisfy the condition. Raises BadInput for one that is not SQL or takes too long."""
    vectors = [f.name for f in pool.schema if str(f.type).startswith("fixed_size_list")]
    until = time.monotonic() + SECONDS
    found = [np.empty(0, np.uint64)]
    try:
        scanner = pool.dataset.scanner(
            columns=[],
            filter=pool.scanned(condition),
            with_row_address=True,
            scan_in_order=True,
            batch_size=SMALL if any(name in condition for name in vectors) else BATCH,
            io_buffer_size=32 << 20,
            batch_readahead=2,
        )
        for batch in scanner.to_batches():
            found.append(batch.column("_rowaddr").to_numpy())
            if time.monotonic() > until:
                raise BadInput(f"the condition took more than {SECONDS:.0f} s; ask less of each row")
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: Lance gave up on what it cannot plan
        raise sql.told(pool, condition, error) from None
    return np.searchsorted(pool._addresses(), np.concatenate(found))
