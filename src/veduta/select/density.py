"""The numbers of density-based pruning: complexity of concepts, their shares, which rows of each stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.select.allocate import project, whole
from veduta.select.clusters import Clusters


@dataclass(slots=True)
class Concepts:
    """One entry a cluster, (k,): size int64; d_intra, d_inter, complexity, share float64; target int64."""

    size: NDArray[np.int64]
    d_intra: NDArray[np.float64]
    d_inter: NDArray[np.float64]
    complexity: NDArray[np.float64]
    share: NDArray[np.float64]
    target: NDArray[np.int64]
    at_bound: NDArray[np.bool_]
    tau: float


def complexity(
    clusters: Clusters, neighbours: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """d_intra, d_inter and their product, each (k,) (arXiv 2401.04578, section 3).

    d_intra: mean of 1 - cosine between members and centroid. d_inter: mean of 1 - cosine to the `neighbours` nearest
    other centroids. The product of clusters of one or two rows says nothing about a concept and is replaced by the
    mean of the others, as the released code does for its undefined values.
    """
    sizes = clusters.sizes
    total = np.bincount(clusters.assigned, weights=clusters.distance.astype(np.float64), minlength=len(sizes))
    d_intra = total / sizes
    apart = 1.0 - clusters.centroids.astype(np.float64) @ clusters.centroids.T.astype(np.float64)
    np.fill_diagonal(apart, np.inf)
    d_inter = np.sort(apart, axis=1)[:, :neighbours].mean(axis=1)
    product = d_intra * d_inter
    if (sizes > 2).any():
        product = np.where(sizes > 2, product, product[sizes > 2].mean())
    return d_intra, d_inter, product


def share_out(
    clusters: Clusters, budget: int, *, neighbours: int, tau: float | Literal["auto"], floor: float, uniform: bool
) -> Concepts:
    """How many rows each cluster may keep, exactly `budget` in all.

    Density: p = softmax(complexity / tau), budget * p projected on {sum = budget, low <= x <= size} with low =
    min(max(1, floor * budget / k), size - 1). Uniform (self-supervised prototypes, arXiv 2206.14486): p = size / n.
    `tau` "auto" is the standard deviation of the complexities, since their scale depends on the encoder.
    """
    size = clusters.sizes
    k = len(size)
    d_intra, d_inter, product = complexity(clusters, neighbours)
    width = float(product.std()) if tau == "auto" else float(tau)
    if uniform:
        share = size / size.sum()
    else:
        logits = product / max(width, 1e-12)
        share = np.exp(logits - logits.max())
        share /= share.sum()
    low = np.minimum(np.maximum(1, np.floor(floor * budget / k)), size - 1).astype(np.float64)
    if low.sum() > budget:
        low = np.zeros(k)
    exact = project(budget * share, low, size.astype(np.float64), float(budget))
    at_bound = (exact <= low) | (exact >= size)
    return Concepts(size, d_intra, d_inter, product, share, whole(exact, size, budget), at_bound, width)


def kept_rows(
    clusters: Clusters, target: NDArray[np.int64], which: Literal["hard", "easy", "random"], rank: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n,) bool: in each cluster its target of rows, farthest from the centroid first ("hard"), nearest first
    ("easy") or by `rank` alone ("random", where rank is a random permutation). Ties go by rank.
    """
    n = len(clusters.assigned)
    sign = {"hard": -1.0, "easy": 1.0, "random": 0.0}[which]
    order = np.lexsort((rank, sign * clusters.distance, clusters.assigned))
    starts = np.cumsum(clusters.sizes) - clusters.sizes
    position = np.empty(n, dtype=np.int64)
    position[order] = np.arange(n) - np.repeat(starts, clusters.sizes)
    return position < target[clusters.assigned]
