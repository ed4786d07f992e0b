"""A greedy cover: few rows such that every other row is the same image as one of them. No chains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import Each, workers
from veduta.select.relation import Pairs, Relation, merged
from veduta.select.representatives import Representatives, representatives

BLOCK = 8192
STEP = 1024


@dataclass(slots=True)
class Cover:
    """representative: (n,) int64, the row that stands for each row (itself for a representative).
    similarity: (n,) float32, the similarity of the two (1 for a representative).
    search: how it was searched, in words. standing: the representatives, to ask further.
    """

    representative: NDArray[np.int64]
    similarity: NDArray[np.float32]
    search: str
    standing: Representatives


def cover(relation: Relation, order: NDArray[np.int64], *, seed: int = 0, block: int = BLOCK) -> Cover:
    """Walk through the rows in `order` (a permutation, best first). A row with no earlier representative close to it
    becomes one; any other joins the most similar earlier representative (of equally similar ones the earlier).

    So every member is within the threshold of its representative, and no two representatives are (but for the pairs
    that the index misses, see `representatives.Lists`); a component like a - b - c with a and c far apart is never
    one group. Only similarities to representatives are held, for one block at a time: memory does not grow with the
    number of similar pairs, be it a pool of a million equal images.
    Cost: up to 20,000 rows n * r products of d numbers (r representatives), above n * (2 sqrt(n) + probes * sqrt(n) / 2
    + block / 2).
    """
    n = len(relation)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    standing = representatives(relation, seed)
    owner = np.arange(n, dtype=np.int64)
    similarity = np.ones(n, dtype=np.float32)
    with workers() as each:
        for start in range(0, n, block):
            rows = order[start : start + block]
            best = _Best(len(rows), rank)
            best.offer(standing.near(rows, each))
            fresh = _stand(relation, rows, best, each)
            joined = best.row >= 0
            owner[rows[joined]] = best.row[joined]
            similarity[rows[joined]] = best.similarity[joined]
            standing.add(fresh)
    words = f"{standing.probes} of {standing.lists} lists" if standing.lists else "exact"
    return Cover(owner, similarity, words, standing)


def _stand(relation: Relation, rows: NDArray[np.int64], best: _Best, each: Each) -> NDArray[np.int64]:
    """The rows of one block that become representatives; `best` learns which of them is the best for the others."""
    fresh = np.empty(0, dtype=np.int64)
    for at in range(0, len(rows), STEP):
        some = rows[at : at + STEP]

        def compare(part: NDArray[np.int64], fresh: NDArray[np.int64] = fresh, at: int = at) -> Pairs:
            pairs = relation.pairs(rows[at + part], fresh)
            return Pairs(at + part[pairs.left], fresh[pairs.right], pairs.similarity)

        best.offer(merged(each(compare, np.array_split(np.arange(len(some)), 4))))
        free = np.flatnonzero(best.row[at : at + STEP] < 0)
        among = relation.pairs(some, some[free])
        earlier = free[among.right] < among.left
        among = Pairs(among.left[earlier], free[among.right[earlier]], among.similarity[earlier])
        stands = _first_free(len(some), free, among)
        chosen = stands[among.right]
        best.offer(Pairs(among.left[chosen] + at, some[among.right[chosen]], among.similarity[chosen]))
        fresh = np.concatenate([fresh, some[stands]])
    return fresh


def _first_free(size: int, free: NDArray[np.int64], pairs: Pairs) -> NDArray[np.bool_]:
    """Which of the free rows stand for themselves, (size,) bool; `pairs` are (later, earlier) with earlier free."""
    stands = np.zeros(size, dtype=bool)
    stands[free] = True
    order = np.argsort(pairs.right, kind="stable")
    earlier, later = pairs.right[order], pairs.left[order]
    bounds = np.flatnonzero(np.diff(earlier, prepend=-1))
    for at, followers in zip(bounds, np.split(later, bounds[1:]), strict=True) if len(bounds) else ():
        if stands[earlier[at]]:
            stands[followers] = False
    return stands


class _Best:
    """The most similar representative seen so far for each row of a block; ties go to the earlier in rank."""

    def __init__(self, size: int, rank: NDArray[np.int64]) -> None:
        self.row = np.full(size, -1, dtype=np.int64)
        self.similarity = np.full(size, -np.inf, dtype=np.float32)
        self._rank = rank

    def offer(self, pairs: Pairs) -> None:
        if len(pairs.left) == 0:
            return
        order = np.lexsort((self._rank[pairs.right], -pairs.similarity, pairs.left))
        left = pairs.left[order]
        first = order[np.flatnonzero(np.diff(left, prepend=-1))]
        left, right, similarity = pairs.left[first], pairs.right[first], pairs.similarity[first]
        known = self.row[left]
        better = similarity > self.similarity[left]
        better |= (similarity == self.similarity[left]) & (known >= 0) & (self._rank[right] < self._rank[known])
        self.row[left[better]] = right[better]
        self.similarity[left[better]] = similarity[better]
