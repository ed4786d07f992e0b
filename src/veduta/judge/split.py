"""Training and test rows of a pool: as its split column says, else at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.errors import NothingToDo
from veduta.judge.targets import Targets, random_split
from veduta.judge.trained import NO_MODEL, Trained

if TYPE_CHECKING:
    from veduta.pool import View


def split_rows(
    pool: View, rows: NDArray[np.int64], targets: Targets, *, column: str, share: float, seed: int, group: str | None,
    trained: Trained = NO_MODEL,
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:  # fmt: skip
    """(training, test, how) of the pool's `rows` (n,): places 0 ... n - 1 and a sentence for the report.

    Rows whose `column` is "train" and, of the first that occurs, "test", "validation", "val" or "valid"; without both, a
    stratified random split with `share` test rows, in which rows of one `group` stay on one side. Test rows that the model
    behind the vectors was trained on are left out. Raises NothingToDo for too few rows, or if none is left.
    """
    if column in pool.schema.names:
        names = np.array([str(v) for v in pool.take(rows, [column]).column(0).to_pylist()])
        train = np.flatnonzero(names == "train")
        for other in ("test", "validation", "val", "valid"):
            test, left_out = _unseen(rows, np.flatnonzero(names == other), trained)
            if len(train) and len(test):
                return train, test, f"the column {column}: train and {other}{left_out}"
    groups = pool.take(rows, [group]).column(0).to_pylist() if group else None
    train, drawn = random_split(targets, share, np.random.default_rng(seed), groups)
    if not len(train) or not len(drawn):
        raise NothingToDo(f"{len(rows)} labelled rows are too few to split into training and test rows; label more")
    test, left_out = _unseen(rows, drawn, trained)
    if not len(test):
        raise NothingToDo(trained.refusal("every row that could be a test row"))
    apart = f", rows with the same {group} together" if group else ""
    return train, test, f"random, {share:.0%} test, stratified, seed {seed}{apart}{left_out}"


def _unseen(rows: NDArray[np.int64], test: NDArray[np.int64], trained: Trained) -> tuple[NDArray[np.int64], str]:
    """The test places whose rows may be judged, and what is to be told of the others."""
    known = int(np.isin(rows[test], trained.rows).sum())
    return test[trained.unseen(rows[test])], "".join(f". {sentence.rstrip('.')}" for sentence in trained.told(known))
