"""Figures of duplicate groups, so that a reader can trust them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.select.cover import Cover
from veduta.select.relation import Relation

MOST = 2048
"""Members that are compared pair by pair in one group."""


def group_table(relation: Relation, found: Cover, names: pa.Array) -> pa.Table:
    """One row a group of two or more, largest first: representative (key), size, lowest_to_representative, lowest_pair.

    lowest_pair is the lowest similarity of any two members. Of a group above 2,048 rows only the 2,048 least similar
    to the representative are compared. Cost: the squares of the group sizes; pairs need nothing.
    """
    n = len(relation)
    sizes = np.bincount(found.representative, minlength=n)
    heads = np.flatnonzero(sizes > 1)
    heads = heads[np.argsort(-sizes[heads], kind="stable")]
    order = np.argsort(found.representative, kind="stable")
    starts = np.cumsum(sizes) - sizes
    nearest = np.ones(n, dtype=np.float32)
    np.minimum.at(nearest, found.representative, found.similarity)
    lowest = nearest[heads].astype(np.float64)
    for at in np.flatnonzero(sizes[heads] > 2):
        members = order[starts[heads[at]] : starts[heads[at]] + sizes[heads[at]]]
        lowest[at] = min(lowest[at], lowest_pair(relation, members, found.similarity[members]))
    return pa.table(
        {
            "representative": names.take(pa.array(heads)),
            "size": sizes[heads],
            "lowest_to_representative": nearest[heads],
            "lowest_pair": lowest.astype(np.float32),
        }
    )


def lowest_pair(relation: Relation, members: NDArray[np.int64], similarity: NDArray[np.float32]) -> float:
    """The lowest similarity of any two of `members` (m,); similarity (m,) is that to their representative."""
    if len(members) > MOST:
        members = members[np.argsort(similarity, kind="stable")[:MOST]]
    vectors = relation.vectors[members]
    return float((vectors @ vectors.T).min())
