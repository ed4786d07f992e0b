"""When two rows count as the same image: cosine, Hamming distance, or both."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import workers
from veduta.select.shadow import shadow
from veduta.select.spill import Spilled

SLACK = 2e-5
"""What float32 rounding may take from a cosine that is compared first in float32; twice the bound seen at d = 2,048."""

GATHER = 1024
"""Pairs whose vectors are fetched at once for the exact cosine."""

TILE = 1 << 21
"""Similarities computed at once: 8 MiB of float32."""


@dataclass(slots=True)
class Pairs:
    """Pairs (left[i], right[i]), positions in the two row lists asked about, with their similarity float32."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float32]


class Relation:
    """`cosine(x_i, x_j) >= threshold`, and `hamming(h_i, h_j) <= bits` where hashes are given.

    vectors: (n, d) float32 of unit norm. threshold: in (-1, 1]. hashes: (n,) uint64, bits in [0, 64].
    Memory: the vectors, unless they are kept in a file (see `spill`), and shadows of at most half their size.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32] | Spilled,
        threshold: float,
        *,
        hashes: NDArray[np.uint64] | None = None,
        bits: int = 64,
        seed: int = 0,
    ) -> None:
        self.vectors = vectors
        self.threshold = threshold
        self.hashes = hashes
        self.bits = bits
        self._local = threading.local()
        with workers(1):
            self.shadows = shadow(vectors, threshold, np.random.default_rng(seed))

    def __len__(self) -> int:
        return len(self.vectors)

    def pairs(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        """All pairs of a row of `left` with a row of `right` that are the same image. Thread-safe.

        Cost: len(left) * len(right) products, made in tiles of 8 MiB that stay in the cache.
        """
        if not hasattr(self._local, "tile"):
            self._local.tile = np.empty(TILE, dtype=np.float32)
        found = []
        columns = np.ascontiguousarray(self.shadows[right].T)
        high = max(1, min(len(left), TILE // 1024))
        wide = TILE // high
        for top in range(0, len(left), high):
            rows = self.shadows[left[top : top + high]]
            for side in range(0, len(right), wide):
                width = min(wide, len(right) - side)
                tile = self._local.tile[: len(rows) * width].reshape(len(rows), width)
                np.matmul(rows, columns[:, side : side + width], out=tile)
                hits = np.flatnonzero(tile.reshape(-1) >= self.threshold - SLACK)
                if len(hits):
                    i, j = np.divmod(hits, width)
                    found.append(self._confirmed(left, right, i + top, j + side))
        return merged(found)

    def _confirmed(
        self, left: NDArray[np.int64], right: NDArray[np.int64], i: NDArray[np.int64], j: NDArray[np.int64]
    ) -> Pairs:
        if self.hashes is not None:
            near = np.bitwise_count(self.hashes[left[i]] ^ self.hashes[right[j]]) <= self.bits
            i, j = i[near], j[near]
        exact = self.similarity(left[i], right[j])
        keep = exact >= self.threshold
        return Pairs(i[keep], j[keep], exact[keep])

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosine of each row of `left` with the row of `right` at the same place, from the full vectors, float32."""
        out = np.empty(len(left), dtype=np.float32)
        for at in range(0, len(left), GATHER):
            part = slice(at, at + GATHER)
            out[part] = np.einsum("nd,nd->n", self.vectors[left[part]], self.vectors[right[part]])
        return out


def merged(found: list[Pairs]) -> Pairs:
    """Several finds as one."""
    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    if len(found) == 1:
        return found[0]
    return Pairs(
        np.concatenate([pairs.left for pairs in found]),
        np.concatenate([pairs.right for pairs in found]),
        np.concatenate([pairs.similarity for pairs in found]),
    )


def bit_vectors(hashes: NDArray[np.uint64]) -> NDArray[np.float32]:
    """64-bit hashes as unit vectors (n, 64) with entries +-1/8, so that cosine = 1 - hamming / 32."""
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8), axis=1)
    return (bits.astype(np.float32) - np.float32(0.5)) / np.float32(4)
