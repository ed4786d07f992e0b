"""How good a classifier's predictions are, class by class, and how far its confidence can be believed.

Legend: n rows, c classes of the model.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.classes import CLASSES, class_numbers, probable
from veduta.annotate.classes import said as stated
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.calibration import Calibration, calibration, temperature
from veduta.judge.intervals import wilson
from veduta.judge.scope import Scope, both, scope
from veduta.judge.trained import OfModels

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

PREDICT = "add it with: veduta annotate predict POOL --model RUN"


@dataclass(frozen=True)
class Judged:
    """Rows whose label is a class of the model: logits (n, c) float32, truth (n,) class numbers, rows (n,) of the pool.

    names: the c classes. unknown: labels that are not classes of the model, with how many rows have each. unpredicted: rows
    with a label and without logits (images that cannot be decoded, or came later). scope: which rows, in words; notes: what of
    them is left out.
    """

    names: list[str]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    rows: NDArray[np.int64]
    unknown: dict[str, int] = field(default_factory=dict)
    unpredicted: int = 0
    scope: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the class with the largest logit, the first of equals."""
        return self.logits.argmax(1)

    @property
    def place(self) -> NDArray[np.int64]:
        """(n,) place of the true class among all, 1 at best; of equal logits the lower class comes first."""
        own = self.logits[np.arange(len(self.truth)), self.truth][:, None]
        before = np.arange(len(self.names))[None] < self.truth[:, None]
        return 1 + ((self.logits > own) | ((self.logits == own) & before)).sum(1)


class Classify(OfModels):
    """Measure a classifier's predictions: accuracy, every class, confusion, and calibration.

    Reads the logits that `annotate predict` writes, and labels. Top-1 and top-5 accuracy with 95 % intervals (Wilson 1927);
    precision, recall and F1 of every class; the confusion matrix with its commonest errors as pictures; expected
    calibration error with the reliability picture, negative log-likelihood and Brier score; the temperature that calibrates
    best, fitted on a random half of the rows and measured on the other (Guo et al. 2017, arXiv 1706.04599). A label that
    is not a class of the model cannot be predicted: such rows are counted and named apart, and the accuracy that counts them as
    errors is given too. Rows that the model was trained on are left out. Memory: 4 bytes x rows x classes, about five times.
    """

    target: str = Field("label", description="column of the true class")
    prediction: str = Field("predicted", description="column of the predicted class; its logits are in <it>_logits")
    scores: str | None = Field(
        None, description="column of class scores instead, imported ones or posterior: probabilities or logits"
    )
    split: str | None = Field(
        None, description="judge the rows of this split; by default test where there is one, else all"
    )
    where: str | None = Field(None, description="SQL: judge only these rows")
    seed: int = Field(0, ge=0, description="of the halves for the temperature")

    def reads(self) -> list[str]:
        return [self.target, self._column]

    @property
    def _column(self) -> str:
        return self.scores or f"{self.prediction}_logits"

    def check(self, pool: View) -> None:
        check_target(pool, self.target, self.operation())
        classes_of(pool, self._column, self.operation())

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.classify_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Judged:
        """The rows to judge. Raises NothingToDo if there are none."""
        self.check(pool)
        chosen = scope(pool, self.where, self.split, self.trained(pool, self._column))
        return read(pool, self.target, self._column, chosen, self.operation())

    def figures(self, judged: Judged) -> dict[str, Any]:
        """Everything measured but the single classes: values, intervals and counts by name."""
        n, hits = len(judged.truth), int((judged.place == 1).sum())
        classes = per_class(confusion(judged.truth, judged.predicted, len(judged.names)))
        lost = sum(judged.unknown.values())
        found: dict[str, Any] = {
            "rows": n, "classes": len(judged.names), "classes_seen": int((classes["rows"] > 0).sum()),
            "top1": _share(hits, n), "unknown_rows": lost, "unpredicted_rows": judged.unpredicted,
            "top1_unknown_as_errors": _share(hits, n + lost),
            "macro_f1": float(np.nanmean(classes["f1"])), "mean_recall": float(np.nanmean(classes["recall"])),
            **_calibration(calibration(judged.logits, judged.truth)),
        }  # fmt: skip
        if len(judged.names) > 5:
            found["top5"] = _share(int((judged.place <= 5).sum()), n)
        return found | cooled(judged, np.random.default_rng(self.seed))


def check_target(pool: View, target: str, needed_by: str) -> None:
    """Raise MissingColumn or BadInput unless `target` is a column of one class a row."""
    kind = pool.require(target, needed_by=needed_by, mend="name the column of true classes with --target").type
    if pa.types.is_nested(kind) or pa.types.is_floating(kind) or pa.types.is_binary(kind):
        raise BadInput(
            f"target of {needed_by} must be a column of strings or integers, one class a row, but '{target}' holds {kind}; "
            "name another column"
        )


