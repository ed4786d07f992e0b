"""PNG: damage that Pillow does not see, metadata that it stumbles over, and the 16-bit colours that it halves."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from veduta.engine.decode.raster import Raster
from veduta.errors import Undecodable

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks that say how the pixels look or lie; all others are metadata.
_NEEDED = (b"tRNS", b"eXIf", b"gAMA", b"sBIT")

# More text than this, unpacked, is passed over, and as much packed text is looked at to learn its size.
_MOST_TEXT = 1 << 18


def sound(data: bytes) -> tuple[bytes, int, int | None]:
    """The file as Pillow can take it, the number of frames, and the bits of a sample that its sBIT chunk states.

    Damaged and large metadata is passed over. Raises Undecodable where a checksum of the pixel data is wrong: Pillow
    shows damaged rows as if they were sound.
    """
    frames, bits, dropped, texts, keep = 1, None, False, 0, [SIGNATURE]
    view = memoryview(data)
    for kind, start, end in _chunks(data):
        whole = end <= len(data)
        right = whole and zlib.crc32(view[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        body = view[start + 8 : end - 4]
        if kind == b"IDAT" and whole and not right:
            raise Undecodable("corrupt PNG: a checksum of its pixel data is wrong")
        if kind == b"acTL" and right and len(body) == 8:
            frames = max(1, int.from_bytes(body[:4], "big"))
        if kind == b"sBIT" and right and len(body):
            bits = max(body[: 3 if len(body) > 2 else 1])
        metadata = kind[:1].islower() and kind not in _NEEDED
        if metadata:
            size = _unpacked(kind, body)
            texts += size
        if (metadata and (size > _MOST_TEXT or texts > 4 * _MOST_TEXT)) or (kind[:1].islower() and not right):
            dropped = True
        else:
            keep.append(view[start:end])
    return (b"".join(keep) if dropped else data), frames, bits


def deep_colours(data: bytes) -> bool:
    """Whether the file has 16-bit samples in more than one channel, of which Pillow gives the upper bytes only."""
    return data[24:25] == b"\x10" and data[25:26] in (b"\x02", b"\x04", b"\x06")


def decode_deep(data: bytes, orientation: int, frames: int, bits: int | None) -> Raster | None:
    """The 16-bit colours of a file whose pixels Pillow has found sound; None where OpenCV does not read it as such."""
    import cv2

    plain = b"".join(
        [SIGNATURE, *(data[s:e] for k, s, e in _chunks(data) if k in (b"IHDR", b"IDAT", b"IEND", b"tRNS"))]
    )
    values = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    if values.ndim == 3 and values.shape[2] >= 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    return Raster(values, "PNG", orientation, frames=frames, bits=bits)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first and past-the-end byte of every chunk; the last may end beyond a truncated file."""
    at = 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at, end
        at = end


def _unpacked(kind: bytes, body: memoryview) -> int:
    """The size of a metadata chunk, unpacked as far as the limit."""
    if kind not in (b"zTXt", b"iTXt", b"iCCP"):
        return len(body)
    head = bytes(body[: 1 << 10])
    name, _, rest = head.partition(b"\0")
    if kind == b"iTXt":
        if rest[:1] != b"\x01":
            return len(body)
        start = len(name) + 3
        for _ in range(2):  # language and translated name
            start = head.find(b"\0", start) + 1
            if not start:
                return _MOST_TEXT + 1
    else:
        start = len(name) + 2
    try:
        return max(len(body), len(zlib.decompressobj().decompress(bytes(body[start:]), _MOST_TEXT + 1)))
    except zlib.error:
        return _MOST_TEXT + 1
