"""Out-of-sample class probabilities without fitting a model n times.

Legend: n rows, d dimensions, c classes. Ridge regression on one-hot labels has its leave-one-out predictions in closed
form, so every row is judged by a linear classifier that has not seen it, at the price of one fit and two passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Pieces = Callable[[], Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]]]

# Penalty in units of the mean variance of a direction; 0.3 to 1 is flat on CIFAR-10 for 300 to 10,000 rows.
PENALTY = 0.5

_TEMPERATURES = np.geomspace(0.25, 256, 81)
_CALIBRATION_ROWS = 20_000


def ridge_leave_one_out(pieces: Pieces, classes: int, penalty: float = PENALTY) -> NDArray[np.float32]:
    """(n, c) float32: the prediction for each row of the ridge regression fitted to all other rows.

    `pieces()` gives the rows as (m, d) vectors and (m,) class numbers, twice the same. With the leverage
    h_i = 1/n + z_i' (Z'Z + lambda I)^-1 z_i, Z the centred vectors, the prediction without row i is
    y_i - (y_i - yhat_i) / (1 - h_i) (Allen 1974, Technometrics 16(1), PRESS; exact for a free intercept).
    lambda = penalty * trace(Z'Z) / min(n, d). Memory: 8 d^2 + 4 n c bytes; time: 4 n d^2 operations.
    """
    rows, counts = 0, np.zeros(classes)
    total, products, sums = np.zeros(0), np.zeros((0, 0)), np.zeros((0, classes))
    for vectors, labels in pieces():
        if not rows:
            d = vectors.shape[1]
            total, products, sums = np.zeros(d), np.zeros((d, d)), np.zeros((d, classes))
        rows += len(vectors)
        total += vectors.sum(axis=0, dtype=np.float64)
        products += vectors.T @ vectors
        sums += vectors.T @ one_hot(labels, classes)
        counts += np.bincount(labels, minlength=classes)
    if not rows:
        return np.empty((0, classes), np.float32)
    mean, share = total / rows, counts / rows
    products -= rows * np.outer(mean, mean)
    sums -= np.outer(mean, counts)
    lam = penalty * float(np.trace(products)) / min(rows, len(mean)) + 1e-12
    products[np.diag_indices_from(products)] += lam
    # The inverse Cholesky factor gives the leverages as plain squared norms, in single precision without cancellation.
    factor = np.linalg.inv(np.linalg.cholesky(products))
    weights = (factor.T @ (factor @ sums)).astype(np.float32)
    root = factor.T.astype(np.float32)
    result, at = np.empty((rows, classes), np.float32), 0
    for vectors, labels in pieces():
        centred = vectors - mean.astype(np.float32)
        leverage = np.minimum(1 / rows + np.square(centred @ root).sum(axis=1), 1 - 1e-6)
        truth = one_hot(labels, classes)
        fitted = share.astype(np.float32) + centred @ weights
        result[at : at + len(vectors)] = truth - (truth - fitted) / (1 - leverage)[:, None]
        at += len(vectors)
    return result


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """(n,) class numbers to (n, c) float32 of zeros and ones."""
    result = np.zeros((len(labels), classes), np.float32)
    result[np.arange(len(labels)), labels] = 1
    return result


def calibrated(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Softmax of (n, c) scores at the temperature that makes the given labels likeliest: (n, c) probabilities.

    One number is fitted (Guo et al. 2017, arXiv 1706.04599, section 4.2), on at most 20,000 rows evenly spread.
    """
    step = -(-len(scores) // _CALIBRATION_ROWS)
    some, given = scores[::step], labels[::step]
    losses = [-log_softmax(some * np.float32(t))[np.arange(len(some)), given].mean() for t in _TEMPERATURES]
    best = np.float32(_TEMPERATURES[int(np.argmin(losses))])
    return np.exp(log_softmax(scores * best))


def log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
