"""Hashes that stay nearly the same when an image is scaled, re-encoded or slightly changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Annotator, Batch, Field

SIDE = 256
DCT_SIDE, KEPT = 32, 8


def _cosines() -> NDArray[np.float32]:
    """(8, 32): the eight lowest rows of the DCT-II of length 32 (unnormalised)."""
    k, n = np.arange(KEPT)[:, None], np.arange(DCT_SIDE)[None]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * DCT_SIDE)).astype(np.float32)


_COSINES = _cosines()


def thumbnails(images: Sequence[NDArray[np.uint8]], width: int, height: int) -> NDArray[np.float32]:
    """n images (h, w, 3) uint8 to (n, height, width) float32 luma, by area averaging where they shrink."""
    import cv2

    cv2.setNumThreads(1)  # the engine's worker threads are the parallelism
    out = np.empty((len(images), height, width), np.float32)
    for place, image in enumerate(images):
        out[place] = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (width, height), interpolation=cv2.INTER_AREA)
    return out


def phash(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """n images (h, w, 3) uint8 to (n, 8) uint8: bit i, most significant first, is DCT coefficient i above the median.

    32 x 32 luma, the 8 x 8 lowest coefficients of its DCT-II in row order, compared with their median (Zauner 2010,
    Implementation and benchmarking of perceptual image hash functions, section 3.2.1; as ImageHash does, the constant
    coefficient is one of the 64). Difference: area averaging instead of a Lanczos filter, a few bits at most.
    """
    luma = thumbnails(images, DCT_SIDE, DCT_SIDE)
    low = (_COSINES @ luma @ _COSINES.T).reshape(len(images), KEPT * KEPT)
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)


def dhash(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """n images (h, w, 3) uint8 to (n, 8) uint8: bits of 9 x 8 luma, 1 where the right neighbour is brighter."""
    luma = thumbnails(images, KEPT + 1, KEPT)
    return np.packbits((luma[:, :, 1:] > luma[:, :, :-1]).reshape(len(images), -1), axis=1)


class PerceptualHash(Annotator):
    """Hash what an image looks like to 64 bits: near-duplicates differ in a few of them.

    Adds `hash`: fixed_size_binary[8]. The distance of two images is the number of differing bits: up to about 6 for
    re-encoded, scaled or slightly edited copies, around 32 for unrelated images. Flips, rotations and crops change it.
    Images without any structure (blank pages) share one hash. Cost: about 0.1 ms an image on one core.
    """

    algorithm: Literal["phash", "dhash"] = Field("phash", description="phash (DCT, robust) or dhash (brightness steps)")
    column: str = Field("hash", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    @property
    def side(self) -> int | None:
        # Far more than 32, but the same as that of the other annotators: a hash must not depend on its companions.
        return SIDE

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.binary(8))])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        codes = (phash if self.algorithm == "phash" else dhash)(batch.images)
        return {self.column: pa.array([row.tobytes() for row in codes], pa.binary(8))}
