"""Masks as COCO's compressed run-length encoding, the text that the `mask` field of an object holds.

The text is the `counts` of COCO's {"size": [h, w], "counts": ...}; the size is that of the row's oriented image.
All the work is done by pycocotools.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from veduta.errors import MissingPackage
from veduta.pool.boxes import scale_pixels, similar, turn_pixels

# Coordinates of a polygon beyond this lie in no image.
MOST_PIXELS = 1e6


def encode(segmentation: Any, width: int, height: int) -> str | None:
    """Polygons [[x, y, x, y, ...], ...] or a run-length dict {"size", "counts"} as compressed text.

    width, height: of the oriented image in pixels. None if nothing is covered; ValueError for anything malformed.
    """
    tools = _tools()
    if isinstance(segmentation, dict):
        counts, size = segmentation.get("counts"), segmentation.get("size")
        if list(size or []) != [height, width]:
            raise ValueError(f"the run-length mask has the size {size}, the image has [{height}, {width}]")
        if isinstance(counts, str):
            tools.decode({"size": [height, width], "counts": counts.encode()})  # raises where it is malformed
            return counts
        if not isinstance(counts, list) or sum(counts) != width * height or min(counts, default=0) < 0:
            raise ValueError("the counts of a run-length mask must add up to the image's pixels")
        packed = tools.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return packed["counts"].decode()
    rings = [ring for ring in segmentation or [] if isinstance(ring, (list, tuple)) and len(ring) >= 6]
    if not rings:
        return None
    # The comparison is false for NaN as well; pycocotools walks along every edge, however long.
    inside = np.abs(np.concatenate([np.asarray(r, float) for r in rings])) <= MOST_PIXELS
    if any(len(ring) % 2 for ring in rings) or not inside.all():
        raise ValueError("a polygon must be a list of finite x, y pairs near the image")
    packed = tools.merge(tools.frPyObjects([list(map(float, ring)) for ring in rings], height, width))
    return packed["counts"].decode() if tools.area(packed) else None


def decode(mask: str, width: int, height: int) -> np.ndarray:
    """The mask as (height, width) uint8, 1 where the object is."""
    return _tools().decode({"size": [height, width], "counts": mask.encode()})


def from_pixels(pixels: np.ndarray) -> str:
    """A (height, width) array, nonzero where the object is, as compressed text."""
    return _tools().encode(np.asfortranarray(pixels != 0, dtype=np.uint8))["counts"].decode()


def move(mask: str, size: tuple[int, int], orientation: int, upright: tuple[int, int]) -> str | None:
    """The mask of a frame of `size` (width, height), scaled and turned into the upright picture of size `upright`.

    None if it is not of that frame, or has to change its shape to fit. Untouched, it needs no package.
    """
    if pixels(mask) != size[0] * size[1]:
        return None
    stored = upright[::-1] if orientation >= 5 else upright
    if size == stored and orientation == 1:
        return mask
    if not similar(size, stored):
        return None
    frame = scale_pixels(decode(mask, *size), *stored) if size != stored else decode(mask, *size)
    return from_pixels(turn_pixels(frame, orientation))


def pixels(mask: str) -> int:
    """How many pixels the mask's frame has: the sum of its runs, each coded as a difference to the one before the last.

    ValueError where the text is malformed.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in mask.encode():
        bits = byte - 48
        if not 0 <= bits < 64:
            raise ValueError("not a run-length mask")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or min(runs, default=0) < 0:
        raise ValueError("not a run-length mask")
    return sum(runs)


def area(mask: str, width: int, height: int) -> int:
    """How many pixels the mask covers."""
    return int(_tools().area({"size": [height, width], "counts": mask.encode()}))


def _tools() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise MissingPackage("pycocotools", needed_by="reading object masks", extra="detect") from None
    return mask
