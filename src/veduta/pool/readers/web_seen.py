"""Which keys were seen: exact at first, then Bloom filters, so that memory stays at about 4 bytes a key."""

from __future__ import annotations

import math

import numpy as np


class Seen:
    """A set of 16-byte digests that only grows.

    Up to `exact` keys nothing is ever mistaken (about 100 bytes a key); beyond that a new key is taken for a seen one
    with probability `error` at most (Bloom 1970; 3.6 bytes a key at one in a million), as in LAION's crawler.
    """

    def __init__(self, exact: int = 2_000_000, error: float = 1e-6) -> None:
        self._room, self._error = exact, error
        self._exact: set[bytes] = set()
        self._filters: list[_Bloom] = []

    def add(self, digest: bytes) -> bool:
        """True if `digest` is new."""
        if digest in self._exact or any(digest in each for each in self._filters):
            return False
        if len(self._exact) < self._room:
            self._exact.add(digest)
            return True
        if not self._filters or self._filters[-1].full:
            # Each further filter is twice as large and half as wrong, so the sum of all errors stays below 2x.
            grown = len(self._filters)
            self._filters.append(_Bloom(max(1024, self._room) << grown, self._error / 2 ** (grown + 1)))
        self._filters[-1].add(digest)
        return True


class _Bloom:
    """m bits and k hashes for `capacity` keys at false-positive rate `error`: m = -n ln(p) / ln(2)^2, k = m/n ln(2)."""

    def __init__(self, capacity: int, error: float) -> None:
        self._bits = math.ceil(-capacity * math.log(error) / math.log(2) ** 2)
        self._hashes = max(1, round(self._bits / capacity * math.log(2)))
        self._capacity, self._count = capacity, 0
        self._table = np.zeros((self._bits + 7) // 8, dtype=np.uint8)

    @property
    def full(self) -> bool:
        return self._count >= self._capacity

    def _places(self, digest: bytes) -> list[int]:
        # Two independent halves give k hashes (Kirsch and Mitzenmacher 2006).
        first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
        return [(first + i * second) % self._bits for i in range(self._hashes)]

    def __contains__(self, digest: bytes) -> bool:
        table = self._table
        return all(table[place >> 3] >> (place & 7) & 1 for place in self._places(digest))

    def add(self, digest: bytes) -> None:
        for place in self._places(digest):
            self._table[place >> 3] |= np.uint8(1 << (place & 7))
        self._count += 1
