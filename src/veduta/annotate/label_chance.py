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

LEAST_AREA, ERRORS = 0.6, 2.0
"""Macro AUC that meaningful labels exceed, by this many standard errors of meaningless ones. Measured with `offline` on X-rays,
galaxies and Tiny-ImageNet (87 to 10,235 images): random folders, shuffled dates, random splits and shuffled labels end between
0.46 and 0.54, shards by row of galaxies at 0.575; real labels begin at 0.72 (sex, of 87 X-rays), 0.84 (diagnosis) and 0.87
(noisy galaxies), and at 0.71 where 40 % of the galaxies' are shuffled. Accuracy alone would not do: of X-rays from two
hospitals, 93 % from one, it is no better than guessing while the AUC is 0.88."""


@dataclass(frozen=True, slots=True)
class Chance:
    """accuracy: of the likeliest class; guess: of always naming the largest class; area: the AUC of each class against the
    rest, averaged; by_chance: the labels cannot be told better than by guessing.
    """

    accuracy: float
    guess: float
    area: float
    by_chance: bool


def chance(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> Chance:
    """Judge out-of-sample scores (n, c) of given class numbers (n,).

    By chance: the macro AUC is not above 0.6 by two standard errors. Cost: a sort of at most 20,000 rows for each class.
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
    return Chance(accuracy, guess, area, area <= LEAST_AREA + ERRORS * error)


def _area(scores: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(inside.sum())
    return float((ranks[inside].sum() - positive * (positive + 1) / 2) / (positive * (len(inside) - positive)))
