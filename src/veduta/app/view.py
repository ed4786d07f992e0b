"""From a view's state to its rows, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.app import plane, queries, sql
from veduta.app.held import Held
from veduta.app.state import Pick, ViewState
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
            return self._filter(pool, state, picks)
        mask = np.zeros(pool.dataset.count_rows(), bool)
        mask[self.rows(pool, state.model_copy(update={"pick": tuple(picks)})).rows] = True
        return mask

    def _filter(self, pool: Pool, state: ViewState, picks: Sequence[Pick]) -> NDArray[np.bool_] | None:
        """(n,) bool, the rows that satisfy the state's filters, with these picks; None for all."""
        mask = self.held.mask(pool, state.where, picks)
        if not state.inside:
            return mask
        drawn = self.held.matches(pool, plane.inside(pool, state.inside))
        return drawn if mask is None else mask & drawn

    def _find(self, pool: Pool, state: ViewState) -> Shown:
        if asked(state):
            return self._nearest(pool, state)
        mask = self._filter(pool, state, state.pick)
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
        embedding = embedding_of(pool)
        own, mean = _likeness(pool, state, embedding)
        try:
            found = search(
                pool,
                text=state.text,
                image=image,
                row=state.like[0] if len(state.like) == 1 else None,
                vector=mean,
                k=state.top + len(own),
                where=where,
                embedding=embedding,
                columns=[],
            )
        except (ValueError, OSError, RuntimeError) as error:
            if where is None:
                raise
            raise sql.told(pool, where, error) from None
        others = np.flatnonzero(~np.isin(found.rows, own))[: state.top]
        return Shown(found.rows[others].astype(np.uint32), found.scores[others])


def _likeness(pool: Pool, state: ViewState, embedding: str) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
    """Of several images that others shall be like: their rows, and the mean (d,) of their unit vectors in the space that is
    searched; nothing for a single one, which the search knows by itself. Raises BadInput for a key there is not, and where
    none has a vector.
    """
    from veduta.search.lens import unit_vectors
    from veduta.search.space import with_text

    if len(state.like) < 2:
        return np.empty(0, np.int64), None
    rows = pool.rows(sql.any_of("key", state.like))
    if len(rows) < len(set(state.like)):
        known = set(pool.take(rows, ["key"]).column(0).to_pylist())
        raise BadInput(f"the pool has no image '{next(key for key in state.like if key not in known)}'")
    column = with_text(pool, embedding).column if state.text else embedding
    mean = unit_vectors(pool, column, rows).mean(axis=0)
    if not mean.any():
        raise BadInput(f"none of the {len(rows)} images has a vector in '{column}'; choose others, or embed the pool")
    return rows, mean


def conditions(pool: Pool, state: ViewState) -> list[str]:
    """A state's filters as SQL. Raises BadInput, MissingColumn for those that may not be run."""
    return [
        *([sql.checked(state.where, pool.askable)] if state.where else []),
        *(sql.of_pick(pool, pick) for pick in state.pick),
        *([plane.inside(pool, state.inside)] if state.inside else []),
    ]


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
