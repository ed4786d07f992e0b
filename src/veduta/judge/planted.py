"""Mismatches that are planted among pairs known to be right, and how well a score tells them apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def plant(
    texts: Sequence[Hashable], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give a share of n pairs the texts of another one, in one cycle through them.

    Returns (n,) whose texts each pair gets, its own where nothing is planted, and (n,) whether it is a mismatch now: pairs
    whose new texts equal their own are none. Fewer than two pairs cannot be exchanged.
    """
    n = len(texts)
    gets = np.arange(n)
    chosen = rng.permutation(n)[: round(share * n)]
    if len(chosen) > 1:
        gets[chosen] = np.roll(chosen, 1)
    return gets, np.array([texts[own] != texts[int(other)] for own, other in enumerate(gets)], bool)


def auroc(right: NDArray[np.floating], wrong: NDArray[np.floating]) -> float:
    """The chance that a right pair scores above a wrong one, ties counting half; NaN where either side is empty.

    The Mann-Whitney statistic over the number of couples. Cost: one sort.
    """
    if not len(right) or not len(wrong):
        return float("nan")
    scores = np.concatenate([right, wrong])
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = rank[: len(right)].sum() - len(right) * (len(right) + 1) / 2
    return float(above / (len(right) * len(wrong)))


def auroc_of(scores: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """`auroc` of scores (n,) and which of them are of wrong pairs; NaN scores count for nothing."""
    told = ~np.isnan(scores)
    return auroc(scores[told & ~wrong], scores[told & wrong])
