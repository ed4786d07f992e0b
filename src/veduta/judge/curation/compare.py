"""How sure a difference between two arms is.

Legend: S seeds of an arm, n test rows, a arms, R rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

ROUNDS = 4000
LEVEL = 0.05
CHUNK = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm minus another. low, high: 95 % of this difference alone. chance: two-sided p, adjusted for all arms (Holm).

    least: the smallest difference that these rows and seeds could have shown, with that adjustment.
    """

    arm: str
    other: str
    value: float
    low: float
    high: float
    chance: float
    least: float

    @property
    def shown(self) -> bool:
        """Whether there is a difference, with at most 5 % wrong claims over all arms together."""
        return self.chance <= LEVEL


class Scores:
    """How right each arm is, and how sure that is. right: arm -> (S, n); weight: (n,) sums to 1.

    Two things vary. The test rows: all arms are tested on the same ones, which are resampled together (paired bootstrap,
    Efron 1979). And the seeds: with three of them a bootstrap would be far too short, so their part is Student's t, with
    the variance between seeds pooled over the fixed arms, and apart from them over the random arms, which are also drawn
    anew with each seed (degrees of freedom by Welch and Satterthwaite). One seed shows the rows' part only.
    Memory: R a numbers and 100 n.
    """

    def __init__(
        self,
        right: Mapping[str, NDArray[np.floating]],
        weight: NDArray[np.float64],
        random: Sequence[str],
        rng: np.random.Generator,
        rounds: int = ROUNDS,
    ) -> None:
        self.names = list(right)
        self._place = {name: i for i, name in enumerate(self.names)}
        self.values = {name: np.asarray(own, np.float64) @ weight for name, own in right.items()}
        self._random = set(random)
        means = np.stack([np.asarray(own, np.float64).mean(0) for own in right.values()])
        self._drawn, self._rng = resampled(means, weight, rng, rounds), rng

    def mean(self, name: str) -> float:
        """The score over all seeds."""
        return round(float(self.values[name].mean()), 9)  # weights that sum to 1 but for the last bit

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of an arm's score."""
        draws = self._drawn[self._place[name]] + self._seeds([name])
        return _quantiles(draws, LEVEL)

    def against(self, pairs: Sequence[tuple[str, str]]) -> list[Difference]:
        """Each arm minus its other one; the chances are adjusted for their number (Holm 1979)."""
        found = []
        for arm, other in pairs:
            value = self.mean(arm) - self.mean(other)
            draws = self._drawn[self._place[arm]] - self._drawn[self._place[other]] + self._seeds([arm, other])
            low, high = _quantiles(draws, LEVEL)
            below, above = ((1 + int(side.sum())) / (1 + len(draws)) for side in (draws <= 0, draws >= 0))
            wide = _quantiles(draws, LEVEL / len(pairs))
            chance = min(1.0, 2 * min(below, above))
            found.append(Difference(arm, other, value, low, high, chance, (wide[1] - wide[0]) / 2))
        adjusted = holm([each.chance for each in found])
        return [replace(each, chance=chance) for each, chance in zip(found, adjusted, strict=True)]

    def _seeds(self, arms: Sequence[str]) -> NDArray[np.float64] | float:
        """(R,) draws of what the seeds alone add to the sum of these arms' means."""
        parts = [(*self._between(arm), len(self.values[arm])) for arm in arms]
        variances = [variance / count for variance, _, count in parts]
        total = sum(variances)
        if total <= 0:
            return 0.0
        freedom = total**2 / sum(v * v / degrees for v, (_, degrees, _) in zip(variances, parts, strict=True) if v)
        return math.sqrt(total) * self._rng.standard_t(freedom, self._drawn.shape[1])

    def _between(self, arm: str) -> tuple[float, int]:
        """Variance between seeds, pooled over the arms of the same kind, and its degrees of freedom."""
        alike = [own for name, own in self.values.items() if (name in self._random) == (arm in self._random)]
        degrees = sum(len(own) - 1 for own in alike)
        if not degrees:
            return 0.0, 0
        return float(sum(((own - own.mean()) ** 2).sum() for own in alike) / degrees), degrees


def resampled(
    means: NDArray[np.float64], weight: NDArray[np.float64], rng: np.random.Generator, rounds: int
) -> NDArray[np.float64]:
    """(a, R): weighted means of `means` (a, n) over resampled rows, the same rows for all arms of a round."""
    n = means.shape[1]
    found = np.empty((len(means), rounds))
    for start in range(0, rounds, CHUNK):
        count = min(CHUNK, rounds - start)
        times = rng.multinomial(n, np.full(n, 1 / n), size=count) * weight
        found[:, start : start + count] = means @ times.T / times.sum(1)
    return found


def holm(chances: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, so that a claim is wrong among them with the stated chance (Holm 1979)."""
    order = np.argsort(chances, kind="stable")
    adjusted, most = [0.0] * len(chances), 0.0
    for place, i in enumerate(order):
        most = max(most, min(1.0, (len(chances) - place) * chances[i]))
        adjusted[i] = most
    return adjusted


def _quantiles(draws: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [level / 2, 1 - level / 2])
    return float(low), float(high)
