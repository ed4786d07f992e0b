"""Whether a model or an encoder serves all groups alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.classes import CLASSES
from veduta.annotate.vectors import sound
from veduta.encode.base import unit
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.by_group import Disparities, disparity
from veduta.judge.classify import PREDICT, check_target, classes_of, read
from veduta.judge.ranking import rank
from veduta.judge.scope import Scope, both, scope
from veduta.judge.trained import OfModels

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

METRIC = re.compile(r"accuracy|(hit|precision)@([1-9]\d*)")
EMBED = "add it with: veduta annotate embed POOL"


@dataclass(frozen=True)
class Audit:
    """rows (n,) of the pool and their outcome (n,) by metric; tables by (metric, group column); notes: what was left out."""

    rows: NDArray[np.int64]
    outcomes: dict[str, NDArray[np.float64]]
    values: dict[str, list[object]]
    tables: dict[tuple[str, str], Disparities]
    scope: str
    notes: list[str]


Measured = tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], list[str]]
"""Rows, their outcome by metric, and what was left out."""


class Disparity(OfModels):
    """Measure whether a model or an encoder serves all groups alike: value by group, worst group, gaps with intervals.

    The audit of Goyal et al. 2022 (SEER, arXiv 2202.08360, fairness indicators) for any group columns: region, income,
    vendor, camera. From predictions: `accuracy`, or `hit@K`, the true class among the K likeliest. From an `embedding`: each
    row searches all others by cosine; `hit@K`, one of the first K has its label, or `precision@K`, the share of the first
    K that have. Or the mean of any yes/no or number column `outcome`, of which more is better. With `reference` gaps are to that group
    (the domain trained in), so that the audit measures a shift. Groups of fewer than 30 rows are shown, and never the worst.
    Rows that the model was trained on are left out. A gap says that groups differ, not why: they may differ in what they show. Memory: the logits, or the embedding twice.
    """

    groups: list[str] = Field(min_length=1, description="columns whose values are compared")
    target: str = Field("label", description="column of the true class")
    metrics: list[str] | None = Field(
        None, description="accuracy, hit@K, precision@K; by default accuracy, or hit@1 and precision@10 of an embedding"
    )
    prediction: str = Field("predicted", description="column of the predicted class; its logits are in <it>_logits")
    embedding: str | None = Field(None, description="judge retrieval in this vector column instead of predictions")
    outcome: str | None = Field(None, description="judge this yes/no or number column instead of predictions")
    reference: str | None = Field(None, description="gaps are to this group instead of the best; then one group column")
    split: str | None = Field(
        None, description="judge the rows of this split; by default test where there is one, else all"
    )
    where: str | None = Field(None, description="SQL: judge only these rows")
    seed: int = Field(0, ge=0, description="of the bootstrap and the permutations")

    def reads(self) -> list[str]:
        return [*self.groups, *self._sources()]

    def _sources(self) -> list[str]:
        if self.outcome is not None:
            return [self.outcome]
        if self.embedding is not None:
            return [self.target, self.embedding]
        return [self.target, self._logits if any(name != "accuracy" for name in self._metrics()) else self.prediction]

    @property
    def _logits(self) -> str:
        return f"{self.prediction}_logits"

    def _metrics(self) -> list[str]:
        if self.outcome is not None:
            return [self.outcome]
        if self.metrics is not None:
            return list(dict.fromkeys(self.metrics))
        return ["accuracy"] if self.embedding is None else ["hit@1", "precision@10"]

    def check(self, pool: View) -> None:
        check_groups(pool, self.groups, self.operation())
        if self.outcome is not None and self.embedding is not None:
            raise BadInput(f"{self.operation()} judges an outcome or an embedding; leave one of them out")
        if self.reference is not None and len(self.groups) > 1:
            raise BadInput(
                f"reference of {self.operation()} is a value of one group column, got {len(self.groups)} columns"
            )
        self._check_metrics()
        if self.outcome is not None:
            kind = pool.require(self.outcome, needed_by=self.operation()).type
            if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise BadInput(
                    f"outcome of {self.operation()} must be a column of numbers or yes/no, but '{self.outcome}' holds {kind}"
                )
            return
        check_target(pool, self.target, self.operation())
        if self.embedding is not None:
            kind = pool.require(self.embedding, needed_by=self.operation(), mend=EMBED).type
            if not pa.types.is_fixed_size_list(kind):
                raise BadInput(
                    f"embedding of {self.operation()}: the column '{self.embedding}' holds {kind}, not vectors"
                )
        elif any(name != "accuracy" for name in self._metrics()):
            classes_of(pool, self._logits, self.operation())
        else:
            pool.require(self.prediction, needed_by=self.operation(), mend=PREDICT)

    def _check_metrics(self) -> None:
        if self.outcome is not None:
            if self.metrics is not None:
                raise BadInput(f"{self.operation()} measures the mean of '{self.outcome}'; leave metrics out")
            return
        for name in self._metrics():
            if not METRIC.fullmatch(name):
                raise BadInput(f"metrics of {self.operation()} are accuracy, hit@K and precision@K, got '{name}'")
            if name == "accuracy" and self.embedding is not None:
                raise BadInput("accuracy is of predictions; of an embedding ask for hit@K or precision@K")
            if name.startswith("precision") and self.embedding is None:
                raise BadInput(f"{name} is of retrieval; name the vector column with --embedding")

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.disparity_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Audit:
        """Every metric by every group column. Raises NothingToDo without rows to judge."""
        self.check(pool)
        chosen = scope(pool, self.where, self.split, self.trained(pool, *self._sources()))
        measure = (
            self._outcome if self.outcome is not None else self._retrieval if self.embedding is not None else self._told
        )
        rows, outcomes, notes = measure(pool, chosen)
        values = {name: pool.take(rows, [name]).column(0).to_pylist() for name in self.groups}
        tables = {
            (metric, name): disparity(
                outcomes[metric], values[name], np.random.default_rng([self.seed, i]), reference=self.reference
            )
            for metric in outcomes
            for i, name in enumerate(self.groups)
        }
        return Audit(rows, outcomes, values, tables, chosen.said, [*chosen.notes, *notes])

    def _outcome(self, pool: View, chosen: Scope) -> Measured:
        name = str(self.outcome)
        rows = pool.rows(both(chosen.condition, f"{name} is not null"))
        given = pool.take(rows, [name]).column(0).cast(pa.float64()).to_numpy()
        finite = np.isfinite(given) & chosen.keep(rows)
        if not finite.any():
            raise NothingToDo(f"{self.operation()}: none of {chosen.said} has a value in '{name}'; name another column")
        return rows[finite], {name: given[finite]}, []

    def _told(self, pool: View, chosen: Scope) -> Measured:
        told = pool.schema.field(self._logits).metadata if self._logits in pool.schema.names else None
        if CLASSES not in (told or {}):
            return self._right(pool, chosen)
        judged = read(pool, self.target, self._logits, chosen, self.operation())
        notes = [f"{judged.unpredicted:,} rows have a label and no prediction."] if judged.unpredicted else []
        if judged.unknown:
            count, some = sum(judged.unknown.values()), "', '".join(list(judged.unknown)[:5])
            notes.append(f"{count:,} rows have a label that is not a class of the model ('{some}') and are left out.")
        depths = {name: 1 if name == "accuracy" else int(name.split("@")[1]) for name in self._metrics()}
        return judged.rows, {name: (judged.place <= k).astype(np.float64) for name, k in depths.items()}, notes

    def _right(self, pool: View, chosen: Scope) -> Measured:
        """Accuracy from a column of predicted classes without logits."""
        labelled = both(chosen.condition, f"{self.target} is not null")
        rows = pool.rows(both(labelled, f"{self.prediction} is not null"))
        rows = rows[chosen.keep(rows)]
        if not len(rows):
            raise NothingToDo(
                f"{self.operation()}: none of {chosen.said} has both a '{self.target}' and a '{self.prediction}'; {PREDICT}"
            )
        truth, told = (pool.take(rows, [name]).column(0).to_pylist() for name in (self.target, self.prediction))
        missing = int(chosen.keep(pool.rows(labelled)).sum()) - len(rows)
        notes = [f"{missing:,} rows have a label and no prediction."] if missing else []
        return (
            rows,
            {"accuracy": np.array([str(a) == str(b) for a, b in zip(truth, told, strict=True)], np.float64)},
            notes,
        )

    def _retrieval(self, pool: View, chosen: Scope) -> Measured:
        vectors, rows = pool.vectors(str(self.embedding), where=both(chosen.condition, f"{self.target} is not null"))
        fine = sound(vectors) & chosen.keep(rows) if len(rows) else np.zeros(0, bool)
        vectors, rows = unit(vectors[fine]), rows[fine]
        if not len(rows):
            raise NothingToDo(
                f"{self.operation()}: none of {chosen.said} has both '{self.target}' and '{self.embedding}'"
            )
        labels = pool.take(rows, [self.target]).column(0).to_pylist()
        place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
        numbers = np.array([place[label] for label in labels], np.int64)
        depths = {name: int(name.split("@")[1]) for name in self._metrics()}
        ranked = rank(vectors, numbers, vectors, numbers, own=np.arange(len(rows)), depths=sorted(set(depths.values())))
        if not len(ranked.queries):
            raise NothingToDo(f"no row has another with the same '{self.target}'; name another target")
        found = {
            name: (ranked.first <= k if name.startswith("hit") else ranked.hits[k] / k).astype(np.float64)
            for name, k in depths.items()
        }
        alone = len(rows) - len(ranked.queries)
        notes = [f"{alone:,} rows are the only ones with their '{self.target}' and are left out."] if alone else []
        return rows[ranked.queries], found, notes


def check_groups(pool: View, groups: list[str], needed_by: str) -> None:
    """Raise MissingColumn or BadInput unless `groups` are columns that can group rows."""
    for name in groups:
        kind = pool.require(name, needed_by=needed_by, mend="name the group columns with --groups").type
        if pa.types.is_nested(kind) or pa.types.is_floating(kind) or pa.types.is_binary(kind):
            raise BadInput(
                f"groups of {needed_by} must be columns of strings, integers or yes/no, but '{name}' holds {kind}"
            )
