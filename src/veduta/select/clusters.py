"""Spherical k-means and what it says about each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import workers
from veduta.select.allocate import whole

CHUNK = 16384
FLAT = 200
"""Clusters up to which `small_clusters` is plain k-means."""
PROBES = 16
MOVES, MOVED_BY = 2, 256
"""How often the centroids of `small_clusters` are moved, and by at least how many rows each, where there are as many."""


@dataclass(slots=True)
class Clusters:
    """centroids: (k, d) float32 of unit norm. assigned: (n,) int64 in [0, k). distance: (n,) float32, 1 - cosine to
    the own centroid, in [0, 2]. No cluster is empty.
    """

    centroids: NDArray[np.float32]
    assigned: NDArray[np.int64]
    distance: NDArray[np.float32]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each cluster, (k,)."""
        return np.bincount(self.assigned, minlength=len(self.centroids))

    def members(self) -> list[NDArray[np.int64]]:
        """The rows of each cluster, ascending."""
        order = np.argsort(self.assigned, kind="stable")
        return np.split(order, np.cumsum(self.sizes)[:-1])


def spherical_kmeans(vectors: NDArray[np.float32], k: int, *, iterations: int = 50, seed: int = 0) -> Clusters:
    """Cluster unit vectors (n, d) by cosine with faiss (at most 256 training rows a cluster), then assign all rows.

    An empty cluster is seeded again with the row farthest from its centroid. `k` must be at most n.
    Cost: iterations * min(n, 256 k) * k * d, then n * k * d; memory for the training rows.
    """
    import faiss

    n, d = vectors.shape
    trained = faiss.Kmeans(d, k, niter=iterations, seed=seed + 1, spherical=True, min_points_per_centroid=1)
    trained.train(vectors)
    centroids = np.ascontiguousarray(trained.centroids, dtype=np.float32)
    centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    assigned = np.empty(n, dtype=np.int64)
    distance = np.empty(n, dtype=np.float32)
    for at in range(0, n, CHUNK):
        cosine = vectors[at : at + CHUNK] @ centroids.T
        best = cosine.argmax(axis=1)
        assigned[at : at + CHUNK] = best
        distance[at : at + CHUNK] = 1 - cosine[np.arange(len(best)), best]
    sizes = np.bincount(assigned, minlength=k)
    far = iter(np.argsort(-distance, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        row = next(row for row in far if sizes[assigned[row]] > 1)
        sizes[assigned[row]] -= 1
        sizes[empty] = 1
        centroids[empty], assigned[row], distance[row] = vectors[row], empty, 0.0
    return Clusters(centroids, assigned, np.clip(distance, 0, 2))


def small_clusters(vectors: NDArray[np.float32], k: int, *, seed: int = 0) -> Clusters:
    """At most k clusters of unit vectors (n, d), for comparing the rows inside each: plain spherical k-means up to 200, above
    in two steps, sqrt(k) clusters of which each is clustered again, into as many as its share of the rows.

    Plain k-means costs n k, and k grows with n where clusters are of one size: 2,000 clusters of a million rows of 256 numbers
    take minutes. A row belongs to the nearest centroid of those that lie in the `PROBES` first clusters nearest to it.
    The first clusters cut through what belongs together, so the centroids are moved to the means of their rows twice: of
    5,000 near-duplicates of 100,000 rows (clustered Gaussians) 4,957 lie in one cluster before, and 4,999 after, as with
    plain k-means; of 15,811 of 316,228 rows 15,359 and 15,743.
    Cost: n sqrt(k) d products, some 50 times; memory: the first clusters, a thread.
    """
    if k <= FLAT:
        return spherical_kmeans(vectors, k, seed=seed)
    import faiss

    first = spherical_kmeans(vectors, round(k**0.5), seed=seed)
    counts = np.maximum(whole(k * first.sizes / len(vectors), first.sizes, k), 1).tolist()

    def inside(part: tuple[NDArray[np.int64], int]) -> NDArray[np.float32]:
        faiss.omp_set_num_threads(1)  # of this thread of ours alone
        members, count = part
        some = members[:: max(1, len(members) // (256 * count))]
        return spherical_kmeans(vectors[some], count, seed=seed).centroids

    with workers() as each:
        centroids = np.concatenate(each(inside, list(zip(first.members(), counts, strict=True))))
    sample = vectors[:: max(1, len(vectors) // (MOVED_BY * k))]
    for _ in range(MOVES):
        centroids = _means(sample, _nearest(sample, centroids, first.centroids)[1])
    cosine, assigned = _nearest(vectors, centroids, first.centroids)
    used, assigned = np.unique(assigned, return_inverse=True)
    return Clusters(centroids[used], assigned.astype(np.int64), np.clip(1 - cosine, 0, 2))


def _nearest(
    vectors: NDArray[np.float32], centroids: NDArray[np.float32], first: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cosine to the nearest of the centroids, and which it is, (n,) each, by way of the `PROBES` nearest of `first`."""
    import faiss

    width = vectors.shape[1]
    coarse = faiss.IndexFlatIP(width)
    coarse.add(first)
    index = faiss.IndexIVFFlat(coarse, width, len(first), faiss.METRIC_INNER_PRODUCT)
    index.train(centroids)
    index.add(centroids)
    index.nprobe = PROBES
    cosine, assigned = index.search(np.ascontiguousarray(vectors), 1)
    return cosine[:, 0], assigned[:, 0]


def _means(vectors: NDArray[np.float32], assigned: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean of the rows of each cluster that has any, of unit norm."""
    from scipy.sparse import csr_array

    used, places = np.unique(assigned, return_inverse=True)
    rows = np.arange(len(vectors))
    sums = csr_array((np.ones(len(rows), np.float32), (places, rows)), shape=(len(used), len(rows))) @ vectors
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
