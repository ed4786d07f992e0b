"""Linear classifiers on frozen features.

Legend: n rows, d dimensions, k classes. Targets are (n, k) bool: one true entry a row if classes are exclusive.

Both losses are minimised over all classes at once by L-BFGS on matrix products. scikit-learn's LinearSVC copies dense
features into a sparse format and solves class by class, which took many times longer on 16,000 x 1,280. BLAS is held to
one thread: its threads spin while they wait, and on a busy machine that made every product fifty times slower; folds
run side by side instead.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

Classifier = Literal["linear-svm", "logistic"]
GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Candidates for C; features are of unit norm, so that one grid fits all."""


def fit(
    x: NDArray[np.floating],
    targets: NDArray[np.bool_],
    C: float,
    classifier: Classifier = "linear-svm",
    *,
    exclusive: bool = True,
    weight: float = 1.0,
    start: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (k, d) and bias (k,) float32 that minimise 1/2 |W|^2 + C * weight * sum of losses.

    linear-svm: one-vs-rest squared hinge max(0, 1 - y m)^2, y = +-1. The paper (Sharif Razavian et al. 2014) has the
    plain hinge and one-vs-one votes for exclusive classes; the square is smooth, and one-vs-rest keeps a head one matrix.
    logistic: softmax cross-entropy if `exclusive`, else one sigmoid a class. The bias is not penalised.
    weight: of every row, 1 / v when an image comes as v rows. Cost: about 100 products (n, d) x (d, k).
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    if x.ndim != 2 or targets.shape[:1] != x.shape[:1] or targets.ndim != 2 or not len(x):
        raise BadInput(
            f"features (n, d) and targets (n, k) must have the same n > 0, got {x.shape} and {targets.shape}"
        )
    if not C > 0:
        raise BadInput(f"C must be positive, got {C}")
    x = np.ascontiguousarray(x, np.float32)
    k, d, scale = targets.shape[1], x.shape[1], C * weight
    signs = np.where(targets, np.float32(1), np.float32(-1))

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(k, d + 1).astype(np.float32)
        margins = x @ w[:, :d].T + w[:, d]
        if classifier == "linear-svm":
            loss, slope = _squared_hinge(margins, signs)
        elif exclusive:
            loss, slope = _softmax(margins, targets)
        else:
            loss, slope = _sigmoid(margins, signs)
        gradient = np.empty((k, d + 1))
        gradient[:, :d] = w[:, :d] + scale * (slope.T @ x)
        gradient[:, d] = scale * slope.sum(0, dtype=np.float64)
        return 0.5 * float((w[:, :d].astype(np.float64) ** 2).sum()) + scale * loss, gradient.ravel()

    first = np.zeros((k, d + 1)) if start is None else np.column_stack(start).astype(np.float64)
    with threadpool_limits(1, "blas"):
        found = minimize(
            objective, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-7, "gtol": 1e-4}
        )
    best = found.x.reshape(k, d + 1).astype(np.float32)
    return best[:, :d].copy(), best[:, d].copy()


def _loss(margins: NDArray[np.float32], targets: NDArray[np.bool_], *, exclusive: bool) -> float:
    """The summed logistic loss of the rows."""
    return (
        _softmax(margins, targets) if exclusive else _sigmoid(margins, np.where(targets, np.float32(1), np.float32(-1)))
    )[0]


