"""Small numbers that tell whether pixels are those of another day, and about how far they are from them."""

from __future__ import annotations

import zlib
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from veduta.learn.augment.base import Image

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "simplejpeg")
"""What decodes and changes pixels: another version of one of them may round another way."""


def crc(pixels: Image) -> int:
    """CRC-32 of the bytes of (h, w, 3) uint8 pixels."""
    return zlib.crc32(np.ascontiguousarray(pixels).reshape(-1))


def sketch(pixels: Image, key: int) -> int:
    """The sum of (h, w, 3) uint8 pixels with random signs that `key` fixes.

    The square of the difference of two images' sketches by one key is, in expectation over the keys, the sum of the squared
    differences of their pixels (Alon, Matias and Szegedy 1996): from sketches alone follows how far images have moved. The signs
    are the bits of Philox, which no version of NumPy changes.
    """
    flat = np.ascontiguousarray(pixels).reshape(-1)
    words = np.asarray(np.random.Philox(key=key).random_raw(-(-len(flat) // 64)), np.uint64)
    positive = np.unpackbits(words.astype("<u8").view(np.uint8))[: len(flat)]
    return 2 * int(np.dot(flat.astype(np.int32), positive.astype(np.int32))) - int(flat.sum(dtype=np.int64))


def libraries() -> dict[str, str]:
    """The installed version of each of `LIBRARIES`, "none" for one that is not (OpenCV may come in another package)."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
