"""The intrinsic dimension of a set of points: in how many independent ways they vary.

Legend: n points, d numbers a point, k neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.local_dimension import FEWEST, inverse_dimension
from veduta.annotate.nearest import nearest
from veduta.errors import NothingToDo
from veduta.judge.intervals import bootstrap

BESIDE = (5, 10, 20, 40)
"""Numbers of neighbours that are reported beside the one asked for."""


@dataclass(frozen=True)
class Dimension:
    """value: the estimate with k neighbours, with its 95 % interval; n points. by_k: the estimate with other k;
    two_nn: the check from two neighbours; local: (n,) float64 the estimate around each point, inf where there is none.
    """

    value: float
    interval: tuple[float, float]
    k: int
    n: int
    by_k: dict[int, float]
    two_nn: float
    local: NDArray[np.float64]


def intrinsic_dimension(
    points: NDArray[np.float32], k: int = 20, *, beside: Sequence[int] = BESIDE, rng: np.random.Generator
) -> Dimension:
    """Maximum likelihood (Levina and Bickel 2004), averaged over all points as MacKay and Ghahramani have it:

        d = 1 / mean_x(1/m(x)), 1/m(x) = 1/(k - 2) sum_{j < k} log(T_k(x) / T_j(x)),

    T_j the Euclidean distance to the j-th nearest other of the n points (n, d), which must all differ. The k - 2 is the released
    code's of Pope et al. 2021 (arXiv 2104.08894), the text of Konz and Mazurowski (arXiv 2401.08865) writes k - 1. It reads too low
    where the dimension is high: a 20-cube of 5,000 points has 13. So compare sets of equal n and k only. The interval is a
    bootstrap over the points (1,000 rounds; their distances stay), which knows nothing of that bias.
    Raises NothingToDo for fewer than 5k points. Cost: n^2 d products; memory: the points and n * 40 distances.
    """
    if len(points) < FEWEST * k:
        raise NothingToDo(
            f"the intrinsic dimension with k = {k} needs {FEWEST * k} different rows, got {len(points)}; "
            "lower --k or judge more rows"
        )
    others = [other for other in beside if FEWEST * other <= len(points) and other >= 3]
    most = max([k, *others])
    distances = np.concatenate([found for _, found, _ in nearest(points, most)])
    inverse = inverse_dimension(distances[:, :k])
    low, high = bootstrap(lambda rows: 1 / max(float(inverse[rows].mean()), 1e-12), len(inverse), rng)
    with np.errstate(divide="ignore"):
        local = 1 / inverse
    return Dimension(
        averaged(inverse),
        (low, high),
        k,
        len(points),
        {other: averaged(inverse_dimension(distances[:, :other])) for other in sorted({*others, k})},
        two_nn(distances[:, :2]),
        local,
    )


def averaged(inverse: NDArray[np.float64]) -> float:
    """One over the mean of the inverse local dimensions (n,); inf where all neighbours are equally far."""
    mean = float(inverse.mean())
    return 1 / mean if mean > 0 else float("inf")


def two_nn(distances: NDArray[np.floating]) -> float:
    """The dimension from the two nearest others' distances (n, 2) alone (Facco et al. 2017, Scientific Reports 7:12140).

    mu = T_2 / T_1 sorted, F(mu_i) = i / n: the slope of -log(1 - F) on log mu through the origin, the largest mu left out.
    Facco et al. leave out the largest tenth; the released code of arXiv 2104.08894 only this one, whose F is 1.
    """
    logs = np.sort(np.log(np.asarray(distances, np.float64)) @ np.array([-1.0, 1.0]))[:-1]
    y = -np.log(1 - np.arange(1, len(logs) + 1) / (len(logs) + 1))
    square = float(logs @ logs)
    return float(logs @ y) / square if square > 0 else float("inf")
