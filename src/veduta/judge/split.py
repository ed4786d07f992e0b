"""Training and test rows of a pool: as its split column says, else at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.errors import NothingToDo
from veduta.judge.targets import Targets, random_split

if TYPE_CHECKING:
    from veduta.pool import View


def split_rows(
    pool: View, rows: NDArray[np.int64], targets: Targets, *, column: str, share: float, seed: int, group: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """(training, test, how) of the pool's `rows` (n,): places 0 ... n - 1 and a sentence for the report.

    Rows whose `column` is "train" and, of the first that occurs, "test", "validation", "val" or "valid"; without both, a
    stratified random split with `share` test rows, in which rows of one `group` stay on one side. Raises NothingToDo for too
    few rows.
    """
    if column in pool.schema.names:
        names = np.array([str(v) for v in pool.take(rows, [column]).column(0).to_pylist()])
        train = np.flatnonzero(names == "train")
        for other in ("test", "validation", "val", "valid"):
            test = np.flatnonzero(names == other)
            if len(train) and len(test):
                return train, test, f"the column {column}: train and {other}"
    groups = pool.take(rows, [group]).column(0).to_pylist() if group else None
    train, test = random_split(targets, share, np.random.default_rng(seed), groups)
    if not len(train) or not len(test):
        raise NothingToDo(f"{len(rows)} labelled rows are too few to split into training and test rows; label more")
    apart = f", rows with the same {group} together" if group else ""
    return train, test, f"random, {share:.0%} test, stratified, seed {seed}{apart}"
