"""Copies that are proven: vectors and hashes say which pairs to look at, the pixels of the two decide."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veduta.engine.decode import decode
from veduta.engine.threads import Each, workers
from veduta.errors import Undecodable
from veduta.pool import View
from veduta.select.cover import Cover
from veduta.select.pixels import SIDE, Small, same, small, turned
from veduta.select.relation import Relation

AT_ONCE = 64
"""Pairs whose files are read at once."""

HELD = 512
"""Small pictures that are kept: 115 KiB each."""

GIVE_UP = 64
"""Files that are away one after the other, after which no more are asked for: each may cost a time-out."""

CHUNK = 256
TRIES = 8
"""Other representatives that a row is compared with after the most similar one turned out to be another picture."""

AS_IT_IS = (0, False)
COPY, OTHER, UNSEEN = 1, 0, -1


class Looker:
    """Looks at pairs of rows. rows: (m,) pool positions that the numbers given to `look` stand for."""

    def __init__(self, pool: View, rows: NDArray[np.int64]) -> None:
        self._pool, self._rows = pool, rows
        digests = pool.table(["digest"]).column(0).combine_chunks().dictionary_encode().indices
        self._digests = digests.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)[rows]
        self._shown = _parts(pool)
        self._held: OrderedDict[int, Small | None] = OrderedDict()
        self._away = 0

    def look(
        self,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        each: Each,
        turn: tuple[int, bool] = AS_IT_IS,
    ) -> NDArray[np.int8]:
        """(k,) COPY, OTHER or UNSEEN (a file is away) for each pair; equal bytes are not read. turn: what is done to the
        right one first, see `pixels.turned`. Cost: two reduced decodes and up to 5 ms a pair, memory for 512 small pictures.
        """
        out = np.full(len(left), UNSEEN, np.int8)
        if turn == AS_IT_IS:
            out[(self._digests[left] == self._digests[right]) & (self._digests[left] >= 0)] = COPY
        if self._shown is not None:
            (group, role), one, other = self._shown, self._rows[left], self._rows[right]
            out[(group[one] == group[other]) & (group[one] >= 0) & (role[one] != role[other])] = OTHER
        open_ = np.flatnonzero(out == UNSEEN)
        open_ = open_[np.argsort(right[open_], kind="stable")]
        for at in range(0, len(open_), AT_ONCE):
            some = open_[at : at + AT_ONCE]
            self._hold(np.unique(np.concatenate([left[some], right[some]])), each)
            pairs = [(self._held[int(left[i])], self._held[int(right[i])]) for i in some]
            out[some] = each(lambda pair: _verdict(pair[0], pair[1], turn), pairs)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return out

    def _hold(self, wanted: NDArray[np.int64], each: Each) -> None:
        for row in wanted.tolist():
            if row in self._held:
                self._held.move_to_end(row)
        missing = [row for row in wanted.tolist() if row not in self._held]
        if not missing:
            return
        data: Sequence[bytes | None] = [None] * len(missing)
        if self._away < GIVE_UP:
            data = self._pool.read_images(self._rows[missing])
        for row, found, picture in zip(missing, data, each(_small, data), strict=True):
            self._away = 0 if found else self._away + 1
            self._held[row] = picture


def _parts(pool: View) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Numbers (n,) of the group and of the role of each row, where ingest found rows that belong together (a picture in two
    sizes, an image and its mask): each has a part of its own there, so none is a copy of another."""
    if not {"group", "role"} <= set(pool.schema.names):
        return None
    table = pool.table(["group", "role"])
    codes = [table[name].combine_chunks().dictionary_encode() for name in ("group", "role")]
    group, role = (each.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) for each in codes)
    return np.where(role >= 0, group, -1), role


def _small(data: bytes | None) -> Small | None:
    if not data:
        return None
    try:
        return small(decode(data, side=SIDE).pixels)
    except Undecodable:
        return None


def _verdict(one: Small | None, other: Small | None, turn: tuple[int, bool]) -> int:
    if one is None or other is None:
        return UNSEEN
    return COPY if same(one, other if turn == AS_IT_IS else turned(other, *turn)) else OTHER


@dataclass(frozen=True)
class Settled:
    """The groups that are left, how many pairs the pixels parted, and how many could not be looked at."""

    cover: Cover
    parted: int
    unseen: int


def settle(relation: Relation, found: Cover, rank: NDArray[np.int64], looker: Looker, least: float) -> Settled:
    """Look at every row and its representative; one that is another picture is compared with the representatives that
    come next, and stands for itself where none of at most `TRIES` is a copy.

    rank: (n,) order of preference. least: similarity from which on a pair counts whose files cannot be looked at.
    A row that becomes a representative and is preferred to a copy of it takes over the group of that copy; members that
    are not copies of the new representative stand for themselves. Cost: one look a duplicate, and up to 9 for a row that
    was parted, whatever the size of the groups.
    """
    n = len(relation)
    owner, similarity = found.representative.copy(), found.similarity.copy()
    parted = unseen = 0

    with workers() as each:

        def copies(left: NDArray[np.int64], right: NDArray[np.int64], alike: NDArray[np.float32]) -> NDArray[np.bool_]:
            nonlocal parted, unseen
            verdict = looker.look(left, right, each)
            parted, unseen = parted + int((verdict == OTHER).sum()), unseen + int((verdict == UNSEEN).sum())
            return (verdict == COPY) | ((verdict == UNSEEN) & (alike >= least))

        members = np.flatnonzero(owner != np.arange(n))
        failed = members[~copies(members, owner[members], similarity[members])]
        failed = failed[np.argsort(rank[failed], kind="stable")]
        first = owner.copy()
        owner[failed], similarity[failed] = failed, 1
        for start in range(0, len(failed), CHUNK):
            some = failed[start : start + CHUNK]
            pairs = found.standing.near(some, each)
            among = relation.pairs(some, some)
            near: list[list[tuple[float, int]]] = [[] for _ in some]
            for left, right, alike in zip(
                pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True
            ):
                if right != first[some[left]]:
                    near[left].append((alike, right))
            for left, right, alike in zip(
                among.left.tolist(), some[among.right].tolist(), among.similarity.tolist(), strict=True
            ):
                if rank[right] < rank[some[left]]:
                    near[left].append((alike, right))
            fresh = []
            for row, candidates in zip(some.tolist(), near, strict=True):
                candidates = [pair for pair in sorted(candidates, reverse=True) if owner[pair[1]] == pair[1]][:TRIES]
                right = np.array([right for _, right in candidates], np.int64)
                alike = np.array([alike for alike, _ in candidates], np.float32)
                hits = np.flatnonzero(copies(np.full(len(right), row), right, alike))
                earlier = [i for i in hits if rank[right[i]] < rank[row]]
                if earlier:
                    owner[row], similarity[row] = right[earlier[0]], alike[earlier[0]]
                    continue
                fresh.append(row)
                for head in right[hits].tolist():
                    group = np.flatnonzero(owner == head)
                    alikes = relation.similarity(group, np.full(len(group), row))
                    good = (alikes >= relation.threshold) & copies(group, np.full(len(group), row), alikes)
                    owner[group] = np.where(good, row, group)
                    similarity[group] = np.where(good, alikes, 1)
            found.standing.add(np.array(fresh, np.int64))
    return Settled(replace(found, representative=owner, similarity=similarity), parted, unseen)
