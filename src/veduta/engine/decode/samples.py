"""Samples of any kind to 8 bits: the same rule for every format, decided by one file alone.

Whole numbers are scaled from the bits that count: those that the file states, if its values fit, else the fewest of 8,
10, 12, 14, 16, 24 and 32 that hold its largest value. Cameras and microscopes store 10 to 14 bits in 16, and would be
nearly black from the full range. Floats in [0, 1] count as such, up to 255 as 8 bits. What is negative or larger has no
natural range and is stretched from its smallest to its largest value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_PART = 1 << 20  # samples that are scaled at a time
DEPTHS = (8, 10, 12, 14, 16, 24, 32)
OWN_RANGE = "signed and floating-point samples stretched from their own range"


def to_bytes(values: np.ndarray, bits: int | None = None) -> tuple[np.ndarray, str]:
    """Samples of one picture, all bands together, as uint8 of the same shape; and a remark, "" where nothing was decided.

    bits: that count, where the file says so.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), ""
    if values.dtype == np.uint8 and (bits or 8) == 8:
        return values, ""
    if not values.size:
        return values.astype(np.uint8), ""
    if values.dtype.kind == "f":
        return _floats(values)
    low, high = int(values.min()), int(values.max())
    if low < 0:
        return _stretched(values, low, high), OWN_RANGE
    depth = depth_of(high, bits)
    remark = ""
    if depth < 8 * values.dtype.itemsize and depth != bits and values.dtype.itemsize == 2:
        remark = f"16-bit samples that end within {depth} bits, scaled from those"
    wide = np.float32 if depth <= 16 else np.float64
    scale = wide(255 / ((1 << depth) - 1))
    return in_parts(values, lambda part: part.astype(wide) * scale + wide(0.5)), remark


def depth_of(high: int, bits: int | None = None) -> int:
    """How many bits count where `high` is the largest sample. bits: as the file states it."""
    return bits if bits and high < 1 << bits else next((d for d in DEPTHS if high < 1 << d), 64)


def _floats(values: np.ndarray) -> tuple[np.ndarray, str]:
    values = values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64, copy=False)
    sound = np.isfinite(values)
    if not sound.all():
        values = np.where(sound, values, values[sound].min() if sound.any() else 0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        return _stretched(values, low, high), OWN_RANGE
    return in_parts(values, lambda part: np.clip(part * (255 if high <= 1 else 1) + 0.5, 0, 255)), ""


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    span = high - low
    if span <= 0:
        return np.zeros(values.shape, np.uint8)
    return in_parts(values, lambda part: (part.astype(np.float64) - low) * (255 / span) + 0.5)


def in_parts(values: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `scaled` makes of each sample, as uint8. Memory: the result and some 16 MB, at any size."""
    flat, out = values.reshape(-1), np.empty(values.size, np.uint8)
    for start in range(0, len(flat), _PART):
        out[start : start + _PART] = scaled(flat[start : start + _PART])
    return out.reshape(values.shape)
