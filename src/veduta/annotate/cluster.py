"""Groups of similar images, with names."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.cluster_names import caption_words, label_names, near_words, unique_names
from veduta.annotate.vectors import Vectors, column_vectors, normalised, read_vectors, sound
from veduta.engine.operation import Field, TableAnnotator
from veduta.engine.threads import one_thread
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.schema import OPERATION, PARAMETERS

# Groups of images live in few directions; more would only cost time.
DIMENSIONS = 64

# Few vectors can fall into a poor start, and cost little to start from again; the best of three is kept.
_REDONE_ROWS = 5_000

_CAPTIONS_READ = 200


def cluster_count(rows: int) -> int:
    """Half the root of the rows, between 2 and 64, and no more than there are rows."""
    return max(1, min(rows, max(2, min(64, round(rows**0.5 / 2)))))


def spherical_kmeans(
    values: NDArray[np.float32], count: int, seed: int, rounds: int = 15
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Numbers (m,) and unit centroids (k, d) of (m, d) vectors, k <= count, by cosine (Dhillon and Modha 2001).

    Clusters are numbered from the largest; of equal ones that with the earlier row comes first. Empty ones are left out.
    Trained on at most 1,024 vectors a cluster.
    """
    import faiss

    kmeans = faiss.Kmeans(
        values.shape[1], count, niter=rounds, nredo=3 if len(values) <= _REDONE_ROWS else 1, seed=seed, spherical=True,
        min_points_per_centroid=1, max_points_per_centroid=1024,
    )  # fmt: skip
    with one_thread() if len(values) <= _REDONE_ROWS else nullcontext():
        kmeans.train(values)
    nearest = kmeans.index.search(values, 1)[1][:, 0]
    kept, first, assigned, sizes = np.unique(nearest, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[assigned], np.asarray(kmeans.centroids, np.float32).reshape(count, -1)[kept[order]]


class Cluster(TableAnnotator):
    """Group similar images and give every group a name.

    Adds `cluster`: int32 from 0, the largest first; `cluster_distance`: float32, 1 - cosine to the group's centre, small
    = typical; `cluster_name`: string, unique: the label that at least `purity` of the group have, else the nearest
    words in the encoder's text space, else the commonest words of the captions.
    Spherical k-means, seeded. Rows without an embedding get null.
    On the 64 leading directions of the embedding. Memory: 290 bytes a row; three passes.
    """

    count: int | Literal["auto"] = Field(
        "auto", description="how many groups; auto is half the root of the rows, 2 to 64"
    )
    embedding: str = Field("embedding", description="embedding column")
    purity: float = Field(0.5, gt=0, le=1, description="share of a group that must have a label for it to be the name")
    seed: int = Field(0, ge=0, description="seed of the k-means start")

    def reads(self) -> list[str]:
        return [self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("cluster", pa.int32()),
                pa.field("cluster_distance", pa.float32()),
                pa.field("cluster_name", pa.string()),
            ]
        )

    def check(self, pool: View) -> None:
        super().check(pool)
        if self.count != "auto" and self.count < 1:
            raise BadInput(f"count of cluster must be at least 1 or 'auto', got {self.count}")

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        vectors = read_vectors(pool, self.embedding, needed_by="cluster", dimensions=DIMENSIONS, whole=DIMENSIONS)
        if not len(vectors):
            return self.adds().insert(0, pa.field("_row", pa.int64())).empty_table()
        count = cluster_count(len(vectors)) if self.count == "auto" else min(self.count, len(vectors))
        assigned, centres = spherical_kmeans(vectors.values, count, self.seed)
        cosines = np.einsum("nd,nd->n", vectors.values, centres[assigned])
        names = self._names(pool, vectors, assigned, len(centres))
        return pa.table(
            {
                "_row": pa.array(vectors.rows),
                "cluster": pa.array(assigned, pa.int32()),
                "cluster_distance": pa.array(np.clip(1 - cosines, 0, 2), pa.float32()),
                "cluster_name": pa.array([names[i] for i in assigned], pa.string()),
            }
        )

    def _names(self, pool: View, vectors: Vectors, assigned: NDArray[np.int32], count: int) -> list[str]:
        """One unique name for each of the `count` groups."""
        groups = np.full(int(vectors.rows[-1]) + 1, -1, np.int64)
        groups[vectors.rows] = assigned
        labels: list[list[str]] = [[] for _ in range(count)]
        if pool.has("label"):
            labels = label_names(_members(pool, "label", groups, count), self.purity)
        words = _near_words(pool, self.embedding, groups, count)
        if not words and not all(labels) and pool.has("captions"):
            lists = _members(pool, "captions", groups, count)
            words = caption_words([[text for texts in each[:_CAPTIONS_READ] for text in texts or ()] for each in lists])
        # A label comes alone first; where two groups share it, the words near them tell them apart.
        words = words or [[] for _ in range(count)]
        return unique_names([label[:1] + near if label else near for label, near in zip(labels, words, strict=True)])


def _members(pool: View, column: str, groups: NDArray[np.int64], count: int) -> list[list[Any]]:
    """For each group the values of a column."""
    members: list[list[Any]] = [[] for _ in range(count)]
    for row, value in zip(pool.rows().tolist(), pool.table([column]).column(0).to_pylist(), strict=True):
        if row < len(groups) and groups[row] >= 0:
            members[groups[row]].append(value)
    return members


def _near_words(pool: View, embedding: str, groups: NDArray[np.int64], count: int) -> list[list[str]]:
    """Words near each group in the text space that belongs to the embedding; nothing if there is none."""
    from veduta.annotate.text_space import text_column
    from veduta.annotate.vocabulary import vocabulary
    from veduta.encode import shared

    metadata = pool.schema.field(embedding).metadata or {}
    uri = json.loads(metadata.get(PARAMETERS, b"{}")).get("encoder")
    if metadata.get(OPERATION) != b"embed" or not uri:
        return []
    model = shared(uri)
    column = text_column(model, embedding)
    if model.text_dim is None or column not in pool.schema.names:
        return []
    sums = np.zeros((count, model.text_dim))
    for rows, vectors, _ in column_vectors(pool, column, needed_by="cluster"):
        use = sound(vectors) & (rows < len(groups))
        use[use] = groups[rows[use]] >= 0
        np.add.at(sums, groups[rows[use]], normalised(vectors[use]))
    names, words, bonus = vocabulary(uri)
    return near_words(sums.astype(np.float32), words, names, bonus)
