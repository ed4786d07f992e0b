"""What is done with a query and its results around the search itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.search.exact import unit

Found = tuple[NDArray[np.int64], NDArray[np.float32]]

OVERFETCH = 4


def distinct(vectors: NDArray[np.float32], threshold: float, k: int) -> NDArray[np.int64]:
    """Positions of the first k of the unit vectors (m, d), best first, none with a cosine > threshold to an earlier kept one.

    LAION's service (clip-retrieval) keeps the first of each connected component of that graph. Here a result is
    compared to kept ones only: nothing is dropped through a chain of others, and fetching more never changes the head.
    """
    kept: list[int] = []
    for i, vector in enumerate(vectors):
        if len(kept) == k:
            break
        if not kept or float((vectors[kept] @ vector).max()) <= threshold:
            kept.append(i)
    return np.array(kept, np.int64)


def refilled(
    fetch: Callable[[int], Found],
    vectors_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    threshold: float,
    k: int,
) -> Found:
    """`fetch(m)` gives the m best; fetch 4 times what is wanted until k distinct ones are left or there are no more."""
    wanted = k * OVERFETCH
    while True:
        rows, scores = fetch(wanted)
        keep = distinct(vectors_of(rows), threshold, k)
        if len(keep) == k or len(rows) < wanted:
            return rows[keep], scores[keep]
        wanted *= OVERFETCH


def combined(parts: list[tuple[str, float, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """(name, weight, unit vector (d,)) to the unit vector of their weighted sum. Raises BadInput if they cancel out."""
    total = np.sum([np.float32(weight) * vector for _, weight, vector in parts], axis=0)
    if float(np.linalg.norm(total)) < 1e-6:
        names = " + ".join(f"{weight:g} x {name}" for name, weight, _ in parts)
        raise BadInput(f"the query {names} cancels out to no direction; change a weight")
    return unit(total)
