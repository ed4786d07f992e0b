"""Spatial search: images as sets of overlapping patches, so that an object is found wherever it stands.

Legend: n images, P patches of a stored image, Q patches of the query, d dimensions. Sharif Razavian et al. 2014
(arXiv 1403.6382), retrieval section.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode import shared
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput
from veduta.search.exact import best, unit
from veduta.search.space import made_by

if TYPE_CHECKING:
    from veduta.encode import Encoder
    from veduta.pool import View

ROWS = 64
"""Rows read at a time; 64 rows of 30 patches with 1,280 dimensions are 10 MB as float32."""


def count(levels: int) -> int:
    """Patches of all levels 1 to `levels`: the sum of i^2 (1, 5, 14, 30, 55, ...)."""
    return levels * (levels + 1) * (2 * levels + 1) // 6


def grid(height: int, width: int, levels: int) -> NDArray[np.int64]:
    """(count(levels), 4) int64 of (top, left, height, width) in pixels, level 1 first, rows before columns.

    Level i has i x i patches of one size, 2 / (i + 1) of the image's sides, so that neighbours share one half and
    their union is the whole image. (The paper fixes the numbers and the covering; the half is our choice.)
    Images smaller than the patches' steps give equal patches rather than empty ones.
    """
    boxes = []
    for level in range(1, levels + 1):
        h, w = (max(1, -(-2 * side // (level + 1))) for side in (height, width))
        tops = np.rint(np.linspace(0, height - h, level)).astype(int)
        lefts = np.rint(np.linspace(0, width - w, level)).astype(int)
        boxes += [(top, left, h, w) for top in tops for left in lefts]
    return np.array(boxes, np.int64)


def embed(image: NDArray[np.uint8], levels: int, model: Encoder) -> NDArray[np.float32]:
    """One image (h, w, 3) uint8 to its patches' (count(levels), d) float32 unit vectors.

    A patch is squeezed into the encoder's square and not cropped by `prepare`, so that no border is lost.
    """
    from veduta.encode.base import resized

    squares = [
        resized(image[top : top + h, left : left + w], model.side, "bilinear")
        for top, left, h, w in grid(image.shape[0], image.shape[1], levels)
    ]
    return model.image(np.stack(squares))


def distances(query: NDArray[np.float32], references: NDArray[np.float32]) -> NDArray[np.float32]:
    """Query patches (Q, d) to images' patches (n, P, d), unit norm: (n,) float32 in [0, 2].

    The mean over the query's patches of the smallest L2 distance to any patch of the image. Not symmetric: the query
    must be found in the image, not the image in the query.
    """
    n, patches, d = references.shape
    cosines = (references.reshape(n * patches, d) @ query.T).reshape(n, patches, len(query))
    return np.sqrt(np.maximum(0, 2 - 2 * cosines.max(1))).mean(1).astype(np.float32)


class EmbedPatches(Annotator):
    """Turn every image into vectors of overlapping patches, for search that finds parts of images.

    Adds one fixed-size list of float16 a row: count(levels) patches of `dim` values each, level 1 (the whole image)
    first. Cost: count(levels) forward passes a row (30 for 4 levels) and count * dim * 2 bytes (77 kB for offline).
    """

    encoder: str = Field("offline", description="which network: offline, onnx:PATH, timm:NAME, open_clip:ARCH/TAG")
    levels: int = Field(4, ge=1, le=8, description="level i has i x i patches; 4 levels are 30 patches")
    column: str = Field("embedding_patches", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def setup(self) -> None:
        shared(self.encoder)

    @property
    def side(self) -> int | None:
        return shared(self.encoder).side * (self.levels + 1) // 2

    def fingerprint(self) -> str:
        return shared(self.encoder).fingerprint

    def adds(self) -> pa.Schema:
        size = count(self.levels) * shared(self.encoder).dim
        return pa.schema([pa.field(self.column, pa.list_(pa.float16(), size))])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        model = shared(self.encoder)
        made = [embed(image, self.levels, model).reshape(-1).astype(np.float16) for image in batch.images]
        return {self.column: np.stack(made)}


def stored(pool: View, column: str) -> tuple[Encoder, int]:
    """The encoder and the levels of a patch column. Raises MissingColumn, BadInput, SpaceMismatch."""
    from veduta.errors import SpaceMismatch

    pool.require(column, needed_by="patch search", mend="add it with: veduta annotate embed-patches POOL")
    made = made_by(pool, column)
    if made["operation"] != "embed-patches":
        raise BadInput(f"the column '{column}' holds no patches; leave out patches=, or name a column of embed-patches")
    model = shared(made["parameters"]["encoder"])
    if model.fingerprint != made["fingerprint"]:
        raise SpaceMismatch(
            f"the patches in '{column}' were made by another '{model.uri}'; run embed-patches on the pool again"
        )
    return model, made["parameters"]["levels"]


def nearest(
    pool: View, column: str, query: NDArray[np.float32], k: int, where: str | None = None, skip: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows nearest to the query patches (Q, d): (rows, scores), score = 1 - distance / 2 in [0, 1].

    One pass over the column, ROWS rows in memory; ties go to the lower row.
    """
    given = f"{column} is not null" if where is None else f"({where}) and {column} is not null"
    rows, d, at = pool.rows(given), query.shape[1], 0
    found: NDArray[np.int64] = np.empty(0, np.int64)
    scores: NDArray[np.float32] = np.empty(0, np.float32)
    for batch in pool.batches([column], where=given, batch_size=ROWS):
        values = np.asarray(batch.column(0).flatten()).astype(np.float32).reshape(len(batch), -1, d)
        own, places = np.float32(1) - distances(query, unit(values)) / np.float32(2), rows[at : at + len(batch)]
        at += len(batch)
        if skip is not None:
            own, places = own[places != skip], places[places != skip]
        found, scores = np.concatenate([found, places]), np.concatenate([scores, own])
        keep = best(scores, k)
        found, scores = found[keep], scores[keep]
    return found, scores


def own_patches(pool: View, column: str, row: int, levels: int, dim: int) -> NDArray[np.float32]:
    """The stored patches (count(levels), dim) of one row, unit norm."""
    value = pool.take([row], [column]).column(0).combine_chunks()
    if value.null_count:
        raise BadInput(f"row {row} has no patches in '{column}'; choose a row that was embedded")
    patches = np.asarray(value.flatten()).astype(np.float32).reshape(-1, dim)
    if count(levels) > len(patches):
        raise BadInput(f"patches must be at most the levels stored in '{column}' for a row query, got {levels}")
    return unit(patches[: count(levels)])
