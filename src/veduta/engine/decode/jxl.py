"""JPEG XL by imagecodecs (libjxl)."""

from __future__ import annotations

import numpy as np

from veduta.engine.decode import kinds, room
from veduta.engine.decode.raster import Raster, refuse_huge
from veduta.errors import MissingPackage, Undecodable

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


class JpegXl:
    """The orientation that the file states is applied by the library."""

    name = "JPEG XL"

    def claims(self, head: bytes) -> bool:
        return kinds.name_of(head) == "JPEG XL"

    def decode(self, data: bytes, limit: int) -> Raster:
        try:
            import imagecodecs
        except ImportError:
            raise MissingPackage("imagecodecs", needed_by="reading JPEG XL", extra="formats") from None
        width, height, orientation, animated = header(data)
        refuse_huge(width, height)
        room.take(width, height, 18)
        values = np.asarray(imagecodecs.jpegxl_decode(data, index=0, numthreads=1))
        frames = 2 if animated else 1
        return Raster(values, "JPEG XL", orientation, True, frames)


def header(data: bytes) -> tuple[int, int, int, bool]:
    """Width and height as stored, EXIF orientation, and whether it moves, from the first bits of the codestream."""
    bits = _Bits(_codestream(data)[2:64])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else _side(bits, small)
    orientation, animated = 1, False
    if not bits.take(1) and bits.take(1):  # not all default, extra fields
        orientation = bits.take(3) + 1
        if bits.take(1):  # the intrinsic size, as for the picture's own
            small = bits.take(1)
            _side(bits, small)
            if not bits.take(3):
                _side(bits, small)
        if bits.take(1):  # a preview, whose size is coded differently; what follows it is not needed to be safe
            return width, height, orientation, False
        animated = bool(bits.take(1))
    return width, height, orientation, animated


def _side(bits: _Bits, small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


def _codestream(data: bytes) -> bytes:
    if data[:2] == b"\xff\x0a":
        return data[:64]
    at = 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            start = at + head + (4 if kind == b"jxlp" else 0)
            return data[start : start + 64]
        if size < head:
            break
        at += size
    raise Undecodable("corrupt JPEG XL: it holds no picture")


class _Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise Undecodable("corrupt JPEG XL: its header ends early")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value
