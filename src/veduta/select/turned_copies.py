"""Copies that were mirrored or turned: found by what the hash of the other one would then be, decided by pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import workers
from veduta.select.relation import Relation, bit_vectors
from veduta.select.representatives import representatives
from veduta.select.verified import COPY, Looker

Turn = tuple[int, bool]
"""Quarter turns against the clock, after a mirroring from left to right or not; see `pixels.turned`."""

TURNS: dict[Literal["none", "mirror", "all"], tuple[Turn, ...]] = {
    "none": (),
    "mirror": ((0, True),),
    "all": ((0, True), (1, False), (2, False), (3, False), (1, True), (2, True), (3, True)),
}
BITS = 12
"""Bits by which the hash of a turned copy may differ from the hash that is told from the other one: the frequencies
change their places and signs, but the median that they are compared with is not zero (of ImageNet photos 99 % lie within 10)."""

BLOCK = 4096


def turned_hashes(words: NDArray[np.uint64], turn: Turn) -> NDArray[np.uint64]:
    """What the DCT hashes (n,) of `perceptual-hash` become when the pictures are turned."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8), axis=1).reshape(-1, 8, 8)
    odd = np.arange(8) % 2 == 1
    if turn[1]:
        bits = bits ^ odd[None, None, :]
    for _ in range(turn[0]):
        bits = bits.transpose(0, 2, 1) ^ odd[None, :, None]
    return np.packbits(bits.reshape(-1, 64).astype(np.uint8), axis=1).view(np.uint64).ravel()


def join(
    owner: NDArray[np.int64],
    words: NDArray[np.uint64],
    rank: NDArray[np.int64],
    looker: Looker,
    turns: tuple[Turn, ...],
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """New representatives (n,) and by which of `turns` (n,) each row was joined, -1 for none.

    owner (n,): the representatives so far; words (n,) their hashes; rank (n,): order of preference. A representative that
    is a turned copy of a preferred one joins it with those of its group that are one too. Pairs that cannot be looked at
    are never joined. Cost: a search of the hashes for each turn, and a look at each pair found.
    """
    owner, how = owner.copy(), np.full(len(owner), -1, np.int8)
    for number, turn in enumerate(turns):
        heads = np.flatnonzero(owner == np.arange(len(owner)))
        heads = heads[np.argsort(rank[heads], kind="stable")]
        m = len(heads)
        both = np.concatenate([words[heads], turned_hashes(words[heads], turn)])
        relation = Relation(bit_vectors(both), 1 - (BITS + 0.5) / 32)
        standing = representatives(relation, 0)
        standing.add(np.arange(m))
        with workers() as each:
            for start in range(0, m, BLOCK):
                pairs = standing.near(m + np.arange(start, min(m, start + BLOCK)), each)
                left, right = pairs.left + start, pairs.right
                later = np.flatnonzero(right < left)
                later = later[np.lexsort((-pairs.similarity[later], left[later]))]
                hits = later[looker.look(heads[right[later]], heads[left[later]], each, turn) == COPY]
                for row, head in zip(heads[left[hits]].tolist(), heads[right[hits]].tolist(), strict=True):
                    if owner[row] != row or owner[head] != head:
                        continue
                    group = np.flatnonzero(owner == row)
                    same = looker.look(np.full(len(group), head), group, each, turn) == COPY
                    owner[group] = np.where(same, head, group)
                    how[group[same]] = number
    return owner, how
