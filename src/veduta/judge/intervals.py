"""How sure a measured value is: 95 % confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

Z = 1.959963984540054


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a proportion, hits of n (Wilson 1927): honest at 0 and 1 and for small n. (nan, nan) for n = 0."""
    if not 0 <= hits <= n:
        raise BadInput(f"hits must be between 0 and n, got {hits} of {n}")
    if n == 0:
        return math.nan, math.nan
    share, spread = hits / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], n: int, rng: np.random.Generator, rounds: int = 1000
) -> tuple[float, float]:
    """Percentile interval of `statistic(rows)` over `rounds` samples of n rows with replacement (Efron 1979)."""
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(rounds)]) if n else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def difference(
    a: NDArray[np.floating], b: NDArray[np.floating], rng: np.random.Generator, rounds: int = 1000
) -> tuple[float, float, float]:
    """Mean of a - b over the same cases (n,), with its paired bootstrap interval: (mean, low, high)."""
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"a and b must be scores of the same cases, got {a.shape} and {b.shape}")
    gaps = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return (
        float(gaps.mean()) if len(gaps) else math.nan,
        *bootstrap(lambda rows: float(gaps[rows].mean()), len(gaps), rng, rounds),
    )


def over_draws(values: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean over independent draws or seeds (Student 1908); (nan, nan) for fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    from scipy.stats import t

    mean = float(np.mean(values))
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean - half, mean + half
