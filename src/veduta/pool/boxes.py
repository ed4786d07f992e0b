"""Boxes, points and masks moved with their pixels: turned by an EXIF orientation, scaled, clipped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Size = tuple[int, int]


def turn_point(x: float, y: float, orientation: int, width: float, height: float) -> tuple[float, float]:
    """A point of the stored image in the upright one of width x height: transpose first for 5 to 8, then mirror."""
    if orientation in (5, 6, 7, 8):
        x, y = y, x
    if orientation in (2, 3, 6, 7):
        x = width - x
    if orientation in (3, 4, 7, 8):
        y = height - y
    return x, y


def turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(h, w) values of the stored image as those of the upright one."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


def scale_pixels(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w) values at another size, each the nearest."""
    rows = (np.arange(height) + 0.5) * pixels.shape[0] / height
    columns = (np.arange(width) + 0.5) * pixels.shape[1] / width
    return pixels[rows.astype(int)[:, None], columns.astype(int)]


def similar(one: Size, other: Size) -> bool:
    """Whether two sizes have the same aspect, within a pixel of either."""
    (w, h), (width, height) = one, other
    shrunk = abs(w * height / h - width) <= 1 or abs(h * width / w - height) <= 1
    grown = abs(width * h / height - w) <= 1 or abs(height * w / width - h) <= 1
    return one == other or (shrunk if width >= w else grown) or (shrunk and grown)


def inside(boxes: list[Any], size: Size) -> bool:
    """Whether all boxes (x, y, w, h) end within a pixel of a frame."""
    return all(x >= -1 and y >= -1 and x + w <= size[0] + 1 and y + h <= size[1] + 1 for x, y, w, h in boxes)


def clip(box: Any, width: int | None, height: int | None) -> tuple[list[float] | None, str]:
    """A box (x, y, w, h) inside the image, and what had to be done: "", or words for the count.

    None with words means that the object is to be dropped; None without words that it never had a box.
    """
    if box is None or (isinstance(box, (list, tuple)) and not box):
        return None, ""
    try:
        x, y, w, h = (float(v) for v in box)
    except (TypeError, ValueError):
        return None, "malformed boxes dropped"
    if not all(map(math.isfinite, (x, y, w, h))):
        return None, "malformed boxes dropped"
    if w <= 0 or h <= 0:
        return None, "boxes without an area dropped"
    if not (width and height):
        return [x, y, w, h], ""
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
    if x1 <= x0 or y1 <= y0:
        return None, "boxes outside the image dropped"
    beyond = max(x0 - x, y0 - y, x + w - x1, y + h - y1)
    if beyond <= 1e-2:  # rounding on the way through float32 or text
        return [x, y, w, h], ""
    # Up to a pixel is rounding in the annotation tool, worth a count of its own.
    inside = [x0, y0, x1 - x0, y1 - y0]
    return inside, "boxes clipped to the image" if beyond > 1 else "boxes rounded to the image's edge"
