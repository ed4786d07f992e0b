"""A measured outcome by group: values, the worst group, and the gap, with how sure they are.

Legend: n rows, g groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.judge.intervals import bootstrap, wilson

LEAST = 30
"""Rows below which a group is shown but never the worst or best: its value is mostly chance."""
ROUNDS = 1000
MOST = 2000
"""Groups that can be told apart at most; a column with more values, as keys have, groups nothing."""


@dataclass(frozen=True, slots=True)
class GroupValue:
    """One group: its rows, the mean outcome with its 95 % interval, and whether it is large enough to be compared."""

    group: str
    n: int
    value: float
    low: float
    high: float
    compared: bool


@dataclass(frozen=True, slots=True)
class Disparities:
    """The groups of one column, the worst first.

    overall: mean of all rows with a group; ungrouped: rows without one. worst: the compared group with the lowest mean;
    best: the one with the highest, or the reference. gap = best - worst, with its bootstrap interval `low`, `high`; relative =
    gap / best. chance: the probability of at least this gap if groups did not matter. Without two groups to compare,
    worst and best are None and the numbers NaN. harm: of the outcome less is better, so that worst is the highest mean, best
    the lowest and gap = worst - best.
    """

    groups: tuple[GroupValue, ...]
    overall: float
    ungrouped: int
    worst: str | None
    best: str | None
    gap: float
    low: float
    high: float
    relative: float
    chance: float
    harm: bool = False

    @property
    def note(self) -> str:
        """What the gap is worth, in one sentence."""
        if self.worst is None:
            return f"No two groups have {LEAST} rows or more, so nothing can be compared."
        said = (
            f"'{self.worst}' has {abs(self.gap):.3f} {'less' if (self.gap >= 0) != self.harm else 'more'} than '{self.best}' (95 %: "
            f"{self.low:.3f} to {self.high:.3f})"
        )
        how = "rarely gives such a gap" if self.chance < 0.05 else "often gives such a gap, so there may be none"
        return f"{said}; chance alone {how} (p = {self.chance:.3f})."


def disparity(
    outcome: NDArray[np.floating] | NDArray[np.bool_],
    groups: Sequence[object],
    rng: np.random.Generator | None = None,
    *,
    least: int = LEAST,
    reference: str | None = None,
    harm: bool = False,
) -> Disparities:
    """Means of `outcome` (n,), bool or finite numbers of which more is better, by the value of `groups` (n,); None is not a group.

    by_group, group_min and difference are those of fairlearn's MetricFrame (Weerts et al. 2023), but groups of fewer than
    `least` rows are not compared. With `reference` (the domain trained in, say), gaps are to that group instead of the best.
    With `harm` less of the outcome is better. Intervals: of a group Wilson's for outcomes of 0 and 1, which the bootstrap makes too narrow near 0 and 1, else the
    bootstrap; of the gap the bootstrap over the rows of both groups. `chance` is a permutation test of the gap itself over
    all compared groups, so that picking the extreme ones is paid for. Cost: 1,000 passes over the rows, or, for outcomes of
    0 and 1, over the groups. Raises BadInput for other lengths, outcomes that are not finite, an unknown
    reference, and more than 2,000 groups.
    """
    rng = rng or np.random.default_rng(0)
    values = np.asarray(outcome, np.float64)
    if values.ndim != 1 or len(values) != len(groups):
        raise BadInput(f"outcome and groups must be of the same rows, got {values.shape} and {len(groups)}")
    if not np.isfinite(values).all():
        raise BadInput("outcome must be finite numbers; leave rows without one out")
    given = [None if group is None else str(group) for group in groups]
    names = sorted({group for group in given if group is not None})
    if reference is not None and str(reference) not in names:
        raise BadInput(f"reference must be one of the groups ({', '.join(names[:8])}), got '{reference}'")
    if len(names) > MOST:
        raise BadInput(
            f"groups must have at most {MOST:,} different values, got {len(names):,} ('{names[0]}', ...); name a column that "
            "groups rows"
        )
    place = {name: i for i, name in enumerate(names)}
    numbers = np.array([place[group] if group is not None else -1 for group in given], np.int64)
    binary = bool(np.isin(values, (0, 1)).all())
    order = np.argsort(numbers, kind="stable")
    members = np.split(values[order], np.searchsorted(numbers[order], np.arange(len(names))))[1:]
    found = [_value(name, own, least, rng, binary=binary) for name, own in zip(names, members, strict=True)]
    found.sort(key=lambda own: (-own.value if harm else own.value, own.group))
    overall = float(values[numbers >= 0].mean()) if names else math.nan
    sign = -1 if harm else 1
    ungrouped = int((numbers < 0).sum())
    compared = [own for own in found if own.compared]
    best = compared[-1] if compared else None
    if reference is not None:
        best = next((own for own in compared if own.group == str(reference)), None)
    rivals = [own for own in compared if own is not best]
    if best is None or not rivals:
        return Disparities(tuple(found), overall, ungrouped, None, None, *[math.nan] * 5, harm=harm)
    worst = rivals[0]
    gap = sign * (best.value - worst.value)
    low, high = _gap_interval(sign * members[place[best.group]], sign * members[place[worst.group]], rng)
    entering = np.isin(numbers, [place[own.group] for own in compared])
    kept, renumbered = np.unique(numbers[entering], return_inverse=True)
    against = None if reference is None else int(np.searchsorted(kept, place[best.group]))
    chance = _chance(values[entering], renumbered, gap, rng, binary=binary, reference=against, sign=sign)
    relative = gap / best.value if best.value else math.nan
    return Disparities(
        tuple(found), overall, ungrouped, worst.group, best.group, gap, low, high, relative, chance, harm
    )


def _value(name: str, own: NDArray[np.float64], least: int, rng: np.random.Generator, *, binary: bool) -> GroupValue:
    n = len(own)
    if binary:
        low, high = wilson(int(own.sum()), n)
    else:
        low, high = bootstrap(lambda rows: float(own[rows].mean()), n, rng, ROUNDS)
    return GroupValue(name, n, float(own.mean()), low, high, n >= least)


def _gap_interval(
    best: NDArray[np.float64], worst: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """Of mean(best) - mean(worst), each group resampled by itself."""
    draws = [
        best[rng.integers(0, len(best), len(best))].mean() - worst[rng.integers(0, len(worst), len(worst))].mean()
        for _ in range(ROUNDS)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _chance(
    values: NDArray[np.float64],
    numbers: NDArray[np.int64],
    gap: float,
    rng: np.random.Generator,
    *,
    binary: bool,
    reference: int | None,
    sign: int,
) -> float:
    """Share of random assignments of the outcomes to groups (sizes kept) with at least this gap; (1 + hits) / (1 + rounds)."""
    sizes = np.bincount(numbers)
    if binary:  # how many ones fall to each group is hypergeometric, so no row has to be moved
        ones = rng.multivariate_hypergeometric(sizes, int(values.sum()), ROUNDS, method="marginals")
        means = ones / sizes
    else:
        means = np.array([np.bincount(numbers, rng.permutation(values)) / sizes for _ in range(ROUNDS)])
    means = sign * means
    others = means if reference is None else np.delete(means, reference, axis=1)
    tops = means.max(1) if reference is None else means[:, reference]
    return float((1 + (tops - others.min(1) >= gap - 1e-12).sum()) / (1 + ROUNDS))
