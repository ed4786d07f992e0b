"""Lines of files of strangers, each within a bound: one without an end would be held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from veduta.pool import limits
from veduta.pool.location import refuse_large

_PIECE = 1 << 20


def lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line with its end, and its size in bytes; b"" for a line that is too long. Memory: `limits.LINE`."""
    most = limits.LINE.bytes
    while raw := stream.readline(most):
        size = len(raw)
        if size == most and raw[-1:] != b"\n":
            while part := stream.readline(_PIECE):
                size, raw = size + len(part), b""
                if part[-1:] == b"\n":
                    break
        yield raw, size


def too_long(size: int) -> str:
    """Why a line of `size` bytes is passed over."""
    return f"passed over: a line of {size:,} bytes; {limits.LINE.says(size)}"


def whole(stream: BinaryIO) -> bytes:
    """What a stream holds, within `limits.DOCUMENT`. Raises SourceError beyond it."""
    found = stream.read(limits.DOCUMENT.bytes + 1)
    refuse_large(len(found), limits.DOCUMENT)
    return found
