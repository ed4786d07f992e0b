"""Density-based pruning: a budget of rows, spent on concepts by their complexity."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection
from veduta.select.clusters import Clusters, small_clusters, spherical_kmeans
from veduta.select.columns import keys, place, preferred, ranks, sentence, unit_vectors, written
from veduta.select.density import Concepts, kept_rows, share_out
from veduta.select.sample import draw
from veduta.select.semantic_deduplicate import ROWS_PER_CLUSTER
from veduta.select.semdedup import closest_before


class DensityPrune(Selector):
    """Keep a budget of rows: many of broad, isolated concepts, few of tight, crowded ones.

    Abbas et al., "Effective pruning of web-scale datasets based on complexity of concept clusters", ICLR 2024
    (arXiv 2401.04578): semantic de-duplication (SemDeDup), spherical k-means, complexity = spread inside a cluster
    times distance to its nearest clusters, shares by softmax(complexity / tau), projected on what the clusters hold,
    and in each cluster the rows farthest from the centroid.

    Differences from the released code: `keep` is the fraction that stays; the quadratic program is solved in closed
    form; shares are rounded by largest remainder, so the budget is met exactly. `share="uniform"` is the baseline of
    the paper (self-supervised prototypes, arXiv 2206.14486): the same fraction of each cluster. Rows without a vector
    are left out.

    Adds `density_cluster` (int32; null for semantic duplicates) and `density_distance` (float32, 1 - cosine to the
    centroid). The table `concepts` holds size, spread, isolation, complexity, share and target of each cluster.
    Cost: two k-means; memory: the vectors twice.
    """

    embedding: str = Field("embedding", description="column of vectors")
    keep: float = Field(gt=0, le=1, description="fraction of the rows with a vector that stays")
    clusters: int = Field(100, ge=2, description="number of concepts")
    neighbours: int = Field(20, ge=1, description="nearest other concepts that measure isolation")
    tau: float | Literal["auto"] = Field(
        0.1, description="temperature of the shares, or auto: spread of the complexities"
    )
    dedup_eps: float | None = Field(
        0.05, ge=0, le=2, description="first drop semantic duplicates above cosine 1 - this; none: do not"
    )
    share: Literal["density", "uniform"] = Field("density", description="by complexity, or the same fraction of each")
    which: Literal["hard", "easy", "random"] = Field("hard", description="which rows of a concept stay")
    floor: float = Field(0.0, ge=0, le=1, description="share of an even split that each concept gets at least")
    seed: int = Field(0, ge=0, description="seed of clustering and random choice")

    def reads(self) -> list[str]:
        return [self.embedding]

    def check(self, pool: Pool) -> None:
        super().check(pool)
        if self.tau != "auto" and not self.tau > 0:
            raise BadInput(f"tau of density-prune must be above 0 or 'auto', got {self.tau}")
        if self.clusters <= self.neighbours:
            raise BadInput(
                f"clusters of density-prune must be more than neighbours ({self.neighbours}), got {self.clusters}; "
                "raise clusters or lower neighbours"
            )

    def select(self, pool: Pool) -> Selection:
        vectors, rows, remarks = unit_vectors(pool, self.embedding, self.operation())
        n, names = len(pool), keys(pool)
        rank = ranks(preferred(pool))
        budget = max(1, round(self.keep * len(rows)))
        reasons = np.full(n, f"no vector in {self.embedding}", dtype=object)

        unique = np.ones(len(rows), dtype=bool)
        if self.dedup_eps is not None:
            coarse = small_clusters(vectors, max(1, len(rows) // ROWS_PER_CLUSTER), seed=self.seed)
            closest, by = closest_before(vectors, coarse, rank[rows])
            unique = closest <= 1 - self.dedup_eps
            gone = ~unique
            reasons[rows[gone]] = sentence(
                "shows the same as ", names.take(pa.array(rows[by[gone]])), " (cosine ", written(closest[gone]), ")"
            ).to_pylist()
        rows, vectors = rows[unique], vectors[unique]
        self._affordable(budget, len(rows), len(unique))
        if self.clusters * 10 > len(rows):
            remarks.append(
                f"{self.clusters} clusters for {len(rows)} rows: fewer than 10 rows a concept, figures are rough"
            )

        found = spherical_kmeans(vectors, self.clusters, seed=self.seed)
        concepts = share_out(
            found, budget, neighbours=self.neighbours, tau=self.tau, floor=self.floor, uniform=self.share == "uniform"
        )
        order = rank[rows]
        if self.which == "random":
            order = draw(names.take(pa.array(rows)).to_pylist(), self.seed)
        stays = kept_rows(found, concepts.target, self.which, order)
        keep = np.zeros(n, dtype=bool)
        keep[rows[stays]] = True
        reasons[rows[~stays]] = self._words(found, concepts, ~stays)
        reasons[keep] = None

        return Selection.of(
            self.operation(),
            keep,
            pa.array(reasons, pa.string()),
            columns={
                "density_cluster": place(n, rows, pa.array(found.assigned.astype(np.int32))),
                "density_distance": place(n, rows, pa.array(found.distance)),
            },
            summary=self._summary(concepts, len(unique), int((~unique).sum()), budget, n, remarks),
            artifacts={"concepts": _table(found, concepts, names.take(pa.array(rows)), stays)},
        )

    def _affordable(self, budget: int, survivors: int, rows: int) -> None:
        if budget > survivors:
            raise BadInput(
                f"keep of density-prune asks for {budget} of {rows} rows, but only {survivors} are left after semantic "
                f"de-duplication; lower keep to at most {np.floor(1000 * survivors / rows) / 1000:g}, or lower dedup_eps"
            )
        if self.clusters > survivors:
            raise BadInput(
                f"clusters of density-prune must be at most the {survivors} rows there are to cluster, got {self.clusters}"
            )

    def _words(self, found: Clusters, concepts: Concepts, left: NDArray[np.bool_]) -> list[str]:
        own = found.assigned[left]
        why = {"hard": "nearer to the centre", "easy": "farther from the centre", "random": "not drawn"}[self.which]
        return sentence(
            "concept ", written(own, "%d"), " keeps ", written(concepts.target[own], "%d"), " of ",
            written(concepts.size[own], "%d"), f" rows, this one is {why} (distance ", written(found.distance[left]), ")",
        ).to_pylist()  # fmt: skip

    def _summary(
        self, concepts: Concepts, compared: int, duplicates: int, budget: int, rows: int, remarks: list[str]
    ) -> dict[str, Any]:
        p = concepts.share[concepts.share > 0]
        return {
            "kept": budget,
            "compared": compared,
            "without_vector": rows - compared,
            "semantic_duplicates": duplicates,
            "tau": round(concepts.tau, 6),
            "entropy": round(float(-(p * np.log(p)).sum() / np.log(len(concepts.share))), 4),
            "at_bound": round(float(concepts.at_bound.mean()), 4),
            "remarks": remarks,
        }


def _table(found: Clusters, concepts: Concepts, names: pa.Array, stays: NDArray[np.bool_]) -> pa.Table:
    middle = np.lexsort((found.distance, found.assigned))
    starts = np.cumsum(concepts.size) - concepts.size
    return pa.table(
        {
            "concept": np.arange(len(concepts.size)),
            "example": names.take(pa.array(middle[starts])),
            "size": concepts.size,
            "d_intra": concepts.d_intra,
            "d_inter": concepts.d_inter,
            "complexity": concepts.complexity,
            "share": concepts.share,
            "target": concepts.target,
            "kept": np.bincount(found.assigned[stays], minlength=len(concepts.size)),
        }
    )