def classes_of(pool: View, column: str, needed_by: str) -> list[str]:
    """The classes of a column of logits. Raises MissingColumn, or BadInput if it does not say them."""
    told = pool.require(column, needed_by=needed_by, mend=PREDICT)
    names = (told.metadata or {}).get(CLASSES)
    if names is None or not pa.types.is_fixed_size_list(told.type):
        scored = f"veduta annotate import POOL TABLE --scores {column} --classes A,B"
        what = f"holds {told.type}" if not pa.types.is_fixed_size_list(told.type) else "holds vectors"
        raise BadInput(
            f"{needed_by}: the column '{column}' {what} and does not say which classes its values are of; name a column of "
            f"class scores: a model's ({PREDICT.removeprefix('add it with: ')}) or your own ({scored})"
        )
    return list(json.loads(names))


def read(pool: View, target: str, column: str, chosen: Scope, needed_by: str) -> Judged:
    """The rows of a scope with a label in `target` and finite logits in `column`. Raises NothingToDo without any."""
    names = classes_of(pool, column, needed_by)
    labelled, said = both(chosen.condition, f"{target} is not null"), chosen.said
    logits, rows = pool.vectors(column, where=labelled)
    sound = np.isfinite(logits).all(1) & chosen.keep(rows)
    logits, rows = logits[sound], rows[sound]
    told = stated(pool.schema.field(column), needed_by)
    if len(rows) and (told == "probabilities" or (not told and probable(logits))):
        logits = np.log(np.maximum(logits, 1e-12))
    if not len(rows):
        raise NothingToDo(
            f"{needed_by}: none of {said or 'the rows'} has both a '{target}' and a '{column}'; {PREDICT}"
        )
    labels = [str(value) for value in pool.take(rows, [target]).column(0).to_pylist()]
    truth = numbers(labels, names)
    known = truth >= 0
    if not known.any():
        raise NothingToDo(
            f"{needed_by}: no '{target}' of {said or 'the rows'} is one of the {len(names)} classes of '{column}' "
            f"({', '.join(names[:3])}, ...), but for instance '{labels[0]}'; name the column that the model was trained on"
        )
    unknown = Counter(label for label, is_known in zip(labels, known, strict=True) if not is_known)
    missing = int(chosen.keep(pool.rows(labelled)).sum()) - len(rows)
    return Judged(
        names, logits[known], truth[known], rows[known], dict(unknown.most_common()), missing, said, chosen.notes
    )


def numbers(labels: list[str], names: list[str]) -> NDArray[np.int64]:
    """(n,) the class of each label, -1 where it is none: by its exact name, else as `class_numbers` finds it."""
    exact = {name: i for i, name in enumerate(names)}
    found = np.array([exact.get(label, -1) for label in labels], np.int64)
    rest = np.flatnonzero(found < 0)
    if len(rest):
        found[rest] = class_numbers([labels[i] for i in rest], names)
    return found


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(c, c) counts, true classes along the rows, predicted ones along the columns."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: NDArray[np.int64]) -> dict[str, NDArray[np.floating] | NDArray[np.int64]]:
    """precision, recall, f1, rows and predictions of every class (c,); NaN where there is nothing to divide by."""
    hits, rows, said = np.diag(matrix).astype(np.float64), matrix.sum(1), matrix.sum(0)
    with np.errstate(invalid="ignore"):
        parts = {"precision": hits / said, "recall": hits / rows, "f1": 2 * hits / (rows + said)}
    return {**parts, "rows": rows, "predictions": said}


def cooled(judged: Judged, rng: np.random.Generator) -> dict[str, Any]:
    """The temperature fitted on one random half, and both calibration errors of the other half; {} for fewer than 4 rows."""
    order = rng.permutation(len(judged.truth))
    if len(order) < 4:
        return {}
    fitted, other = order[: len(order) // 2], order[len(order) // 2 :]
    best = temperature(judged.logits[fitted], judged.truth[fitted])
    logits, truth = judged.logits[other], judged.truth[other]
    before, after = calibration(logits, truth), calibration(logits, truth, best)
    return {
        "temperature": best,
        "other_half": {"before": _calibration(before), "after": _calibration(after), "rows": len(other)},
    }


def _calibration(found: Calibration) -> dict[str, float]:
    return {"ece": found.ece, "ece_adaptive": found.ece_adaptive, "nll": found.nll, "brier": found.brier}


def _share(hits: int, n: int) -> dict[str, float]:
    low, high = wilson(hits, n)
    return {"value": hits / n, "from": low, "to": high}
