"""How few labels are enough, for different features."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from veduta.annotate.vectors import sound
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.efficiency import Metric, Point, efficiency
from veduta.judge.scope import both
from veduta.judge.split import split_rows
from veduta.judge.targets import Targets
from veduta.judge.trained import OfModels
from veduta.pool import withdrawn

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

EMBED = "add it with: veduta annotate embed POOL"


@dataclass(frozen=True)
class Curves:
    """A curve of points for each embedding column, all on the same rows, and the same draws; facts: how it was done."""

    points: dict[str, list[Point]]
    metric: Metric
    facts: dict[str, Any]


class LabelEfficiency(OfModels):
    """Measure how few labels are enough: a linear classifier's score against the share of labels, for several features.

    The linear protocol of ConVIRT (Zhang et al. 2022, arXiv 2010.00747): for each embedding column and each fraction,
    `repeats` random draws of training rows that cover every class, a classifier on frozen features with C chosen on the
    drawn rows alone, its accuracy on all test rows; for two classes or lists of labels the area under the ROC curve, averaged
    over labels. All columns are compared on the same rows and draws; rows without one of the columns are left out and
    counted, and so are test rows that a model behind a column was trained on. Fine-tuning the network is not part of it. Memory: 4 bytes x rows x dimensions of all columns, twice.
    """

    embeddings: list[str] = Field(["embedding"], min_length=1, description="embedding columns to compare")
    target: str = Field("label", description="column of labels: one a row, or a list")
    fractions: list[float] = Field([0.01, 0.1, 1.0], min_length=1, description="shares of the training labels, up to 1")
    repeats: int = Field(5, ge=1, description="random draws of each share below 1")
    classifier: Literal["linear-svm", "logistic"] = Field("linear-svm", description="what is fitted on the embeddings")
    metric: Literal["auto", "accuracy", "auc"] = Field(
        "auto", description="what is measured; auto: accuracy for three classes and more, else auc"
    )
    split: str = Field("split", description="column with train and test; rows are split at random where it is empty")
    test_share: float = Field(0.3, gt=0, lt=1, description="share of test rows in a random split")
    group: str | None = Field(None, description="rows with the same value here are drawn and split together")
    where: str | None = Field(None, description="SQL: only these rows")
    seed: int = Field(0, ge=0, description="of the random split and the draws")

    def reads(self) -> list[str]:
        return [self.target, *self.embeddings, *([self.group] if self.group else [])]

    def check(self, pool: View) -> None:
        pool.require(self.target, needed_by=self.operation(), mend="name the column of labels with --target")
        for column in self.embeddings:
            kind = pool.require(column, needed_by=self.operation(), mend=EMBED).type
            if not pa.types.is_fixed_size_list(kind):
                raise BadInput(
                    f"embeddings of {self.operation()}: the column '{column}' holds {kind}, not vectors; name embedding columns"
                )
        if self.group:
            pool.require(self.group, needed_by=self.operation())
        outside = [fraction for fraction in self.fractions if not 0 < fraction <= 1]
        if outside:
            raise BadInput(f"fractions of {self.operation()} must be above 0 and at most 1, got {outside[0]:g}")

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.label_efficiency_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Curves:
        """The curve of every column. Raises NothingToDo without rows, BadInput naming a class that lacks labels."""
        self.check(pool)
        columns = list(dict.fromkeys(self.embeddings))
        given = both(withdrawn.present(pool), self.where, " and ".join(f"{column} is not null" for column in columns))
        read = [pool.vectors(column, where=given) for column in columns]
        rows = read[0][1]
        if not len(rows):
            raise NothingToDo(f"no row has a value in {' and '.join(columns)}; embed the images first")
        targets = Targets.of(pool.take(rows, [self.target]).column(0), self.target)
        usable = np.zeros(len(rows), bool)
        usable[targets.rows] = np.all([sound(vectors[targets.rows]) for vectors, _ in read], axis=0)
        kept = usable[targets.rows]
        targets = Targets(targets.matrix[kept], targets.classes, targets.rows[kept], targets.exclusive)
        rows = rows[usable]
        trained = self.trained(pool, *columns)
        train, test, how = split_rows(
            pool, rows, targets, column=self.split, share=self.test_share, seed=self.seed, group=self.group,
            trained=trained,
        )  # fmt: skip
        metric = self._metric(targets)
        y = targets.matrix.argmax(1) if targets.exclusive else targets.matrix
        groups = pool.take(rows, [self.group]).column(0).to_pylist() if self.group else None
        points = {
            column: efficiency(
                vectors[usable], y, train, test, self.fractions, self.repeats, np.random.default_rng([self.seed, 4]), groups,
                classifier=self.classifier, metric=metric, names=targets.classes,
            )
            for column, (vectors, _) in zip(columns, read, strict=True)
        }  # fmt: skip
        scope = len(pool.rows(both(withdrawn.present(pool), self.where)))
        facts = {
            "rows": len(rows), "train": len(train), "test": len(test), "classes": len(targets.classes), "split": how,
            "skipped": scope - len(rows),
        }  # fmt: skip
        return Curves(points, metric, facts)

    def _metric(self, targets: Targets) -> Metric:
        if self.metric == "accuracy" and not targets.exclusive:
            raise BadInput(
                f"accuracy needs one class a row, but the target '{self.target}' holds lists; leave metric out or say auc"
            )
        if self.metric != "auto":
            return self.metric
        return "accuracy" if targets.exclusive and len(targets.classes) > 2 else "auc"


def as_facts(curves: Curves) -> dict[str, list[dict[str, Any]]]:
    """The points as JSON knows them."""
    return {column: [asdict(point) for point in points] for column, points in curves.points.items()}
