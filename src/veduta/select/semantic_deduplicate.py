"""Semantic de-duplication by clusters."""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from veduta.engine.operation import Field, Selector
from veduta.pool import Pool, Selection
from veduta.select.clusters import small_clusters
from veduta.select.columns import keys, place, preferred, ranks, sentence, unit_vectors, written
from veduta.select.semdedup import closest_before, epsilon_for

ROWS_PER_CLUSTER = 500


class SemanticDeduplicate(Selector):
    """Thin out images that show the same thing, without comparing all with all.

    SemDeDup (Abbas et al., arXiv 2303.09540): spherical k-means; in each cluster, rows from the farthest to the nearest
    to the centroid; a row is dropped when its cosine to any row before it exceeds 1 - eps. Give `eps`, or `remove`, the
    fraction of rows to drop (the eps for it is found). Rows before it may themselves be dropped, so chains can form;
    where every group must hold together, use deduplicate. Rows without a vector are kept. More than 200 clusters are made in
    two steps (see `small_clusters`), so that the time hardly grows faster than the rows; the paper's are from one.

    Adds `semantic_cluster` (int32), `semantic_distance` (float32, 1 - cosine to the centroid), `semantic_duplicate_of`
    (string, the most similar row before it; null for kept rows). Cost: k-means, then n * 500 comparisons with the
    default number of clusters; memory: the vectors and 4 MiB a thread.
    """

    embedding: str = Field("embedding", description="column of vectors")
    eps: float | None = Field(None, ge=0, le=2, description="drop above cosine 1 - eps (0.05 if remove is not given)")
    remove: float | None = Field(None, ge=0, lt=1, description="fraction of the rows to drop, instead of eps")
    clusters: int | None = Field(None, ge=1, description="number of clusters (default: one for 500 rows)")
    seed: int = Field(0, ge=0, description="seed of the clustering")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.eps is not None and self.remove is not None:
            raise ValueError("give either eps or remove, not both")
        return self

    def reads(self) -> list[str]:
        return [self.embedding]

    def select(self, pool: Pool) -> Selection:
        vectors, rows, remarks = unit_vectors(pool, self.embedding, self.operation())
        n = len(pool)
        rank = ranks(preferred(pool))
        k = min(self.clusters or max(1, len(rows) // ROWS_PER_CLUSTER), len(rows))
        found = small_clusters(vectors, k, seed=self.seed)
        closest, by = closest_before(vectors, found, rank[rows])
        eps = epsilon_for(closest, self.remove) if self.remove is not None else 0.05 if self.eps is None else self.eps
        gone = closest > 1 - eps
        out = rows[gone]
        names = keys(pool)
        kept_for = names.take(pa.array(rows[by[gone]]))
        keep = np.ones(n, dtype=bool)
        keep[out] = False
        reasons = sentence("shows the same as ", kept_for, " (cosine ", written(closest[gone]), ")")
        return Selection.of(
            self.operation(),
            keep,
            place(n, out, reasons),
            columns={
                "semantic_cluster": place(n, rows, pa.array(found.assigned.astype(np.int32))),
                "semantic_distance": place(n, rows, pa.array(found.distance)),
                "semantic_duplicate_of": place(n, out, kept_for),
            },
            summary={
                "compared": len(rows),
                "without_vector": n - len(rows),
                "clusters": len(found.centroids),
                "eps": round(eps, 6),
                "dropped": len(out),
                "remarks": remarks,
            },
        )
