"""Byte-identical files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Selector
from veduta.pool import Pool, Selection, withdrawn
from veduta.select.columns import keys, numbers, place, preferred, ranks, sentence
from veduta.select.contradictions import differences, texts, weights


class ExactDuplicates(Selector):
    """Keep one of every set of byte-identical files.

    Two rows are the same when their `digest` (SHA-256 of the bytes) is. The kept one is the first in this order: no
    error, of a test split, of a validation split, larger, smaller key. The reason names labels and splits that differ. Rows that are withdrawn
    or no longer in their source belong to no set. Adds `exact_group` (int64, null for single rows): groups counted in the order of the
    keys they keep. Cost: one sort of the pool, memory for keys and digests.
    """

    def reads(self) -> list[str]:
        return ["digest", "error", "width", "height"]

    def select(self, pool: Pool) -> Selection:
        table = pool.table(["digest", "error"])
        broken = np.asarray(table["error"].is_valid(), dtype=np.float64)
        area = numbers(pool, "width") * numbers(pool, "height")
        labels, splits = texts(pool, "label"), texts(pool, "split")
        given = ("ascending", weights(splits))
        order = preferred(pool, [("ascending", broken), given, ("descending", area)])
        digests = table["digest"].combine_chunks().dictionary_encode().indices
        codes = digests.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        n = len(codes)
        lost = np.concatenate([withdrawn.rows(pool), withdrawn.gone(pool)])
        codes[lost] = -1
        codes = np.where(codes < 0, n + np.arange(n), codes)
        _, first, group, sizes = np.unique(codes[order], return_index=True, return_inverse=True, return_counts=True)
        stands = np.empty(n, dtype=np.int64)
        stands[order] = order[first[group]]
        size = np.empty(n, dtype=np.int64)
        size[order] = sizes[group]

        keep = stands == np.arange(n)
        out = np.flatnonzero(~keep)
        names = keys(pool)
        also = [f" ({words})" if words else "" for words in differences(out, stands[out], labels, splits)]
        told = sentence("same bytes as ", names.take(pa.array(stands[out])), pa.array(also, pa.string()))
        reasons = place(n, out, told)
        heads = np.flatnonzero(keep & (size > 1))
        heads = heads[np.argsort(ranks(preferred(pool))[heads])]
        number = np.full(n, -1, dtype=np.int64)
        number[heads] = np.arange(len(heads))
        groups = number[stands]
        return Selection.of(
            self.operation(),
            keep,
            reasons,
            columns={"exact_group": pa.array(groups, mask=groups < 0)},
            summary={
                "groups": len(heads),
                "duplicates": len(out),
                "largest_group": int(size.max(initial=0)),
            },
        )
