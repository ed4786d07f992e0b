"""Semantic de-duplication and density pruning as one writes them with faiss and NumPy; run by `benchmarks.selectors --peer`.

    python semdedup.py semantic-deduplicate|density-prune VECTORS.npy

After SemDeDup (arXiv 2303.09540) and its released code's steps: spherical k-means by faiss, in each cluster all pairs as one matrix, a row
goes where an earlier one is too similar. Density pruning (arXiv 2401.04578): that, k-means again, complexity of each cluster, shares
by softmax, and the hardest rows of each. Same numbers of clusters, iterations and thresholds as Veduta's defaults. Nothing is
read from or written to a pool. Prints one JSON line: seconds, rows kept.
"""

from __future__ import annotations

import json
import sys
import time

import faiss
import numpy as np


def kmeans(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centroids, assignment, cosine to the centroid."""
    made = faiss.Kmeans(x.shape[1], k, niter=50, seed=1, spherical=True)
    made.train(x)
    cosine, assigned = made.index.search(x, 1)
    return made.centroids, assigned[:, 0], cosine[:, 0]


def unique(x: np.ndarray, eps: float) -> np.ndarray:
    """(n,) whether no row before it in its cluster is as similar as 1 - eps, the farthest from the centroid first."""
    _, assigned, cosine = kmeans(x, len(x) // 500)
    keep = np.ones(len(x), bool)
    order = np.argsort(assigned, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(assigned[order])) + 1):
        rows = rows[np.argsort(cosine[rows], kind="stable")]
        similar = np.triu(x[rows] @ x[rows].T, 1)
        keep[rows[similar.max(axis=0) > 1 - eps]] = False
    return keep


def prune(x: np.ndarray, share: float, clusters: int = 100, neighbours: int = 20, tau: float = 0.1) -> int:
    """How many rows density pruning keeps."""
    budget = share * len(x)
    x = x[unique(x, 0.05)]
    centroids, assigned, cosine = kmeans(x, clusters)
    size = np.bincount(assigned, minlength=clusters)
    intra = np.bincount(assigned, 1 - cosine, minlength=clusters) / np.maximum(size, 1)
    apart = 1 - centroids @ centroids.T
    np.fill_diagonal(apart, np.inf)
    inter = np.sort(apart, axis=1)[:, :neighbours].mean(axis=1)
    weight = np.exp(intra * inter / tau)
    target = np.zeros(clusters)
    for _ in range(100):  # what a full cluster cannot take goes to the others
        free = target < size
        rest = budget - target.sum()
        if rest < 1 or not free.any():
            break
        target[free] = np.minimum(size[free], target[free] + rest * weight[free] / weight[free].sum())
    kept = 0
    for cluster in range(clusters):
        rows = np.flatnonzero(assigned == cluster)
        kept += len(rows[np.argsort(cosine[rows])][: round(target[cluster])])
    return kept


def main() -> None:
    x = np.load(sys.argv[2])
    start = time.perf_counter()
    kept = int(unique(x, 0.05).sum()) if sys.argv[1] == "semantic-deduplicate" else prune(x, 0.3)
    print(json.dumps({"seconds": time.perf_counter() - start, "kept": kept}))


if __name__ == "__main__":
    main()
