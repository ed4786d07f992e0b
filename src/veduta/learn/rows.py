"""Which rows a run trains on, validates on, and never sees."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.progress import Progress
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, withdrawn

TRAIN, VALIDATION = ("train", "training"), ("validation", "val", "valid", "dev")


@dataclass(frozen=True)
class Rows:
    """Row positions (int64, ascending) of the pool. skipped: reason -> how many rows were left aside for it."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    skipped: dict[str, int]

    def tell(self, on: Progress) -> None:
        """Say which rows were left aside, and why."""
        for reason, count in self.skipped.items():
            on.say(f"left aside: {count:,} {reason}")


def choose(
    pool: Pool,
    *,
    need: str,
    where: str | None,
    selection: str | None,
    share: float,
    seed: int,
    strata: str | None = None,
    together: str | None = None,
) -> Rows:
    """Rows without error for which the SQL condition `need` holds, split by the column `split`.

    Rows of the splits train and none train; those of validation validate; all others (test) are never touched. Without
    validation rows, `share` of the training rows is held out at random, of each value of `strata` alike; or `share` of the
    values of `together`, each with all its rows. A row without a value of `together` goes alone.
    """
    sound = withdrawn.sound(pool)
    if where is not None:
        pool.rows(where)
    condition = f"{sound} and ({where})" if where is not None else sound
    asked = pool.rows(condition)
    if selection is not None:
        keep = pool.selection(selection).keep
        asked = asked[keep[asked]]
    usable = np.intersect1d(asked, pool.rows(f"error is null and ({need})"))
    skipped = {}
    broken = len(pool) - len(pool.rows("error is null"))
    if broken:
        skipped["images that cannot be decoded"] = broken
    if len(withdrawn.rows(pool)):
        skipped["withdrawn images"] = len(withdrawn.rows(pool))
    if len(withdrawn.gone(pool)):
        skipped["images no longer in their source"] = len(withdrawn.gone(pool))
    if len(asked) > len(usable):
        skipped[f"rows without what is needed ({need})"] = len(asked) - len(usable)
    split = [s.lower() if s else "" for s in _values(pool, "split", usable)]
    train = usable[[s in TRAIN or not s for s in split]]
    validation = usable[[s in VALIDATION for s in split]]
    other = len(usable) - len(train) - len(validation)
    if other:
        skipped["rows of other splits (test), never touched"] = other
    if not len(train):
        raise NothingToDo(
            f"no row of {pool.path} is left to train on ({len(asked)} asked for, {len(usable)} with what is needed, "
            f"{other} of other splits); widen --where, or look at the columns split and error"
        )
    if not len(validation) and share:
        if together:
            train, validation = _whole_groups(pool, train, share, seed, together)
        else:
            train, validation = _held_out(pool, train, share, seed, strata)
    return Rows(train, validation, skipped)


def labelled(
    pool: Pool, rows: Rows, target: str, needed_by: str
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The classes of the training rows, the class number of every row of the pool (-1: none of them), and the validation
    rows that have one. Raises BadInput for fewer than two classes.
    """
    labels = [str(v) for v in pool.table([target]).column(0).to_pylist()]
    names = sorted({labels[row] for row in rows.train})
    if len(names) < 2:
        raise BadInput(
            f"{needed_by} needs two classes or more in '{target}', got {len(names)} "
            f"({', '.join(names)}) on {len(rows.train)} training rows; name another column or widen --where"
        )
    number = {name: i for i, name in enumerate(names)}
    classes = np.array([number.get(label, -1) for label in labels], np.int64)
    unknown = classes[rows.validation] < 0
    if unknown.any():
        rows.skipped["validation rows of classes that no training row has"] = int(unknown.sum())
    return names, classes, rows.validation[~unknown]


def _held_out(
    pool: Pool, rows: NDArray[np.int64], share: float, seed: int, strata: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random part of each stratum; a row that is alone in its stratum trains."""
    rng = np.random.default_rng([seed, 0x5EED])
    groups = _values(pool, strata, rows) if strata else [None] * len(rows)
    codes = pa.array([str(g) for g in groups]).dictionary_encode().indices.to_numpy()
    out = np.zeros(len(rows), bool)
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        out[members[: min(round(share * len(members)), len(members) - 1)]] = True
    if not out.any() and len(rows) > 1:  # many small strata: none of them can spare its share
        spare = [m[0] for c in np.unique(codes) if len(m := rng.permutation(np.flatnonzero(codes == c))) > 1]
        out[spare[: max(1, round(share * len(rows)))]] = True
    return rows[~out], rows[out]


def _whole_groups(
    pool: Pool, rows: NDArray[np.int64], share: float, seed: int, column: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random part of the groups; at least one is held out and one trains, where there are two."""
    numbers = numbered(_values(pool, column, rows))
    groups = int(numbers.max()) + 1
    count = min(max(1, round(share * groups)), groups - 1)
    out = np.isin(numbers, np.random.default_rng([seed, 0x5EED]).permutation(groups)[:count])
    return rows[~out], rows[out]


def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """(n,) equal numbers from 0 for equal values, in the order in which they come; each None has a number of its own."""
    number: dict[Hashable, int] = {}
    keys = [("row", i) if value is None else ("value", value) for i, value in enumerate(values)]
    return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)


def _values(pool: Pool, column: str, rows: NDArray[np.int64]) -> list[str | None]:
    if column not in pool.schema.names:
        return [None] * len(rows)
    return pool.table([column]).column(0).take(pa.array(rows)).to_pylist()
