"""A growing set of representatives, and which of them are close to new rows."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import Each
from veduta.select.relation import Pairs, Relation, merged
from veduta.select.spill import HELD, Spilled

EXACT_ROWS = 20_000
"""Up to here every row is compared with every representative."""

TRAINING_ROWS = 48
"""Training rows per centroid of the index."""

FEWEST = 16
"""Training rows per centroid below which an index of vectors that are kept in a file is not worth a try."""

MANY = 64
"""Lists of shadows to look into from which on an index of the vectors is tried."""

CALIBRATION_ROWS = 4096

MISSED = 0.002
"""Share of pairs right at the threshold that the index may miss; closer pairs are missed less."""


class Representatives(Protocol):
    """Rows that represent themselves, in the order in which they were added."""

    def add(self, rows: NDArray[np.int64]) -> None:
        """Take in rows."""
        ...

    def near(self, rows: NDArray[np.int64], each: Each) -> Pairs:
        """Pairs of a position in `rows` and the row number of a representative that is the same image."""
        ...


class Exact:
    """Compares with every representative."""

    probes = 0
    lists = 0

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self._rows = np.empty(0, dtype=np.int64)

    def add(self, rows: NDArray[np.int64]) -> None:
        self._rows = np.concatenate([self._rows, rows])

    def near(self, rows: NDArray[np.int64], each: Each, step: int = 4096) -> Pairs:
        def compare(at: int) -> Pairs:
            some = self._rows[at : at + step]
            pairs = self.relation.pairs(rows, some)
            return Pairs(pairs.left, some[pairs.right], pairs.similarity)

        return merged(each(compare, range(0, len(self._rows), step)))


class Lists:
    """An inverted file: representatives lie in the list of their nearest centroid, a row looks into `probes` lists.

    It works on `points`: the vectors, or the shadows, in which no pair is farther apart but more are near: of a million
    rows it then looks into 578 of 2,048 lists where the vectors need 31. Spherical k-means over a sample (at most 64 MiB
    of vectors that are kept in a file) gives the centroids (faiss, fixed seed). How many lists a row must look into is measured on the data:
    for rows x that k-means has not seen a partner y at exactly the threshold is made, y = t x + sqrt(1 - t^2) u with u
    a direction in which the data itself varies, and `probes` is the least number with which all but `MISSED` of these
    partners find x. Everything found is checked with the full vectors, so the index costs recall, never
    precision. Candidates are compared list by list as matrix products, which is what the hardware is good at.
    """

    def __init__(
        self, relation: Relation, lists: int, seed: int, points: NDArray[np.float32] | Spilled | None = None
    ) -> None:
        import faiss

        rng = np.random.default_rng(seed)
        self.relation = relation
        self.lists = lists
        vectors = self._points = relation.shadows if points is None else points
        n, d = vectors.shape
        rows = rng.permutation(n)
        taught = lists * TRAINING_ROWS if isinstance(vectors, np.ndarray) else lists * _affordable(d, lists)
        training, held_out = rows[:taught], rows[taught:][:CALIBRATION_ROWS]
        trained = faiss.Kmeans(
            d,
            lists,
            niter=6,
            seed=seed + 1,
            spherical=True,
            min_points_per_centroid=FEWEST,
            max_points_per_centroid=TRAINING_ROWS,
        )
        trained.train(vectors[np.sort(training)])
        self._centroids = np.ascontiguousarray(trained.centroids, dtype=np.float32)
        self._members: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64) for _ in range(lists)]
        self.probes = self._probes_needed(vectors[np.sort(held_out)], rng)

    def _probes_needed(self, x: NDArray[np.float32], rng: np.random.Generator) -> int:
        u = x[rng.permutation(len(x))] - x[rng.permutation(len(x))]
        u -= np.einsum("nd,nd->n", u, x)[:, None] * x
        size = np.linalg.norm(u, axis=1)
        x, u = x[size > 1e-3], u[size > 1e-3]
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        t = self.relation.threshold
        y = t * x + np.sqrt(max(0.0, 1 - t * t)) * u
        home = (x @ self._centroids.T).argmax(axis=1)
        scores = y @ self._centroids.T
        rank = (scores > scores[np.arange(len(x)), home][:, None]).sum(axis=1)
        return int(np.quantile(rank, 1 - MISSED, method="higher")) + 1 if len(x) else 1

    def _nearest(self, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """The `count` nearest centroids of each row, best first, (n, count)."""
        scores = self._points[rows] @ self._centroids.T
        if count == 1:
            return scores.argmax(axis=1)[:, None]
        return np.argpartition(scores, -count, axis=1)[:, -count:]

    def add(self, rows: NDArray[np.int64]) -> None:
        if len(rows) == 0:
            return
        home = self._nearest(rows, 1).ravel()
        for place, some in _by_list(home, rows):
            self._members[place] = np.concatenate([self._members[place], some])

    def near(self, rows: NDArray[np.int64], each: Each) -> Pairs:
        if len(rows) == 0 or not any(len(members) for members in self._members):
            return merged([])
        chunks = np.array_split(rows, max(1, len(rows) // 1024))
        places = np.concatenate(each(lambda some: self._nearest(some, min(self.probes, self.lists)), chunks)).ravel()
        asking = np.repeat(np.arange(len(rows)), len(places) // len(rows))

        def compare(asked: tuple[int, NDArray[np.int64]]) -> Pairs:
            place, some = asked
            pairs = self.relation.pairs(rows[some], self._members[place])
            return Pairs(some[pairs.left], self._members[place][pairs.right], pairs.similarity)

        return merged(each(compare, [(p, some) for p, some in _by_list(places, asking) if len(self._members[p])]))


def _by_list(places: NDArray[np.int64], rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """The rows of each list, in order; places: (n,) list numbers, not empty."""
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    return list(zip(places[order[starts]].tolist(), np.split(rows[order], starts[1:]), strict=True))


def _affordable(width: int, lists: int) -> int:
    """Training rows per centroid of vectors that are kept in a file."""
    return min(TRAINING_ROWS, HELD // (4 * width * lists))


def representatives(relation: Relation, seed: int) -> Exact | Lists:
    """The cheapest set that finds what is asked: exact for small pools and for thresholds too loose for an index.

    Vectors that are kept in a file are indexed by their shadows, unless a row must then look into more than `MANY` lists:
    their number grows with the rows (6, 33 and 122 of 100,000, 316,000 and a million rows of clustered Gaussians, for which
    the vectors need 2, 3 and 12), and from there on reading the file for the index costs less.
    """
    n = len(relation)
    if n <= EXACT_ROWS:
        return Exact(relation)
    lists = int(2 ** np.round(np.log2(2 * np.sqrt(n))))
    vectors = relation.vectors
    if isinstance(vectors, np.ndarray):
        index = Lists(relation, lists, seed, vectors)
    else:
        index = Lists(relation, lists, seed)
        if index.probes > MANY and _affordable(vectors.shape[1], lists) >= FEWEST:
            index = min(index, Lists(relation, lists, seed, vectors), key=lambda index: index.probes)
    return index if index.probes * 3 <= index.lists else Exact(relation)
