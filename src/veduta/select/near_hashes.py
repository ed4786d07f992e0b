"""Pairs of hashes that differ in few bits, found by bands; copies that the cosine alone would not have offered.

Legend: n hashes in order of preference, b bits that may differ.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import workers
from veduta.select.verified import COPY, TRIES, Looker

BITS = 6
"""Bits by which the hashes of two images may differ so that their pixels are looked at, whatever the cosine."""

TILE = 1 << 20
BLOCK = 4096


def near(words: NDArray[np.uint64], bits: int, most: int = TRIES) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (later, earlier) of positions whose hashes differ in at most `bits`, ascending by the later one, and at most
    `most` for each: those of the nearest hashes, each by the first that has it.

    Two words that differ in b bits are equal in one of b + 1 bands, so that only words of one bucket are compared: with 6
    bits and a million words n^2 / 73 comparisons of 8 bytes. Equal words are compared once. Memory: tiles of a million, and
    `most` pairs a word and bucket.
    """
    n = len(words)
    values, first, of = np.unique(words, return_index=True, return_inverse=True)
    one, other, far = _values(values, bits, most)
    # The first row of a hash stands for it; the rows of a hash are compared with the first rows of that hash as well.
    order = np.lexsort((np.arange(n), of))
    start = np.searchsorted(of[order], np.arange(len(values)))
    place = np.arange(n) - start[of[order]]
    left, right, distance = [], [], []
    for back in range(min(most, int(place.max(initial=0)))):
        some = np.flatnonzero(place > back)
        left.append(order[some])
        right.append(order[start[of[order[some]]] + back])
        distance.append(np.zeros(len(some), np.int64))
    size = np.diff(np.append(start, n))
    for a, b in ((one, other), (other, one)):
        times = size[a]
        at = np.repeat(np.cumsum(times) - times, times)
        left.append(order[np.repeat(start[a], times) + np.arange(len(at)) - at])
        right.append(np.repeat(first[b], times))
        distance.append(np.repeat(far, times))
    rows, heads, apart = (np.concatenate(parts).astype(np.int64) for parts in (left, right, distance))
    earlier = heads < rows
    return _best(rows[earlier], heads[earlier], apart[earlier], most)[:2]


def join(
    owner: NDArray[np.int64], words: NDArray[np.uint64], rank: NDArray[np.int64], looker: Looker
) -> NDArray[np.int64]:
    """New representatives (n,): one whose hash is near that of a preferred one joins it, with those of its group that are
    copies too, where the pixels say so. Pairs that cannot be looked at are never joined.

    owner (n,): the representatives so far; words (n,) their hashes; rank (n,): order of preference. Cost: `near`, and at most
    `TRIES` looks a representative.
    """
    owner = owner.copy()
    heads = np.flatnonzero(owner == np.arange(len(owner)))
    heads = heads[np.argsort(rank[heads], kind="stable")]
    left, right = near(words[heads], BITS)
    with workers() as each:
        for at in range(0, len(left), BLOCK):
            rows, others = heads[left[at : at + BLOCK]], heads[right[at : at + BLOCK]]
            hits = np.flatnonzero(looker.look(others, rows, each) == COPY)
            for row, head in zip(rows[hits].tolist(), others[hits].tolist(), strict=True):
                if owner[row] != row or owner[head] != head:
                    continue
                group = np.flatnonzero(owner == row)
                same = looker.look(np.full(len(group), head), group, each) == COPY
                owner[group] = np.where(same, head, group)
    return owner


def _values(
    values: NDArray[np.uint64], bits: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(later, earlier, bits that differ) of different words."""
    edges = np.linspace(0, 64, bits + 2).astype(int)
    found = [(np.empty(0, np.int64),) * 3]
    for low, high in itertools.pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            step = max(1, TILE // max(1, len(members)))
            for at in range(0, len(members), step):
                some = members[at : at + step]
                apart = np.bitwise_count(values[some][:, None] ^ values[members][None, :])
                i, j = np.nonzero(apart <= bits)
                one, other, far = some[i], members[j], apart[i, j].astype(np.int64)
                keep = one > other
                found.append(_best(one[keep], other[keep], far[keep], most))
    one, other, far = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _best(one, other, far, most)


def _best(
    left: NDArray[np.int64], right: NDArray[np.int64], far: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each pair once, the nearest `most` of each left, ascending."""
    order = np.lexsort((right, far, left))
    left, right, far = left[order], right[order], far[order]
    fresh = np.ones(len(left), bool)
    fresh[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    left, right, far = left[fresh], right[fresh], far[fresh]
    place = np.arange(len(left)) - np.searchsorted(left, left)
    keep = place < most
    return left[keep], right[keep], far[keep]
