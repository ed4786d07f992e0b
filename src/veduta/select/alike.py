"""How alike the unrelated images of a pool are, and what that means for a duplicate threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.select.spill import Spilled

SAMPLE = 1500
FEWEST = 200
"""Below this many rows duplicates may be a large part of all pairs, and nothing is concluded."""

QUANTILE = 0.99
BEND = 1.2


def unrelated_cosine(
    vectors: NDArray[np.float32] | Spilled,
    order: NDArray[np.int64],
    base: float,
    *,
    hashes: NDArray[np.uint64] | None = None,
    bits: int = 64,
) -> float | None:
    """The cosine that 1 % of the pairs of unrelated images exceed, or None for fewer than 200 rows.

    Up to 1,500 rows, evenly spread over `order`, are compared with each other; pairs that count as duplicates at the
    threshold `base` (and `bits`) are left out, so that a camera that stares at one scene does not count as look-alikes.
    """
    if len(order) < FEWEST:
        return None
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(SAMPLE, len(order))).astype(np.int64))]
    some = vectors[rows]
    i, j = np.triu_indices(len(rows), 1)
    cosine = (some @ some.T)[i, j]
    same = cosine >= base
    if hashes is not None:
        same &= np.bitwise_count(hashes[rows[i]] ^ hashes[rows[j]]) <= bits
    return float(np.quantile(cosine[~same], QUANTILE)) if not same.all() else None


def raised(base: float, unrelated: float | None) -> float:
    """The threshold for a pool: at least `base`, and 1 - 1.2 (1 - u)^2 where unrelated images reach the cosine u.

    The room that is left between unrelated and equal images shrinks by as much again as the images look alike: u = 0.4
    (ImageNet photos) and 0.58 (people outdoors) leave `base` as it is, 0.83 (catalogue photos on white) gives 0.967,
    0.86 (chest X-rays) 0.976.
    """
    return base if unrelated is None else max(base, 1 - BEND * (1 - unrelated) ** 2)
