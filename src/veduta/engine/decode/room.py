"""Memory for the pictures that are decoded at the same time: a large one waits until there is room for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from veduta.errors import Undecodable
from veduta.pool.limits import DECODING

# Pictures that take less than this are not counted.
SMALL = 16 << 20

_mine = threading.local()
_free = threading.Condition()
_taken = 0


@contextmanager
def decoding() -> Iterator[None]:
    """One picture: what `take` takes in this thread is given back at its end."""
    try:
        yield
    finally:
        _give_back()


def take(width: int, height: int, pixel_bytes: float) -> None:
    """Wait for the memory that decoding takes; the last call of a thread counts, and is made before pixels are read.

    pixel_bytes: what decoder and conversion hold of a pixel at their peak. Raises Undecodable where all the memory that
    pictures may have would not do.
    """
    global _taken
    size = int(width * height * pixel_bytes)
    if size < SMALL:
        return
    if size > DECODING.bytes:
        raise Undecodable(
            f"too large: {width} x {height} pixels take {size >> 20:,} MiB to decode; {DECODING.says(size)}"
        )
    _give_back()
    with _free:
        _free.wait_for(lambda: _taken + size <= DECODING.bytes)
        _taken += size
    _mine.size = size


def _give_back() -> None:
    global _taken
    size, _mine.size = getattr(_mine, "size", 0), 0
    if size:
        with _free:
            _taken -= size
            _free.notify_all()
