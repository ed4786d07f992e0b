"""Sharing a budget of whole rows among groups of limited size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def project(
    wish: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], total: float
) -> NDArray[np.float64]:
    """The point nearest to `wish` (k,) with low <= x <= high and sum(x) = total; needs sum(low) <= total <= sum(high).

    This is the quadratic program of density-based pruning (arXiv 2401.04578, eq. 3): min 1/2 |x|^2 - wish.x under
    these constraints has the same optimum. Its KKT conditions give x = clip(wish + s, low, high) for one number s.
    sum(x) is piecewise linear and rising in s with breaks at low - wish and high - wish, so s is found exactly:
    bisection over the breaks, then one linear step.
    """
    breaks = np.unique(np.concatenate([low - wish, high - wish]))

    def spent(s: float) -> float:
        return float(np.clip(wish + s, low, high).sum())

    a, b = 0, len(breaks) - 1
    while b - a > 1:
        middle = (a + b) // 2
        a, b = (middle, b) if spent(breaks[middle]) <= total else (a, middle)
    below, above = spent(breaks[a]), spent(breaks[b])
    slope = (above - below) / (breaks[b] - breaks[a]) if b > a and above > below else 0.0
    s = breaks[a] + (total - below) / slope if slope else breaks[a]
    return np.clip(wish + s, low, high)


def whole(shares: NDArray[np.float64], high: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Shares rounded to whole numbers that sum to `total` exactly: largest remainders first, none above `high`."""
    down = np.minimum(np.floor(shares + 1e-9), high).astype(np.int64)
    while (missing := total - int(down.sum())) > 0:
        room = np.flatnonzero(down < high)
        if len(room) == 0:
            break
        gain = room[np.argsort(-(shares - down)[room], kind="stable")][:missing]
        down[gain] += 1
    return down
