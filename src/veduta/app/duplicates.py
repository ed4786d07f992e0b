"""Groups of duplicates from what `deduplicate` stored, and pairs on both sides of a threshold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from veduta.errors import BadInput
from veduta.pool import Pool

COLUMN = "duplicate_of"
SIMILARITY = "duplicate_similarity"
PAIRS = 8
LOOKED = 4096
"""Images whose nearest others are looked at for pairs below the stored ones."""


@dataclass
class Group:
    """representative: the row that is kept; members: (row, similarity to it), the most alike first."""

    representative: int
    members: list[tuple[int, float | None]] = field(default_factory=list)


def groups(pool: Pool) -> list[Group]:
    """All groups, the largest first. Cost: reads three columns of the duplicates and the keys of their representatives."""
    found: dict[str, Group] = {}
    rows = pool.rows(f"{COLUMN} is not null")
    names = [name for name in (COLUMN, SIMILARITY) if name in pool.schema.names]
    table = pool.take(rows, names).to_pydict()
    similarities = table.get(SIMILARITY) or [None] * len(rows)
    for row, key, similarity in zip(rows.tolist(), table[COLUMN], similarities, strict=True):
        found.setdefault(key, Group(-1)).members.append((row, similarity))
    if found:
        keys = pool.table(["key"]).column(0).to_pylist()
        for row, key in enumerate(keys):
            if key in found:
                found[key].representative = row
    whole = [group for group in found.values() if group.representative >= 0]
    for group in whole:
        group.members.sort(key=lambda member: -(member[1] or 0))
    return sorted(whole, key=lambda group: (-len(group.members), group.representative))


@dataclass
class Around:
    """Pairs (row, representative or nearest, similarity) next to a threshold; rows: all that occur."""

    left_out: int
    groups: int
    above: list[tuple[int, int, float]]
    below: list[tuple[int, int, float]]

    @property
    def rows(self) -> list[int]:
        return sorted({row for pair in [*self.above, *self.below] for row in pair[:2]})


def around(pool: Pool, threshold: float, embedding: str) -> Around:
    """What lies next to a threshold on both sides. Cost: the vectors, and up to 4,096 x rows products in blocks."""
    vectors, rows = pool.vectors(embedding, where="error is null")
    if len(rows) < 2:
        raise BadInput("there are fewer than two images with a vector, so there are no pairs to show")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(norms, 1e-12)
    step = max(1, len(rows) // LOOKED)
    best: list[tuple[int, int, float]] = []
    for start in range(0, len(rows), 256 * step):
        block = np.arange(start, min(start + 256 * step, len(rows)), step)
        scores = unit[block] @ unit.T
        scores[np.arange(len(block)), block] = -2
        nearest = scores.argmax(axis=1)
        values = scores[np.arange(len(block)), nearest]
        best += [
            (int(rows[a]), int(rows[b]), float(v)) for a, b, v in zip(block, nearest, values, strict=True) if v > -2
        ]
    pairs = {(min(a, b), max(a, b)): v for a, b, v in best}
    ordered = sorted(((*pair, value) for pair, value in pairs.items()), key=lambda pair: pair[2])
    above = [pair for pair in ordered if pair[2] >= threshold]
    below = [pair for pair in ordered if pair[2] < threshold]
    joined = _joined(above)
    return Around(sum(map(len, joined)) - len(joined), len(joined), above[:PAIRS], below[::-1][:PAIRS])


def _joined(pairs: list[tuple[int, int, float]]) -> list[set[int]]:
    """Groups of rows that pairs connect."""
    of: dict[int, set[int]] = {}
    for a, b, _ in pairs:
        together = of.get(a, {a}) | of.get(b, {b})
        for row in together:
            of[row] = together
    return list({id(group): group for group in of.values()}.values())
