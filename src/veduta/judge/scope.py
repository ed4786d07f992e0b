"""Which rows a judgement is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.errors import NothingToDo
from veduta.judge.trained import NO_MODEL, Trained
from veduta.pool.condition_none import none_found
from veduta.pool.withdrawn import present

if TYPE_CHECKING:
    from veduta.pool import View

TEST, VALIDATION = "split = 'test'", "split in ('validation', 'val', 'valid', 'dev')"


@dataclass(frozen=True, slots=True)
class Scope:
    """condition: SQL, or None for every row, and the rows of it that models were trained on. said: the same in words; held_out:
    whether it is a held-out split by default. notes: what was left out, a sentence each.
    """

    condition: str | None
    said: str
    held_out: bool = False
    trained: Trained = NO_MODEL
    notes: list[str] = field(default_factory=list)

    def keep(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which rows of the condition are judged."""
        return self.trained.unseen(rows)


def scope(pool: View, where: str | None, split: str | None, trained: Trained = NO_MODEL) -> Scope:
    """The rows, still in their source, of `where` and of the split, if given; without them the test rows. A pool without any
    is judged on its validation rows where a model behind the columns was trained, else whole. Rows that the model was
    trained on are left out.

    Raises BadInput for a wrong condition, NothingToDo if no row satisfies it, or the model was trained on all that do.
    """
    there = present(pool)
    if where is None and split is None:
        held_out = [(TEST, "the rows of the split 'test'")]
        if trained.models and not trained.counted:
            held_out.append((VALIDATION, "the validation rows, since none is left in the split 'test'"))
        for condition, said in held_out:
            whole = both(condition, there)
            if trained.unseen(pool.rows(whole)).any():
                return _scope(pool, whole, said, trained, held_out=True)
        return _scope(pool, there, "all rows, since none is in the split 'test'", trained)
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
    return _scope(pool, condition, f"the rows {' and '.join(said)}", trained)


def both(*conditions: str | None) -> str | None:
    """Conditions joined by `and`; None stands for no condition."""
    given = [f"({condition})" for condition in conditions if condition is not None]
    return " and ".join(given) or None


def _scope(pool: View, condition: str | None, said: str, trained: Trained, *, held_out: bool = False) -> Scope:
    if not trained.models:
        return Scope(condition, said, held_out)
    asked = pool.rows(condition)
    known = int(np.isin(asked, trained.rows).sum())
    if known and known == len(asked) and not trained.counted:
        raise NothingToDo(trained.refusal(said))
    words = f"{said}, without those that the model was trained on" if known and not trained.counted else said
    return Scope(condition, words, held_out, trained, trained.told(known))
