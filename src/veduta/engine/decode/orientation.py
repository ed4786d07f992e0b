"""EXIF orientation: the number in a file, and pixels turned by it."""

from __future__ import annotations

import numpy as np


def orient(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply EXIF orientation 1 to 8 to (h, w, ...) pixels; the result is contiguous."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def valid(value: object) -> int:
    """An orientation tag's value; 1 where it means nothing."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
