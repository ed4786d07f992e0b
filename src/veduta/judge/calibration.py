"""How far a classifier's probabilities can be believed.

Legend: n rows, c classes; logits (n, c) float; truth (n,) class numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
COLDEST, HOTTEST = 0.01, 100.0
"""Between these a temperature is looked for."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar confidence: their mean confidence, the share that is right, and how many they are."""

    confidence: float
    accuracy: float
    rows: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """ece: expected calibration error over 15 bins of equal width; ece_adaptive: over 15 bins of equally many rows.

    Both in [0, 1]. nll: mean negative log-likelihood in nats. brier: mean squared distance of the probabilities from the
    truth, summed over classes, in [0, 2]. bins: the bins of `ece` that are not empty.
    """

    ece: float
    ece_adaptive: float
    nll: float
    brier: float
    bins: tuple[Bin, ...]


def probabilities(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """softmax(logits / temperature), (n, c) float32."""
    scaled = np.asarray(logits, np.float32) / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True, dtype=np.float64).astype(np.float32)


def calibration(logits: NDArray[np.floating], truth: NDArray[np.int64], temperature: float = 1.0) -> Calibration:
    """Measure softmax(logits / temperature) against the truth, n >= 1.

    Expected calibration error: Guo et al. 2017 (arXiv 1706.04599), equations 2 and 3, intervals open to the left; with bins of
    equally many rows: Nixon et al. 2019 (arXiv 1904.01685), of the top class only. Brier 1950 for several classes.
    """
    chances = probabilities(logits, temperature)
    confidence, right = chances.max(1).astype(np.float64), chances.argmax(1) == truth
    width = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1], right=True)
    ranks = np.empty(len(truth), np.int64)
    ranks[np.argsort(confidence, kind="stable")] = np.arange(len(truth))
    own = chances[np.arange(len(truth)), truth].astype(np.float64)
    squares = np.einsum("nc,nc->n", chances, chances, dtype=np.float64) - 2 * own + 1
    return Calibration(
        _gap(width, confidence, right),
        _gap(ranks * BINS // len(truth), confidence, right),
        likelihood(logits, truth, temperature),
        float(squares.mean()),
        tuple(
            Bin(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
            for inside in (width == b for b in range(BINS))
            if inside.any()
        ),
    )


def _gap(bins: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Sum over bins of (rows / n) * |accuracy - confidence|."""
    surplus = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(surplus).sum() / len(bins))


def likelihood(logits: NDArray[np.floating], truth: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the truth in nats, from the logits, so that no probability is rounded to 0."""
    logits = np.asarray(logits, np.float32)
    shifted = (logits - logits.max(1, keepdims=True)) / np.float32(temperature)
    own = shifted[np.arange(len(truth)), truth].astype(np.float64)
    return float((np.log(np.exp(shifted).sum(1, dtype=np.float64)) - own).mean())


def temperature(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    """The temperature in [0.01, 100] with the least negative log-likelihood (Guo et al. 2017, section 4.2), to 4 digits.

    The loss is convex in 1 / temperature, so the search for its one minimum is safe. Cost: about 30 passes over the logits.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda t: likelihood(logits, truth, math.exp(t)),
        bounds=(math.log(COLDEST), math.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(math.exp(found.x))
