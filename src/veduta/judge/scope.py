"""Which rows a judgement is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from veduta.errors import NothingToDo
from veduta.pool.condition_none import none_found
from veduta.pool.withdrawn import present

if TYPE_CHECKING:
    from veduta.pool import View

TEST = "split = 'test'"


@dataclass(frozen=True, slots=True)
class Scope:
    """condition: SQL, or None for every row; said: the same in words; held_out: whether it is the test split by default."""

    condition: str | None
    said: str
    held_out: bool = False


def scope(pool: View, where: str | None, split: str | None) -> Scope:
    """The rows, still in their source, of `where` and of the split, if given; otherwise the test rows, and every row of a pool that has none.

    Raises BadInput for a wrong condition, NothingToDo if no row satisfies it.
    """
    there = present(pool)
    if where is None and split is None:
        test = both(TEST, there) if there else TEST
        if len(pool.rows(test)):
            return Scope(test, "the rows of the split 'test'", held_out=True)
        return Scope(there, "all rows, since none is in the split 'test'")
    if where is not None:
        pool.rows(where)
    quoted = (split or "").replace("'", "''")
    parts = [f"({where})"] if where is not None else []
    said = [f"where {where}"] if where is not None else []
    if split is not None:
        parts.append(f"split = '{quoted}'")
        said.append(f"of the split '{split}'")
    condition = " and ".join([*parts, *([there] if there else [])])
    if not len(pool.rows(condition)):
        raise NothingToDo(none_found(pool, condition))
    return Scope(condition, f"the rows {' and '.join(said)}")


def both(*conditions: str | None) -> str | None:
    """Conditions joined by `and`; None stands for no condition."""
    given = [f"({condition})" for condition in conditions if condition is not None]
    return " and ".join(given) or None
