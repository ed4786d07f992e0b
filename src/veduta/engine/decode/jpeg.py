"""JPEG by libjpeg-turbo: the fast path that nearly every image takes."""

from __future__ import annotations

from veduta.engine.decode import room, tags
from veduta.engine.decode.orientation import orient, valid
from veduta.engine.decode.raster import FIRST_FRAME, Decoded, reduction, refuse_huge
from veduta.errors import Undecodable

_HARMLESS = (
    "extraneous bytes",
    "unsupported marker",
    "invalid sos parameters",
    "unknown adobe",
    "inconsistent progression",
)

# Kinds that libjpeg-turbo does not read, by the marker of their frame.
_KINDS = {0xC3: "lossless JPEG", 0xC5: "hierarchical JPEG", 0xC6: "hierarchical JPEG", 0xC7: "hierarchical JPEG"}
_KINDS |= {0xCB: "lossless JPEG", 0xCD: "hierarchical JPEG", 0xCE: "hierarchical JPEG", 0xCF: "hierarchical JPEG"}
_KINDS |= {0xF7: "JPEG-LS"}


def decode_jpeg(data: bytes, side: int | None) -> Decoded | None:
    """None where Pillow has to decide (CMYK, benign oddities)."""
    import simplejpeg

    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        kind = unread_kind(data)
        if kind:
            raise Undecodable(f"unsupported: {kind}; write it again as plain JPEG or PNG") from None
        return None
    if colour not in ("YCbCr", "RGB", "Gray"):
        return None
    refuse_huge(width, height)
    scale = reduction(width, height, side)
    bands = 1 if colour == "Gray" else 3
    held = 2 * bands if is_progressive(data) else 0  # its coefficients; else a few lines
    room.take(width, height, held + 2 * bands / scale**2)
    limit = {} if scale == 1 else {"min_height": side, "min_width": side}
    try:
        pixels = simplejpeg.decode_jpeg(data, **limit)
    except ValueError as error:
        words = str(error).strip().rstrip(".")
        if any(harmless in words.lower() for harmless in _HARMLESS):
            return None
        if "premature end" in words.lower():
            raise Undecodable("truncated JPEG: the file ends before the image does") from None
        kind = unread_kind(data)
        if kind:
            raise Undecodable(f"unsupported: {kind}; write it again as plain JPEG or PNG") from None
        raise Undecodable(f"corrupt JPEG: {words}") from None
    except MemoryError:
        raise Undecodable(f"no memory for {width} x {height} pixels") from None
    orientation, frames = _header_facts(data)
    pixels = orient(pixels, orientation)
    if orientation >= 5:
        width, height = height, width
    return Decoded(pixels, width, height, "JPEG", orientation, frames, (FIRST_FRAME,) if frames > 1 else ())


def is_progressive(data: bytes) -> bool:
    """Whether the frame is coded in several scans, so that all of its coefficients are held before there are pixels."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker not in (0xC0, 0xC1)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def unread_kind(data: bytes) -> str:
    """The name of a sound kind of JPEG that is not read, "" for all others."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _KINDS:
            return _KINDS[marker]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return f"JPEG of {data[at + 4]} bits a sample" if data[at + 4] in (12, 16) else ""
        at += 2 + size
    return ""


def _header_facts(data: bytes) -> tuple[int, int]:
    """EXIF orientation (1 where it has none or EXIF is broken) and the number of pictures; reads header segments only."""
    at, orientation, frames = 2, None, 1
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and orientation is None and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = valid(next(iter(_first(data[at + 10 : at + 2 + size]).get(0x0112, ())), 1))
        elif marker == 0xE2 and data[at + 4 : at + 8] == b"MPF\0":
            frames = _pictures(data[at + 8 : at + 2 + size])
        if marker in (0xDA, 0xD9):
            break
        at += 2 + size
    return orientation or 1, frames


def _pictures(block: bytes) -> int:
    """How many pictures a multi-picture file lists, the large thumbnails of cameras left out."""
    entries = bytes(_first(block).get(0xB002, ()))
    order = "little" if block[:2] == b"II" else "big"
    kinds = [int.from_bytes(entries[i : i + 4], order) & 0xFF0000 for i in range(0, len(entries) - 15, 16)]
    return max(1, sum(kind != 0x010000 for kind in kinds))


def _first(block: bytes) -> tags.Tags:
    return next(tags.directories(block), {}) if tags.is_tiff(block) else {}
