"""Whether labels can be told from the images at all.

Legend: n rows, c classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROWS = 20_000
"""Rows that are looked at, evenly spread."""

LEAST_AREA, ERRORS = 0.55, 2.0
"""Macro AUC that meaningful labels exceed, by this many standard errors of meaningless ones. Measured with `offline`, n = 461 to
10,235: random folders, shuffled dates and shuffled labels end between 0.46 and 0.54; the weakest real labels at 0.60 (60 % of
four diagnoses shuffled), 0.72 (sex, of 87 X-rays) and 0.84 (diagnosis). Accuracy alone would not do: of two hospitals, 93 %
from one, it is no better than guessing while the AUC is 0.88."""


@dataclass(frozen=True, slots=True)
class Chance:
    """accuracy: of the likeliest class; guess: of always naming the largest class; area: the AUC of each class against the
    rest, averaged; by_chance: nothing says that the labels can be told.
    """

    accuracy: float
    guess: float
    area: float
    by_chance: bool


def chance(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> Chance:
    """Judge out-of-sample scores (n, c) of given class numbers (n,).

    By chance: the 95 % interval of the accuracy (Wilson 1927) reaches down to guessing, and the macro AUC is not above
    0.55 by two standard errors. Cost: a sort of at most 20,000 rows for each class.
    """
    step = -(-len(scores) // ROWS)
    scores, labels = scores[::step], labels[::step]
    n = len(labels)
    counts = np.bincount(labels, minlength=scores.shape[1])
    accuracy, guess = float((scores.argmax(axis=1) == labels).mean()), float(counts.max() / n)
    present = np.flatnonzero((counts > 0) & (counts < n))
    areas, variances = [], []
    for one in present.tolist():
        inside, outside = int(counts[one]), n - int(counts[one])
        areas.append(_area(scores[:, one], labels == one))
        variances.append((n + 1) / (12 * inside * outside))
    area = float(np.mean(areas)) if areas else 0.5
    error = math.sqrt(float(np.mean(variances)) / len(areas)) if areas else 0.0
    return Chance(accuracy, guess, area, _low(accuracy, n) <= guess and area <= LEAST_AREA + ERRORS * error)


def _area(scores: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(inside.sum())
    return float((ranks[inside].sum() - positive * (positive + 1) / 2) / (positive * (len(inside) - positive)))


def _low(share: float, n: int) -> float:
    """Lower end of the 95 % interval of a share."""
    z = 1.959963984540054
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n)
