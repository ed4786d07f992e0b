"""The directories of a TIFF (and of EXIF, DNG and camera RAW, which are built like it), classic and Big."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_KINDS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_MOST_VALUES = 1 << 20
_MOST_DIRECTORIES = 1 << 16

Tags = dict[int, tuple[int, ...]]


def is_tiff(data: bytes) -> bool:
    """Whether the first bytes are those of a TIFF."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def directories(data: bytes) -> Iterator[Tags]:
    """The chained directories, whole-number and text tags only, as tuples; ends where the chain is broken or loops."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    seen: set[int] = set()
    try:
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(start)
            (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
            first, step = start + (8 if big else 2), 20 if big else 12
            if count > 4096:
                return
            yield dict(_entry(data, first + i * step, order, big) for i in range(count))
            (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, first + count * step)
    except (struct.error, OverflowError):
        return


def _entry(data: bytes, at: int, order: str, big: bool) -> tuple[int, tuple[int, ...]]:
    tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, at)
    code = _KINDS.get(kind)
    if code is None or count > _MOST_VALUES:
        return tag, ()
    at += 12 if big else 8
    if struct.calcsize(code) * count > (8 if big else 4):
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
    try:
        return tag, struct.unpack_from(f"{order}{count}{code}", data, at)
    except (struct.error, OverflowError):
        return tag, ()
