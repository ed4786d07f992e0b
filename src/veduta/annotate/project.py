"""A map of the pool: two coordinates an image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.vectors import leading_directions, read_vectors
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import MissingPackage
from veduta.pool import View

_TSNE_DIMENSIONS, _PLACED_BY = 50, 5


def principal_components(values: NDArray[np.float32], count: int, seed: int = 0) -> NDArray[np.float32]:
    """(m, count) float32: centred (m, d) vectors along their leading directions, zero where there are too few."""
    centred = values - values.mean(axis=0)
    directions = leading_directions(centred, count, seed)
    result = np.zeros((len(values), count), np.float32)
    result[:, : len(directions)] = centred @ directions.T
    return result


def tsne(values: NDArray[np.float32], sample: int, seed: int) -> NDArray[np.float32]:
    """(m, 2) float32: t-SNE (van der Maaten and Hinton 2008) of at most `sample` vectors evenly spread, from a PCA start.

    The others are put at the mean place of their five nearest vectors of the sample.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingPackage("scikit-learn", needed_by="project-2d --method tsne") from None
    import faiss

    reduced = np.ascontiguousarray(principal_components(values, min(_TSNE_DIMENSIONS, values.shape[1]), seed))
    chosen = np.arange(0, len(values), -(-len(values) // sample))
    perplexity = min(30.0, max(1.0, (len(chosen) - 1) / 3))
    place = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced[chosen])
    if len(chosen) == len(values):
        return place.astype(np.float32)
    index = faiss.IndexFlatL2(reduced.shape[1])
    index.add(np.ascontiguousarray(reduced[chosen]))
    nearest = index.search(reduced, min(_PLACED_BY, len(chosen)))[1]
    result = place[nearest].mean(axis=1).astype(np.float32)
    result[chosen] = place
    return result


def fitted(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, 2) places centred and scaled alike in both directions, so that the farthest coordinate is 1."""
    if not len(places):
        return places
    centred = places - places.mean(axis=0)
    return centred / max(float(np.abs(centred).max()), 1e-12)


class Project2D(TableAnnotator):
    """Lay the images out on a plane, so that similar ones are near each other.

    Adds `x`, `y`: float32 in [-1, 1]. `pca` keeps the two directions of largest variance and takes milliseconds; `tsne`
    shows groups better and takes about a minute for 5,000 images, the others are placed among these.
    Rows without an embedding get null. Memory: at most 700 bytes a row above 2,000 rows.
    """

    method: Literal["pca", "tsne"] = Field("pca", description="pca (fast, global shape) or tsne (slow, local groups)")
    embedding: str = Field("embedding", description="embedding column")
    sample: int = Field(5_000, ge=10, description="images that tsne lays out; the others are placed among them")
    seed: int = Field(0, ge=0, description="seed of the random starts")

    @classmethod
    def operation(cls) -> str:
        return "project-2d"

    def reads(self) -> list[str]:
        return [self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("x", pa.float32()), pa.field("y", pa.float32())])

    def compute(self, pool: View) -> pa.Table:
        vectors = read_vectors(pool, self.embedding, needed_by="project-2d")
        if len(vectors) < 2:
            places = np.zeros((len(vectors), 2), np.float32)
        elif self.method == "pca" or len(vectors) < 4:
            places = principal_components(vectors.values, 2, self.seed)
        else:
            places = tsne(vectors.values, self.sample, self.seed)
        places = fitted(places)
        return pa.table(
            {
                "_row": pa.array(vectors.rows),
                "x": pa.array(places[:, 0], pa.float32()),
                "y": pa.array(places[:, 1], pa.float32()),
            }
        )
