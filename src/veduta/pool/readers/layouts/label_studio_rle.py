"""Label Studio's own run-length encoding of brush masks (that of the JavaScript package rle-pack)."""

from __future__ import annotations

from typing import Any

import numpy as np


def decode(packed: Any, width: int, height: int) -> np.ndarray | None:
    """The mask as (height, width) bool; None if the bytes are not such a mask of a picture of this size.

    The bytes hold, as a stream of bits: the count of values (32 bits), the width of a value less one (5), four widths of
    run lengths less one (4 each); then blocks of one bit (run or literal), two bits (which width) and a length less
    one: a run has one value, a literal block a value each. The values are RGBA; alpha is the mask.
    """
    if not isinstance(packed, (list, tuple)) or not all(isinstance(v, int) and 0 <= v < 256 for v in packed):
        return None
    bits = _Bits(np.unpackbits(np.array(packed, np.uint8)))
    try:
        total, size = bits.take(32), bits.take(5) + 1
        if total != 4 * width * height:
            return None
        widths = [bits.take(4) + 1 for _ in range(4)]
        out = np.zeros(total, np.uint32)
        place = 0
        while place < total:
            is_run = bits.take(1)
            end = min(place + bits.take(widths[bits.take(2)]) + 1, total)
            out[place:end] = bits.take(size) if is_run else bits.many(end - place, size)
            place = end
    except EOFError:
        return None
    return out.reshape(height, width, 4)[..., 3] > 0


class _Bits:
    """A stream of bits, the most significant first."""

    def __init__(self, bits: np.ndarray) -> None:
        self._bits, self._place = bits, 0

    def take(self, number: int) -> int:
        return int(self.many(1, number)[0])

    def many(self, count: int, size: int) -> np.ndarray:
        end = self._place + count * size
        if end > len(self._bits):
            raise EOFError
        found = self._bits[self._place : end].reshape(count, size)
        self._place = end
        return found @ (1 << np.arange(size - 1, -1, -1, dtype=np.int64))
