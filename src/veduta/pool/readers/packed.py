"""Compressed files as streams that are read from front to back in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import IO

# Memory of the unpacker of an xz file, whose header may ask for 4 GiB; the strongest setting of xz takes 65 MiB.
MOST_XZ = 256 << 20
_PIECE = 1 << 20


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """What a gzip, bzip2 or xz file holds, told by its first bytes; other files as they are. Its reads raise OSError,
    EOFError or zlib.error where the file is damaged.
    """
    start = stream.read(6)
    stream.seek(0)
    if start[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=stream)  # pyright: ignore[reportReturnType]
    if start[:3] == b"BZh":
        return bz2.BZ2File(stream)
    if start == b"\xfd7zXZ\0":
        return io.BufferedReader(_Xz(stream), _PIECE)
    return stream


class _Xz(io.RawIOBase):
    """As `lzma.LZMAFile`, with a bound on memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._unpacker = stream, lzma.LZMADecompressor(memlimit=MOST_XZ)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            while not self._unpacker.eof:
                more = self._stream.read(_PIECE) if self._unpacker.needs_input else b""
                if self._unpacker.needs_input and not more:
                    raise EOFError("the file ends before its end mark")
                if found := self._unpacker.decompress(more, len(buffer)):
                    buffer[: len(found)] = found
                    return len(found)
        except lzma.LZMAError as error:
            raise OSError(f"xz: {error}") from None
        return 0
