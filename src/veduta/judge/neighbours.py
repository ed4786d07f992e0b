"""k nearest neighbours as a classifier.

Legend: n training rows, m test rows, d dimensions, k classes. Vectors are of unit norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.learn import linear

CANDIDATES = (1, 3, 5, 10, 20)
CHUNK = 1024


def votes(
    x: NDArray[np.float32],
    targets: NDArray[np.bool_],
    queries: NDArray[np.float32],
    neighbours: int,
    *,
    own: bool = False,
) -> NDArray[np.float32]:
    """(m, k) float32: the cosine-weighted shares of each class among the nearest training rows.

    own: the queries are the training rows themselves, and a row is not its own neighbour. Memory: CHUNK * n * 4 bytes.
    """
    neighbours = min(neighbours, len(x) - own)
    out = np.zeros((len(queries), targets.shape[1]), np.float32)
    for start in range(0, len(queries), CHUNK):
        near = queries[start : start + CHUNK] @ x.T
        if own:
            near[np.arange(len(near)), start + np.arange(len(near))] = -np.inf
        chosen = np.argsort(-near, axis=1, kind="stable")[:, :neighbours]
        weights = np.maximum(np.take_along_axis(near, chosen, 1), 1e-6)
        weights /= weights.sum(1, keepdims=True)
        out[start : start + CHUNK] = np.einsum("mn,mnk->mk", weights, targets[chosen].astype(np.float32))
    return out


def weighted_votes(
    x: NDArray[np.float32],
    targets: NDArray[np.bool_],
    queries: NDArray[np.float32],
    depths: Sequence[int],
    temperature: float,
) -> dict[int, NDArray[np.float32]]:
    """Depth -> (m, k) float32: the sums of exp(cosine / temperature) of each class among that many nearest training rows.

    The vote of Wu et al. 2018 (arXiv 1805.01978, section 3.4), which DINO takes with 0.07 (arXiv 2104.14294, section 4.1).
    Of equal neighbours the lower row comes first. Memory: CHUNK * n * 12 bytes.
    """
    out = {depth: np.zeros((len(queries), targets.shape[1]), np.float32) for depth in depths}
    for start in range(0, len(queries), CHUNK):
        near = queries[start : start + CHUNK] @ x.T
        chosen = np.argsort(-near, axis=1, kind="stable")[:, : max(depths)]
        weights = np.exp((np.take_along_axis(near, chosen, 1) - 1) / temperature)  # at most 1, so that none overflows
        for depth in depths:
            share = np.einsum("mn,mnk->mk", weights[:, :depth], targets[chosen[:, :depth]].astype(np.float32))
            out[depth][start : start + CHUNK] = share
    return out


def choose_k(x: NDArray[np.float32], targets: NDArray[np.bool_], *, exclusive: bool) -> int:
    """The number of neighbours that does best on the training rows, each left out in turn; ties to the smaller."""
    fit = [k for k in CANDIDATES if k < len(x)] or [1]
    return max(
        fit, key=lambda k: round(linear.score(votes(x, targets, x, k, own=True), targets, exclusive=exclusive), 9)
    )
