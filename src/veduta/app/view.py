"""From a view's state to its rows, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.app import queries, sql
from veduta.app.held import Held
from veduta.app.state import ViewState
from veduta.errors import BadInput
from veduta.pool import Pool


@dataclass(frozen=True)
class Shown:
    """rows: (n,) uint32 positions in the pool, in view order; scores: (n,) float32 for a query, else None."""

    rows: NDArray[np.uint32]
    scores: NDArray[np.float32] | None = None


class Views:
    """The rows of states, kept while they are asked for."""

    def __init__(self, path: Path, held: Held) -> None:
        self.path, self.held = path, held

    def rows(self, pool: Pool, state: ViewState) -> Shown:
        """Raises BadInput, MissingColumn and what `search` raises."""
        unsorted = {"sort": None, "desc": False} if asked(state) else {}  # best first, whatever the sorting
        name = ("view", state.model_copy(update={"version": pool.version, **unsorted}))
        return self.held.kept.get(name, lambda: self._find(pool, state), lambda shown: shown.rows.nbytes * 2)

    def mask(self, pool: Pool, state: ViewState, without: str | None = None) -> NDArray[np.bool_] | None:
        """(n,) bool, the rows of a state but for the choices of the column `without`; None for all."""
        picks = [pick for pick in state.pick if pick.column != without]
        if not asked(state):
            return self.held.mask(pool, state.where, picks)
        mask = np.zeros(pool.dataset.count_rows(), bool)
        mask[self.rows(pool, state.model_copy(update={"pick": tuple(picks)})).rows] = True
        return mask

    def _find(self, pool: Pool, state: ViewState) -> Shown:
        if asked(state):
            return self._nearest(pool, state)
        mask = self.held.mask(pool, state.where, state.pick)
        total = pool.dataset.count_rows()
        rows = np.arange(total, dtype=np.uint32) if mask is None else np.flatnonzero(mask).astype(np.uint32)
        if state.sort is None:
            return Shown(rows)
        order = self.held.order(pool, state.sort, state.desc)
        return Shown(order if mask is None else order[mask[order]])

    def _nearest(self, pool: Pool, state: ViewState) -> Shown:
        from veduta.search import search

        image = queries.read(self.path, state.image) if state.image else None
        where = sql.all_of(conditions(pool, state))
        if state.where:
            self.held.matches(pool, state.where)  # says what is wrong with it, and within its time
        try:
            found = search(
                pool,
                text=state.text,
                image=image,
                row=state.like,
                k=state.top,
                where=where,
                embedding=embedding_of(pool),
                columns=[],
            )
        except (ValueError, OSError, RuntimeError) as error:
            if where is None:
                raise
            raise sql.told(pool, where, error) from None
        return Shown(found.rows.astype(np.uint32), found.scores)


def conditions(pool: Pool, state: ViewState) -> list[str]:
    """A state's filters as SQL. Raises BadInput, MissingColumn for those that may not be run."""
    return [*([sql.checked(state.where)] if state.where else []), *(sql.of_pick(pool, pick) for pick in state.pick)]


def asked(state: ViewState) -> bool:
    """Whether rows are found by likeness rather than listed."""
    return bool(state.text or state.like or state.image)


def embedding_of(pool: Pool) -> str:
    """The column that is searched: `embedding`, or the first one that an encoder made."""
    if "embedding" in pool.schema.names:
        return "embedding"
    made = [f.name for f in pool.schema if str(f.type).startswith("fixed_size_list<item: float>")]
    embedded = [name for name in made if pool.provenance(name).get("operation") == "embed"]
    if not embedded:
        raise BadInput(f"{pool.path} has no embedding to search in; make one: veduta annotate embed {pool.path}")
    return embedded[0]
