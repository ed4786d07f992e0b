"""The core of semantic de-duplication: for each row, how similar is the most similar row that would stay before it?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import workers
from veduta.select.clusters import Clusters

BLOCK = 1024


def closest_before(
    vectors: NDArray[np.float32], clusters: Clusters, rank: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """In each cluster, rows sorted farthest from the centroid first (ties by `rank`): m_j = max over i before j of
    cosine(x_i, x_j), and the row that attains it (SemDeDup, arXiv 2303.09540, section 3).

    Returns (n,) float32 (-inf for the first row of a cluster) and (n,) int64 (-1 there). One result serves every
    threshold. Cost: sum of squared cluster sizes * d / 2; memory: blocks of 1,024 x 1,024 similarities.
    """
    n = len(vectors)
    closest = np.full(n, -np.inf, dtype=np.float32)
    by = np.full(n, -1, dtype=np.int64)

    def scan(members: NDArray[np.int64]) -> None:
        rows = members[np.lexsort((rank[members], -clusters.distance[members]))]
        for at in range(0, len(rows), BLOCK):
            mine = rows[at : at + BLOCK]
            for before in range(0, at + 1, BLOCK):
                theirs = rows[before : before + BLOCK]
                cosine = vectors[mine] @ vectors[theirs].T
                if before == at:
                    cosine[np.triu_indices(len(mine))] = -np.inf
                best = cosine.argmax(axis=1)
                value = cosine[np.arange(len(mine)), best]
                better = value > closest[mine]
                closest[mine[better]], by[mine[better]] = value[better], theirs[best[better]]

    with workers() as each:
        each(scan, clusters.members())
    return closest, by


def epsilon_for(closest: NDArray[np.float32], remove: float) -> float:
    """The largest eps that drops at most the fraction `remove` of the rows (a row is dropped if closest > 1 - eps)."""
    drop = int(remove * len(closest))
    if drop == 0:
        return 0.0
    ordered = np.sort(closest)[::-1]
    cut = ordered[drop] if drop < len(ordered) else -1.0
    return float(max(0.0, 1.0 - max(float(cut), -1.0)))
