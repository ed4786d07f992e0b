"""How much a linear classifier learns from a few labels.

Legend: n rows, d dimensions, k classes, u units that are drawn (rows, or groups of rows).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.encode.head import shaped
from veduta.errors import BadInput
from veduta.judge.intervals import bootstrap, over_draws, wilson
from veduta.learn import linear

Metric = Literal["accuracy", "auc"]


@dataclass(frozen=True, slots=True)
class Point:
    """One share of the labels. labels: training rows used; values: the metric of each draw; mean: theirs.

    low, high: 95 % interval of the mean over the draws (Student's t), or, after a single draw, over the test rows (Wilson
    for accuracy, bootstrap for the area under the curve); over: which of the two. C: the weights chosen, one a draw.
    """

    fraction: float
    labels: int
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    over: Literal["draws", "test rows"]
    C: tuple[float, ...]


def efficiency(
    x: NDArray[np.floating],
    y: NDArray[np.integer] | NDArray[np.bool_],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    fractions: Sequence[float],
    repeats: int,
    rng: np.random.Generator,
    groups: Sequence[object] | None = None,
    *,
    classifier: linear.Classifier = "linear-svm",
    metric: Metric | None = None,
    names: Sequence[str] | None = None,
) -> list[Point]:
    """The linear protocol of ConVIRT (Zhang et al. 2022, arXiv 2010.00747): test scores after training on shares of the labels.

    x: (n, d) features, brought to unit norm; y: (n,) class numbers, or (n, k) bool for rows of several labels or none;
    train, test: places among the n. For each of `fractions` in (0, 1], ascending, `repeats` random draws (one for 1.0) that cover
    every class; on each a linear classifier whose C is chosen by cross-validation on the drawn rows alone; its metric on
    all test rows: `accuracy`, or `auc`, the area under the ROC curve averaged over labels, by default auc for two classes and
    for several labels a row. groups: n values; a draw then takes whole groups, a fraction is one of groups, and rows of one
    group never stand on both sides while C is chosen. The squared hinge is the default because logistic regression,
    whose C is chosen by likelihood, falls apart with one or two labels a class.

    Raises BadInput, naming the class, if a class has test rows and no training row, or a fraction is too small to cover all
    classes. Cost: draws * 16 fits of the drawn rows; memory n * d * 4 bytes.
    """
    fractions = sorted(set(fractions))
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions):
        raise BadInput(f"fractions must be above 0 and at most 1, got {list(fractions)}")
    if repeats < 1:
        raise BadInput(f"repeats must be at least 1, got {repeats}")
    if not len(train):
        raise BadInput("there are no training rows; mark some as train")
    targets, named = _targets(y, names)
    exclusive = y.ndim == 1
    metric = metric or ("accuracy" if exclusive and targets.shape[1] > 2 else "auc")
    if metric == "accuracy" and not exclusive:
        raise BadInput("accuracy needs one class a row, and these rows have several labels or none; use auc")
    _covered(targets, train, test, named, exclusive=exclusive)
    x = shaped(x, 1)
    units = _units(train, groups)
    labels_of = np.array([targets[rows].any(0) for rows in units])
    found = []
    for fraction in fractions:
        values, chosen, labels, scores = [], [], 0, np.empty(0)
        for _ in range(repeats if fraction < 1 else 1):
            parts = [units[i] for i in draw(labels_of, fraction, rng, named)]
            scores, c = _classified(x, targets, parts, test, classifier, rng, exclusive=exclusive)
            values.append(measured(scores, targets[test], metric))
            chosen.append(c)
            labels = sum(map(len, parts))
        low, high, over = _interval(values, scores, targets[test], metric, rng)
        mean = float(np.mean(values))
        found.append(Point(float(fraction), labels, tuple(values), mean, low, high, over, tuple(chosen)))
    return found


def draw(
    labels: NDArray[np.bool_], fraction: float, rng: np.random.Generator, names: Sequence[str]
) -> NDArray[np.int64]:
    """Which of the u units, whose labels are (u, k), a random draw of round(fraction * u) takes; each class is covered.

    The rarest classes are served first, each with the first unit of a random order that has it; the rest follow in that
    order. Raises BadInput naming the class that there is no room for.
    """
    size = max(1, round(fraction * len(labels)))
    order = rng.permutation(len(labels))
    taken = np.zeros(len(labels), bool)
    for label in np.argsort(labels.sum(0), kind="stable"):
        if labels[:, label].any() and not labels[taken, label].any():
            if taken.sum() == size:
                least = math.ceil(1000 * int(labels.any(0).sum()) / len(labels)) / 1000
                raise BadInput(
                    f"a fraction of {fraction:g} is {size} of {len(labels)} labels and leaves the class '{names[label]}' without "
                    f"any; {least:g} is enough for all classes"
                )
            taken[order[labels[order, label]][0]] = True
    rest = order[~taken[order]]
    taken[rest[: size - int(taken.sum())]] = True
    return np.flatnonzero(taken)


def measured(scores: NDArray[np.floating], truth: NDArray[np.bool_], metric: Metric) -> float:
    """Accuracy of the largest score (m, k), or the mean area under the ROC curve over labels that have both sides."""
    if metric == "accuracy":
        return linear.score(scores, truth, exclusive=True)
    from sklearn.metrics import roc_auc_score

    told = truth.any(0) & ~truth.all(0)
    if not told.any():
        return math.nan
    return float(np.mean([roc_auc_score(truth[:, i], scores[:, i]) for i in np.flatnonzero(told)]))


def _targets(
    y: NDArray[np.integer] | NDArray[np.bool_], names: Sequence[str] | None
) -> tuple[NDArray[np.bool_], list[str]]:
    """(n, k) bool and the names of the k classes."""
    if y.ndim == 2:
        return y.astype(bool), list(names) if names is not None else [str(i) for i in range(y.shape[1])]
    classes = np.unique(y)
    return y[:, None] == classes, [str(c) if names is None else names[int(c)] for c in classes]


def _covered(
    targets: NDArray[np.bool_],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    names: Sequence[str],
    *,
    exclusive: bool,
) -> None:
    if not len(test):
        raise BadInput("there are no test rows; mark some as test")
    if exclusive and targets[train].any(0).sum() < 2:
        only = names[int(targets[train].any(0).argmax())]
        raise BadInput(
            f"the training rows are all of the class '{only}', and a classifier needs two; mark others as train"
        )
    for label in np.flatnonzero(~targets[train].any(0)).tolist():
        if targets[test, label].any():
            raise BadInput(
                f"the class '{names[label]}' has {int(targets[test, label].sum())} test rows and no training row, so nothing can "
                "learn it; leave it out with a condition, or label some of it"
            )


def _units(train: NDArray[np.int64], groups: Sequence[object] | None) -> list[NDArray[np.int64]]:
    """The training rows of each group; a row without a group (None) stands alone."""
    if groups is None:
        return [np.array([row]) for row in train]
    members: dict[object, list[int]] = {}
    for row in train.tolist():
        key = groups[row]
        members.setdefault(("row", row) if key is None else ("group", key), []).append(row)
    return [np.array(rows) for rows in members.values()]


def _classified(
    x: NDArray[np.float32],
    targets: NDArray[np.bool_],
    parts: list[NDArray[np.int64]],
    test: NDArray[np.int64],
    classifier: linear.Classifier,
    rng: np.random.Generator,
    *,
    exclusive: bool,
) -> tuple[NDArray[np.float32], float]:
    """Scores (m, k) of the test rows, and C. One row of each group chooses C, so that no group is on both sides."""
    one = np.array([rows[rng.integers(len(rows))] for rows in parts])
    every = np.concatenate(parts)
    present = targets[every].any(0)
    c, _ = linear.choose_c(x[one], targets[one][:, present], classifier, rng, exclusive=exclusive)
    # C weighs the sum of losses; with v rows a group it would mean v times as much as where it was chosen.
    weight = len(one) / len(every)
    weights, bias = linear.fit(x[every], targets[every][:, present], c, classifier, exclusive=exclusive, weight=weight)
    scores = np.full((len(test), targets.shape[1]), -np.inf, np.float32)
    scores[:, present] = x[test] @ weights.T + bias
    return scores, c


def _interval(
    values: list[float],
    scores: NDArray[np.floating],
    truth: NDArray[np.bool_],
    metric: Metric,
    rng: np.random.Generator,
) -> tuple[float, float, Literal["draws", "test rows"]]:
    if len(values) > 1:
        low, high = over_draws(values)
        return max(0.0, low), min(1.0, high), "draws"
    if metric == "accuracy":
        return *wilson(round(values[0] * len(truth)), len(truth)), "test rows"
    return *bootstrap(lambda rows: measured(scores[rows], truth[rows], metric), len(truth), rng, 200), "test rows"
