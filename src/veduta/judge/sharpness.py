"""Label sharpness: how near two points with different labels can be.

Legend: n points, d numbers a point, p pairs.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.errors import NothingToDo

BLOCK = 512


@dataclass(frozen=True)
class Sharpness:
    """highest: K_F, one over the least distance of two points with different labels; quantile: the `q` quantile of
    1 / distance over such pairs. pairs: (p, 2) positions of the nearest ones, the sharpest first; distances: (p,) theirs.
    n: points that were compared; count: pairs with different labels.
    """

    highest: float
    quantile: float
    q: float
    pairs: NDArray[np.int64]
    distances: NDArray[np.float64]
    n: int
    count: int


def label_sharpness(
    points: NDArray[np.float32], labels: NDArray[np.int64], *, q: float = 0.999, shown: int = 12
) -> Sharpness:
    """K_F = max over pairs of 1[y_j != y_k] / |x_j - x_k| (Konz and Mazurowski 2024, arXiv 2401.08865, section 4), over all pairs.

    points: (n, d), all different (two equal ones with different labels make it infinite); labels: (n,) class numbers. For two
    classes |y_j - y_k| is the same as 1[y_j != y_k]. The released script differs: it compares only items of one place of shuffled
    batches, and its numerator for several classes is 1 for equal labels. A maximum is set by one pair, hence the quantile, which
    is over the pairs with different labels.
    Raises NothingToDo where all labels are the same. Cost: n^2 d / 2; memory: 512 x n distances, and n^2 / 2 of them in float32.
    """
    nearest: list[tuple[float, int, int]] = []
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(points), BLOCK):
        mine = points[start : start + BLOCK]
        theirs = points[start:]
        differs = labels[start : start + BLOCK, None] != labels[None, start:]
        a, b = np.nonzero(np.triu(differs, 1))
        if not len(a):
            continue
        squares = _squares(mine, theirs)[a, b]
        found.append(squares.astype(np.float32))
        few = np.argpartition(squares, min(4 * shown, len(squares) - 1))[: 4 * shown]
        for i in few:  # exactly, since the squares of near ones suffer from cancellation
            gap = points[start + a[i]].astype(np.float64) - points[start + b[i]]
            nearest.append((float(np.sqrt(gap @ gap)), int(start + a[i]), int(start + b[i])))
    if not found:
        raise NothingToDo(f"label sharpness needs rows of two labels, and all of the {len(points):,} have the same")
    best = heapq.nsmallest(shown, nearest)
    distances = np.sqrt(np.concatenate(found))
    low = max(float(np.quantile(distances, 1 - q)), best[0][0])
    with np.errstate(divide="ignore"):
        highest, quantile = (float(1 / np.float64(value)) for value in (best[0][0], low))
    pairs = np.array([(a, b) for _, a, b in best], np.int64)
    return Sharpness(highest, quantile, q, pairs, np.array([d for d, _, _ in best]), len(points), len(distances))


def _squares(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, m) squared distances."""
    inner = (a @ b.T).astype(np.float64)
    squares = np.einsum("nd,nd->n", a, a)[:, None] - 2 * inner + np.einsum("nd,nd->n", b, b)[None]
    return np.maximum(squares, 0)
