"""Groups of duplicates from what `deduplicate` stored, and pairs on both sides of a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool import Pool, withdrawn

COLUMN = "duplicate_of"
SIMILARITY = "duplicate_similarity"
LABELS, SPLITS = "duplicate_labels", "duplicate_splits"
PAIRS = 8
LOOKED, WORK = 4096, 10**11
"""Images whose nearest others are looked for, at most, and multiplications that this may take."""


@dataclass
class Group:
    """representative: the row that is kept; members: (row, similarity to it), the most alike first.
    labels, splits: what the group has several of ("cat / dog"), else None.
    """

    representative: int
    members: list[tuple[int, float | None]] = field(default_factory=list)
    labels: str | None = None
    splits: str | None = None


def groups(pool: Pool) -> list[Group]:
    """All groups, the largest first; files that are gone are in none. Cost: reads three columns of the duplicates and the keys of their representatives."""
    found: dict[str, Group] = {}
    gone = set(withdrawn.gone(pool).tolist())
    rows = np.setdiff1d(pool.rows(f"{COLUMN} is not null"), list(gone)).astype(np.int64)
    names = [name for name in (COLUMN, SIMILARITY, LABELS, SPLITS) if name in pool.schema.names]
    table = pool.take(rows, names).to_pydict()
    similarities, labels, splits = (table.get(name) or [None] * len(rows) for name in (SIMILARITY, LABELS, SPLITS))
    for i, (row, key) in enumerate(zip(rows.tolist(), table[COLUMN], strict=True)):
        group = found.setdefault(key, Group(-1, labels=labels[i], splits=splits[i]))
        group.members.append((row, similarities[i]))
    if found:
        keys = pool.table(["key"]).column(0).to_pylist()
        for row, key in enumerate(keys):
            if key in found and row not in gone:
                found[key].representative = row
    whole = [group for group in found.values() if group.representative >= 0]
    for group in whole:
        group.members.sort(key=lambda member: -(member[1] or 0))
    return sorted(whole, key=lambda group: (-len(group.members), group.representative))


@dataclass
class Pairs:
    """The most alike pairs of a pool. rows: (m, 2) int64; values: (m,) float32 cosines, ascending; whole: every image was
    looked at, else only some of a large pool.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float32]
    whole: bool

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + self.values.nbytes


def pairs(pool: Pool, embedding: str) -> Pairs:
    """Each image (of a large pool: some, evenly spread) with the one most like it.

    Cost: two passes over the vectors and at most about 1e11 multiplications; memory: 4,096 vectors and one batch.
    """
    given = f"{withdrawn.sound(pool)} and {embedding} is not null"
    rows = pool.rows(given)
    if len(rows) < 2:
        raise BadInput("there are fewer than two images with a vector, so there are no pairs to show")
    width = pool.schema.field(embedding).type.list_size
    looked = int(min(len(rows), max(64, min(LOOKED, WORK // (len(rows) * width)))))
    places = np.unique(np.linspace(0, len(rows) - 1, looked).astype(np.int64))
    own = np.concatenate(
        [part[places[(places >= at) & (places < at + len(part))] - at] for at, part in _unit(pool, embedding, given)]
    )
    best, nearest = np.full(len(places), -2, np.float32), np.zeros(len(places), np.int64)
    for at, part in _unit(pool, embedding, given):
        scores = own @ part.T
        inside = np.flatnonzero((places >= at) & (places < at + len(part)))
        scores[inside, places[inside] - at] = -2
        found = scores.argmax(axis=1)
        values = scores[np.arange(len(places)), found]
        better = values > best
        best[better], nearest[better] = values[better], found[better] + at
    ends = np.sort(np.stack([rows[places], rows[nearest]], axis=1), axis=1)
    ends, first = np.unique(ends, axis=0, return_index=True)
    order = np.argsort(best[first], kind="stable")
    return Pairs(ends[order], best[first][order], len(places) == len(rows))


def _unit(pool: Pool, embedding: str, given: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Unit vectors in pieces, each with the number of those before it."""
    at = 0
    for batch in pool.batches([embedding], where=given, batch_size=2048):
        flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
        part = np.nan_to_num(np.asarray(flat, np.float32).reshape(len(batch), -1))
        yield at, part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        at += len(part)


@dataclass
class Around:
    """Pairs (row, row, cosine) next to a threshold, the nearest to it first. left_out, groups: what it would make of the
    pairs; images are joined through each other, so that it is at least as much as `deduplicate` leaves out.
    """

    left_out: int
    groups: int
    above: list[tuple[int, int, float]]
    below: list[tuple[int, int, float]]

    @property
    def rows(self) -> list[int]:
        return sorted({row for pair in [*self.above, *self.below] for row in pair[:2]})


def around(found: Pairs, threshold: float) -> Around:
    """What lies next to a threshold on both sides."""
    at = int(np.searchsorted(found.values, threshold))

    def told(part: slice) -> list[tuple[int, int, float]]:
        chosen = zip(found.rows[part].tolist(), found.values[part].tolist(), strict=True)
        return [(a, b, value) for (a, b), value in chosen]

    joined = _joined(found.rows[at:])
    return Around(
        sum(map(len, joined)) - len(joined),
        len(joined),
        told(slice(at, at + PAIRS)),
        told(slice(max(0, at - PAIRS), at))[::-1],
    )


def _joined(pairs: NDArray[np.int64]) -> list[set[int]]:
    """Groups of rows that pairs connect."""
    of: dict[int, set[int]] = {}
    for a, b in pairs.tolist():
        one, two = of.setdefault(a, {a}), of.setdefault(b, {b})
        if one is two:
            continue
        small, large = sorted((one, two), key=len)
        large |= small
        for row in small:
            of[row] = large
    return list({id(group): group for group in of.values()}.values())
