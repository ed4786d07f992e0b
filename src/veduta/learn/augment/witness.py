"""Small numbers that tell whether pixels are those of another day, and about how far they are from them."""

from __future__ import annotations

import zlib
from functools import lru_cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment.base import Image

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "simplejpeg")
"""What decodes and changes pixels: another version of one of them may round another way."""


def witness(pixels: Image) -> tuple[int, int]:
    """(crc, sketch) of (h, w, 3) uint8 pixels: CRC-32 of the bytes, and their sum with fixed random signs.

    The square of the difference of two images' sketches is, in expectation over the signs, the sum of the squared differences
    of their pixels (Alon, Matias and Szegedy 1996): from the sketches of some images alone follows how far they have moved.
    """
    flat = np.ascontiguousarray(pixels).reshape(-1)
    return zlib.crc32(flat), int(np.dot(flat.astype(np.int32), _signs(len(flat))))


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.int32]:
    """(count,) +1 and -1, from the bits of Philox, which no version of NumPy changes."""
    words = np.asarray(np.random.Philox(key=0x5165).random_raw(-(-count // 64)), np.uint64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8))[:count]
    return bits.astype(np.int32) * 2 - 1


def libraries() -> dict[str, str]:
    """The installed version of each of `LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}
