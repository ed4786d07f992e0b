"""How well a space finds images that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.intervals import bootstrap, wilson
from veduta.judge.ranking import Ranked, rank
from veduta.judge.trained import OfModels
from veduta.pool import withdrawn

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View


@dataclass(frozen=True, slots=True)
class Found:
    """A ranking and the pool rows it is about; `skipped` queries have nothing to find. notes: which queries were left out."""

    ranked: Ranked
    query_rows: NDArray[np.int64]
    database_rows: NDArray[np.int64]
    skipped: int
    groups: int
    notes: list[str]


class Retrieval(OfModels):
    """Measure how well a vector column finds the images that belong together: mAP, R@k, hits in the top 4.

    Rows with the same value of `group` belong together. Every query ranks the whole database by cosine; the query
    itself is taken out, unless `keep_self`, with which the top-4 score is UKBench's (Nister and Stewenius 2006: 4 of 4
    at best, the query included). Rows that the encoder was trained on do not search. R@k is the share of queries with at least one hit among the first k. Exact: queries *
    database * dimensions multiplications, memory both sets of vectors.
    """

    embedding: str = Field("embedding", description="vector column")
    group: str = Field("label", description="rows with the same value belong together")
    queries: str | None = Field(None, description="SQL: the rows to search with; all rows by default")
    database: str | None = Field(None, description="SQL: the rows to find; all rows by default")
    k: list[int] = Field([1, 5, 10], min_length=1, description="depths of recall")
    keep_self: bool = Field(False, description="let a query find itself, as UKBench does")

    def reads(self) -> list[str]:
        return [self.embedding, self.group]

    def check(self, pool: View) -> None:
        kind = pool.require(
            self.embedding, needed_by=self.operation(), mend="add it with: veduta annotate embed POOL"
        ).type
        pool.require(self.group, needed_by=self.operation(), mend="name the column that tells what belongs together")
        told = pool.schema.field(self.group).type
        if pa.types.is_nested(told) or pa.types.is_floating(told):
            raise BadInput(
                f"group of {self.operation()} must be strings or integers, but '{self.group}' holds {told}; name another column"
            )
        if not pa.types.is_fixed_size_list(kind):
            raise BadInput(f"embedding of {self.operation()}: the column '{self.embedding}' holds {kind}, not vectors")
        if min(self.k) < 1:
            raise BadInput(f"k of {self.operation()} must be at least 1, got {min(self.k)}")
        for condition in (self.queries, self.database):
            if condition is not None:
                pool.table(["key"], where=condition, limit=1)  # a wrong condition is refused in words

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.retrieval_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Found:
        """Rank the database for every query that has a group."""
        self.check(pool)
        known = _both(withdrawn.present(pool), f"{self.group} is not null")
        database, database_rows = pool.vectors(self.embedding, where=_both(self.database, known))
        queries, query_rows = pool.vectors(self.embedding, where=_both(self.queries, known))
        trained = self.trained(pool, self.embedding)
        unseen = trained.unseen(query_rows)
        if len(query_rows) and not unseen.any():
            raise NothingToDo(trained.refusal("all queries").replace("--where or --split", "--queries"))
        notes = trained.told(int(np.isin(query_rows, trained.rows).sum()))
        queries, query_rows = queries[unseen], query_rows[unseen]
        if not len(query_rows) or not len(database_rows):
            which = "queries" if not len(query_rows) else "database"
            raise NothingToDo(
                f"the {which} of {self.operation()} have no row with '{self.embedding}' and '{self.group}'; widen the condition"
            )
        values = [pool.take(rows, [self.group]).column(0).to_pylist() for rows in (query_rows, database_rows)]
        number = {value: i for i, value in enumerate(dict.fromkeys([*values[1], *values[0]]))}
        numbers = [np.array([number[value] for value in side], np.int64) for side in values]
        place = {int(row): i for i, row in enumerate(database_rows)}
        own = None if self.keep_self else np.array([place.get(int(row), -1) for row in query_rows], np.int64)
        depths = sorted({4, *self.k})
        ranked = rank(unit(queries), numbers[0], unit(database), numbers[1], own=own, depths=depths)
        if not len(ranked.queries):
            raise NothingToDo(
                f"no query has another row with the same '{self.group}' in the database; name another group column"
            )
        return Found(
            ranked, query_rows, database_rows, len(query_rows) - len(ranked.queries), len(set(numbers[1].tolist())), notes
        )  # fmt: skip

    def figures(self, found: Found, seed: int = 0) -> list[dict[str, Any]]:
        """mAP, R@k and the top-4 score with 95 % intervals, one dict each."""
        ranked, rng = found.ranked, np.random.default_rng(seed)
        n = len(ranked.queries)
        low, high = bootstrap(lambda rows: float(ranked.precision[rows].mean()), n, rng)
        rows = [{"metric": "mAP", "value": ranked.mean_average_precision, "from": low, "to": high}]
        for k in sorted(set(self.k)):
            hits = int(ranked.recall(k).sum())
            low, high = wilson(hits, n)
            rows.append({"metric": f"R@{k}", "value": hits / n, "from": low, "to": high})
        four = ranked.hits[4]
        low, high = bootstrap(lambda rows: float(four[rows].mean()), n, rng)
        rows.append({"metric": "hits in the top 4", "value": float(four.mean()), "from": low, "to": high})
        return rows


def retrieval(pool: View, group: str = "label", **parameters: Any) -> Report:
    """`Retrieval(group=group, ...).judge(pool)`."""
    return Retrieval(group=group, **parameters).judge(pool)


def _both(condition: str | None, known: str) -> str:
    return known if condition is None else f"({condition}) and {known}"
