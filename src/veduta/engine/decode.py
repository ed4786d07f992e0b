"""Bytes to pixels, once and the same way everywhere.

What pixels mean here: uint8 RGB, EXIF orientation applied, the first frame of an animation, alpha and palette
transparency composited over white, CMYK converted by Pillow's plain formula, 16-bit samples scaled from their full
range to 8 bits, floating-point samples taken as [0, 1] if they fit and clipped to [0, 255] otherwise. ICC profiles
are not applied. The whole file is decoded, so a truncated one is found here and not in the middle of a training run.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.errors import Undecodable

if TYPE_CHECKING:
    from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"

# Larger headers are refused before any memory is taken; 2^28 pixels are 805 MB of RGB.
MAX_PIXELS = 1 << 28

# Only readers that do not call other programs (EPS would start Ghostscript) and are fuzzed upstream.
FORMATS = (
    "JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "ICO", "TGA", "JPEG2000", "SGI", "PCX", "QOI"
)  # fmt: skip

_HARMLESS = (
    "extraneous bytes",
    "unsupported marker",
    "invalid sos parameters",
    "unknown adobe",
    "inconsistent progression",
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """pixels: (h, w, 3) uint8, possibly reduced; width, height: of the full oriented image, in pixels."""

    pixels: np.ndarray
    width: int
    height: int
    format: str
    orientation: int


def decode(data: bytes, side: int | None = None) -> Decoded:
    """Decode an image file.

    With `side`, a larger image is reduced by a power of two while its short side stays >= `side` (JPEG inside the
    decoder, others by area averaging), which costs a fraction of the full decode.
    Raises Undecodable with the reason in words.
    """
    if not data:
        raise Undecodable("the file is empty")
    if data[:3] == b"\xff\xd8\xff":
        done = _decode_jpeg(data, side)
        if done is not None:
            return done
    return _decode_any(data, side)


def _decode_jpeg(data: bytes, side: int | None) -> Decoded | None:
    """The fast path; None where Pillow has to decide (CMYK, benign oddities)."""
    import simplejpeg

    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if colour not in ("YCbCr", "RGB", "Gray"):
        return None
    _refuse_huge(width, height)
    scale = _reduction(width, height, side)
    limit = {} if scale == 1 else {"min_height": side, "min_width": side}
    try:
        pixels = simplejpeg.decode_jpeg(data, **limit)
    except ValueError as error:
        words = str(error).strip().rstrip(".")
        if any(harmless in words.lower() for harmless in _HARMLESS):
            return None
        if "premature end" in words.lower():
            raise Undecodable("truncated JPEG: the file ends before the image does") from None
        raise Undecodable(f"corrupt JPEG: {words}") from None
    except MemoryError:
        raise Undecodable(f"no memory for {width} x {height} pixels") from None
    orientation = _jpeg_orientation(data)
    pixels = orient(pixels, orientation)
    if orientation >= 5:
        width, height = height, width
    return Decoded(pixels, width, height, "JPEG", orientation)


def _decode_any(data: bytes, side: int | None) -> Decoded:
    from PIL import Image, UnidentifiedImageError

    if data[:8] == _PNG:
        _check_png(data)
    Image.MAX_IMAGE_PIXELS = None  # our own limit below is checked before the pixels are loaded
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            _refuse_huge(width, height)
            name = image.format or "?"
            orientation = _orientation(image)
            image.load()
            scale = _reduction(width, height, side)
            pixels = to_rgb(image, scale)
    except Undecodable:
        raise
    except UnidentifiedImageError:
        kind = _looks_like(data)
        if kind in FORMATS:
            raise Undecodable(f"corrupt {kind}: its header cannot be read") from None
        raise Undecodable(f"not an image in a known format ({kind})") from None
    except MemoryError:
        raise Undecodable("no memory for the pixels") from None
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise many types on damaged files; each is a verdict on the file
        words = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise Undecodable(f"corrupt {_looks_like(data)}: {words}") from None
    pixels = orient(pixels, orientation)
    if orientation >= 5:
        width, height = height, width
    return Decoded(pixels, width, height, name, orientation)


def _check_png(data: bytes) -> None:
    """Compare the checksums of the chunks that hold pixels: Pillow does not, and shows damaged rows as if they were sound."""
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + size
        whole = data[at + 4 : at + 8] == b"IDAT" and end + 4 <= len(data)
        if whole and zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise Undecodable("corrupt PNG: a checksum of its pixel data is wrong")
        at = end + 4


def to_rgb(image: Image.Image, scale: int = 1) -> np.ndarray:
    """A Pillow image as (h, w, 3) uint8 by the rules in the head of this file, reduced by the factor `scale`."""
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image, dtype=np.float32)
        image = Image.fromarray(np.clip(values / 257.0 + 0.5, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        if values.size and values.min() >= 0 and values.max() <= 1:
            values = values * 255
        image = Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if scale > 1:
        image = image.reduce(scale)
    return np.asarray(image)


def orient(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply EXIF orientation 1 to 8 to (h, w, ...) pixels; the result is contiguous."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _reduction(width: int, height: int, side: int | None) -> int:
    """The largest of 1, 2, 4, 8 that leaves the short side >= `side`."""
    short = min(width, height)
    return next((s for s in (8, 4, 2) if side and short // s >= side), 1)


def _refuse_huge(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Undecodable(f"too large: {width} x {height} pixels (the limit is {MAX_PIXELS:,} pixels)")
    if width < 1 or height < 1:
        raise Undecodable(f"no pixels: {width} x {height}")


def _orientation(image: Any) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - broken EXIF is no reason to lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _jpeg_orientation(data: bytes) -> int:
    """EXIF orientation of a JPEG, 1 where it has none or the EXIF block is broken; reads only the header segments."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _tiff_orientation(data[at + 10 : at + 2 + size])
        if marker in (0xDA, 0xD9):
            break
        at += 2 + size
    return 1


def _tiff_orientation(block: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for i in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * i)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _looks_like(data: bytes) -> str:
    signs = {b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"RIFF": "WEBP", b"BM": "BMP", b"II*\0": "TIFF"}
    signs |= {b"MM\0*": "TIFF", b"%PDF": "PDF", b"<svg": "SVG", b"<?xml": "XML", b"<!DO": "HTML", b"<htm": "HTML"}
    return next((name for sign, name in signs.items() if data.startswith(sign)), f"starts with {data[:8].hex(' ')}")