def _squared_hinge(margins: NDArray[np.float32], signs: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    slack = np.maximum(0, 1 - signs * margins)
    return float(np.square(slack).sum(dtype=np.float64)), -2 * signs * slack


def _softmax(margins: NDArray[np.float32], targets: NDArray[np.bool_]) -> tuple[float, NDArray[np.float32]]:
    shifted = margins - margins.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(1, keepdims=True)
    loss = np.log(sums).sum(dtype=np.float64) - shifted[targets].sum(dtype=np.float64)
    return float(loss), exponentials / sums - targets


def _sigmoid(margins: NDArray[np.float32], signs: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    agreed = signs * margins
    return float(np.logaddexp(0, -agreed).sum(dtype=np.float64)), np.asarray(-signs / (1 + np.exp(agreed)), np.float32)


def folds(targets: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold 0 ... count - 1 for every row (n,), each class spread evenly (a row goes with its rarest label)."""
    frequency = np.where(targets, targets.sum(0), np.iinfo(np.int64).max)
    stratum = np.where(targets.any(1), frequency.argmin(1), -1)
    order = rng.permutation(len(targets))
    order = order[np.argsort(stratum[order], kind="stable")]
    assigned = np.empty(len(targets), np.int64)
    assigned[order] = np.arange(len(targets)) % count
    return assigned


def choose_c(
    x: NDArray[np.floating],
    targets: NDArray[np.bool_],
    classifier: Classifier,
    rng: np.random.Generator,
    *,
    exclusive: bool = True,
    count: int = 3,
    grid: tuple[float, ...] = GRID,
) -> tuple[float, dict[float, float]]:
    """The C of `grid` with the best mean validation score over `count` folds of these rows, and all scores.

    x: (n, d), or (n, v, d) for v views: then an image's views are on one side, and its scores are averaged over them.
    Score: accuracy for exclusive classes, mean average precision otherwise; for logistic regression, whose probabilities
    are to be believed, the mean log-likelihood. Ties go to the C nearest 1.
    Cost: count * len(grid) fits on (count - 1) / count of the rows, each started from the C before.
    """
    import scipy.optimize  # noqa: F401 - its BLAS must be loaded before the limit, or the folds would undo each other's
    from threadpoolctl import threadpool_limits

    def path(split: tuple[NDArray[np.int64], NDArray[np.int64]]) -> list[float]:
        train, test = split
        rows, labels = flat(x[train], targets[train])
        start, found = None, []
        for c in sorted(grid):
            start = fit(rows, labels, c, classifier, exclusive=exclusive, weight=len(train) / len(rows), start=start)
            margins = x[test] @ start[0].T + start[1]
            margins = margins if x.ndim == 2 else margins.mean(1)
            if classifier == "logistic":
                found.append(-_loss(margins, targets[test], exclusive=exclusive) / len(test))
            else:
                found.append(score(margins, targets[test], exclusive=exclusive))
        return found

    with ThreadPoolExecutor(min(count, os.cpu_count() or 1)) as workers, threadpool_limits(1, "blas"):
        means = np.mean(list(workers.map(path, splits(folds(targets, count, rng), count))), axis=0)
    scores = dict(zip(sorted(grid), means.tolist(), strict=True))
    return max(sorted(grid), key=lambda c: (round(scores[c], 9), -abs(math.log10(c)))), scores


def flat(x: NDArray[np.floating], targets: NDArray[np.bool_]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Views (n, v, d) as n * v rows, each with its image's targets; rows (n, d) as they are."""
    return (x, targets) if x.ndim == 2 else (x.reshape(-1, x.shape[2]), np.repeat(targets, x.shape[1], axis=0))


def splits(fold: NDArray[np.int64], count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(training rows, validation rows) for every fold that has both."""
    for each in range(count):
        train, test = np.flatnonzero(fold != each), np.flatnonzero(fold == each)
        if len(train) and len(test):
            yield train, test


def score(scores: NDArray[np.floating], targets: NDArray[np.bool_], *, exclusive: bool) -> float:
    """Accuracy of the largest score, or the mean average precision over labels that occur."""
    if exclusive:
        return float(targets[np.arange(len(targets)), scores.argmax(1)].mean())
    precisions = average_precision(scores, targets)
    return float(np.nanmean(precisions)) if np.isfinite(precisions).any() else float("nan")


def average_precision(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average precision of every column (k,): sum over ranks of precision x gain in recall; NaN without positives.

    Tied scores share one threshold, as in scikit-learn, so that an order of rows among equals cannot help.
    """
    found = np.full(targets.shape[1], np.nan)
    for column in range(targets.shape[1]):
        order = np.argsort(-scores[:, column], kind="stable")
        hits = targets[order, column]
        if not hits.any():
            continue
        ranked = scores[order, column]
        last = np.append(ranked[1:] != ranked[:-1], True)  # the last row of every run of equal scores
        seen, true = np.flatnonzero(last) + 1, np.cumsum(hits)[last]
        found[column] = float(np.sum(true / seen * np.diff(true, prepend=0)) / true[-1])
    return found
