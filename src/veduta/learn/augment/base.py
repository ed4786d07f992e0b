"""What an augmentation is."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Params = dict[str, Any]
Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Map = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): the point (x, y) goes to (a x + b y + c, d x + e y + f)."""

SAME: Map = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class Augmentation(Protocol):
    """A random change of an image, in two halves: drawing its parameters and applying them.

    Implementations are frozen dataclasses, so that their fields are their configuration.
    """

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        """Draw parameters for an image of this size: JSON-able numbers. Empty: the image stays as it is."""
        ...

    def apply(self, image: Image, params: Params) -> Image:
        """(h, w, 3) uint8 to (h', w', 3) uint8; nothing random."""
        ...

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        """(m, 4) boxes in the new image, clipped to it; NaN for boxes of which nothing is left."""
        ...

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        """(h, w) to (h', w'), by the nearest pixel; the size is always that of the image `apply` makes."""
        ...

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        """Where the pixels of the new image come from: a map from its coordinates (those of boxes) to the old image's,
        which may lie outside of it; and the new height and width. `params` are not empty.
        """
        ...


class Still:
    """Boxes, masks and origins for augmentations that move no pixel: they stay."""

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        return boxes

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        return mask

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        return SAME, height, width


def after(outer: Map, inner: Map) -> Map:
    """The map that applies `inner` and then `outer`."""
    a, b, c, d, e, f = outer
    g, h, i, j, k, m = inner
    return a * g + b * j, a * h + b * k, a * i + b * m + c, d * g + e * j, d * h + e * k, d * i + e * m + f


def clipped(boxes: Boxes, height: int, width: int) -> Boxes:
    """Boxes cut at the borders of an image; NaN where no area is left."""
    found = np.asarray(boxes, np.float64).copy()
    found[:, 0::2] = np.clip(found[:, 0::2], 0, width)
    found[:, 1::2] = np.clip(found[:, 1::2], 0, height)
    gone = (found[:, 2] <= found[:, 0]) | (found[:, 3] <= found[:, 1])
    found[gone] = np.nan
    return found


def nearest(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A mask (h, w) at another size, each value taken from the nearest pixel."""
    import cv2

    if mask.shape == (height, width):
        return mask
    mask = np.ascontiguousarray(mask)
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def resized(image: Image, height: int, width: int, *, cubic: bool = False) -> Image:
    """(h, w, 3) uint8 to (height, width, 3), by area where it shrinks by 2 or more, then linear or cubic."""
    import cv2

    cv2.setNumThreads(1)  # the loader's threads are the parallelism
    own_height, own_width = image.shape[:2]
    if (own_height, own_width) == (height, width):
        return image
    down, across = max(1, own_height // height), max(1, own_width // width)
    if down > 1 or across > 1:
        image = np.asarray(
            cv2.resize(image, (own_width // across, own_height // down), interpolation=cv2.INTER_AREA), np.uint8
        )
    kernel = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=kernel), np.uint8)
