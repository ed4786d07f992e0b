"""The formats that Pillow reads, and what it makes of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.engine.decode import ground, ico, kinds, png, room, samples
from veduta.engine.decode.orientation import orient, valid
from veduta.engine.decode.raster import FIRST_FRAME, Decoded, finish, reduction, refuse_huge
from veduta.errors import Undecodable

if TYPE_CHECKING:
    from PIL import Image

# Only readers that do not call other programs (EPS would start Ghostscript) and are fuzzed upstream.
FORMATS = (
    "JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "ICO", "TGA", "JPEG2000", "SGI", "PCX", "QOI"
)  # fmt: skip

# What decoders hold of a pixel besides what they give: the whole picture in their own form, or as bytes.
_HELD = {"WEBP": 8, "AVIF": 8, "JPEG2000": 16, "GIF": 4, "ICO": 8, "QOI": 4, "TIFF": 4, "SGI": 4}

# Pillow unpacks QOI in Python, at some million pixels a second.
_MOST_QOI = 1 << 26

# Formats whose files often leave the alpha channel at zero because no program ever looked at it.
_IDLE_ALPHA = ("BMP", "DIB", "TGA", "ICO")


def decode(data: bytes, side: int | None, *, white_is_zero: bool = False, frames: int | None = None) -> Decoded:
    """white_is_zero: 16-bit grey of a TIFF, whose meaning Pillow does not look at. frames: where the caller counted."""
    from PIL import Image, UnidentifiedImageError

    bits, deep, name = None, False, kinds.name_of(data)
    if name == "ICO":  # Pillow reads its pixels as it opens it
        room.take(*ico.largest(data), 20)
    if data[:8] == png.SIGNATURE:
        deep = png.deep_colours(data)
        data, frames, bits = png.sound(data)
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before the pixels are loaded
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            refuse_huge(*image.size)
            name = image.format or name
            width, height = image.size
            if name == "QOI" and width * height > _MOST_QOI:
                raise Undecodable(f"too large: {width} x {height} pixels (the limit of QOI is {_MOST_QOI:,} pixels)")
            if name != "ICO":
                room.take(width, height, _pixel_bytes(image, deep, side))
            frames = frames or _frames(image, data)
            orientation = _orientation(image)
            image.load()
            if deep and max(high for _, high in _extrema(image)[:3]) < 64:
                raster = png.decode_deep(data, orientation, frames, bits)
                if raster is not None:
                    return finish(raster, side)
            upright = name == "TIFF"  # Pillow turns a TIFF while it loads the pixels
            turned = orientation >= 5 and not upright
            width, height = image.size[::-1] if turned else image.size
            pixels, remarks = _rgb(image, reduction(width, height, side), bits, white_is_zero)
    except Undecodable:
        raise
    except UnidentifiedImageError:
        raise Undecodable(kinds.unread(data, FORMATS)) from None
    except MemoryError:
        raise Undecodable("no memory for the pixels") from None
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise many types on damaged files; each is a verdict on the file
        raise Undecodable(f"corrupt {name}: {kinds.words(error)}") from None
    pixels = pixels if upright else orient(pixels, orientation)
    remarks = [*remarks, FIRST_FRAME] if frames > 1 else remarks
    return Decoded(pixels, width, height, name, orientation, frames, tuple(remarks))


def _pixel_bytes(image: Image.Image, deep: bool, side: int | None) -> float:
    """What the decoder and the conversion hold of a pixel at their peak."""
    if image.mode.startswith("I") or image.mode == "F":
        held = 8 if image.mode.startswith("I;16") else 14
    elif image.mode in ("1", "L", "P") and "transparency" not in image.info:
        held = 1
    else:
        held = 4 if image.mode in ("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB") else 8
    return _HELD.get(image.format or "", 0) + held + (8 if deep else 0) + 10 / reduction(*image.size, side) ** 2


def to_rgb(image: Image.Image, scale: int = 1) -> np.ndarray:
    """A Pillow image as (h, w, 3) uint8 by the rules of `veduta.engine.decode`, reduced by the factor `scale`."""
    return _rgb(image, scale, None, False)[0]


def _rgb(image: Image.Image, scale: int, bits: int | None, white_is_zero: bool) -> tuple[np.ndarray, list[str]]:
    from PIL import Image

    remarks: list[str] = []
    form = image.format
    if image.mode.startswith("I") or image.mode == "F":
        values, remark = samples.to_bytes(np.asarray(image), bits)
        remarks += [remark] if remark else []
        key = image.info.get("transparency")
        clear = np.asarray(image) == key if isinstance(key, int) else None
        image = Image.fromarray(255 - values if white_is_zero else values)
        if clear is not None:
            image.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        if not (form in _IDLE_ALPHA and not _extrema(image)[3][1]):
            image, dark = _laid(image, scale)
            remarks, scale = [*remarks, *([ground.DARK] if dark else [])], 1
    return np.asarray(_plain(image, scale)), remarks


def _plain(image: Image.Image, scale: int) -> Image.Image:
    """A picture as RGB, without its alpha, reduced. Memory: the result and a few MB, where it is reduced."""
    from PIL import Image

    if scale == 1:
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.mode == "RGB":
        return image.reduce(scale)
    width, height = image.size
    out = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for part in ground.strips(height, width):
        strip = image.crop((0, part.start, width, min(part.stop, height))).convert("RGB")
        out.paste(strip.reduce(scale), (0, part.start // scale))
    return out


def _laid(image: Image.Image, scale: int) -> tuple[Image.Image, bool]:
    """An RGBA image over its ground, reduced, and whether that is black. Memory: the result and some 40 MB."""
    from PIL import Image

    if _extrema(image)[3][0] == 255:
        return _plain(image, scale), False
    width, height = image.size
    parts = ground.strips(height, width)

    def strip(part: slice) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(image.crop((0, part.start, width, min(part.stop, height))))
        return values[..., :3], values[..., 3]

    dark = ground.is_dark(strip(part) for part in parts)
    out = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for part in parts:
        laid = Image.fromarray(ground.over(*strip(part), dark))
        out.paste(laid.reduce(scale) if scale > 1 else laid, (0, part.start // scale))
    return out, dark


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    found = image.getextrema()
    return list(found) if isinstance(found[0], tuple) else [found]  # pyright: ignore[reportReturnType]


def _frames(image: Any, data: bytes) -> int:
    if image.format == "GIF":
        return gif_frames(data)
    try:
        return max(1, int(getattr(image, "n_frames", 1)))
    except Exception:  # noqa: BLE001 - a damaged later frame should not cost the first
        return 1


def gif_frames(data: bytes) -> int:
    """The pictures of a GIF, counted by its blocks without unpacking them."""
    at, count = 13 + (3 << ((data[10] & 7) + 1) if len(data) > 10 and data[10] & 0x80 else 0), 0
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            if at + 10 > len(data):
                break
            count += 1
            packed = data[at + 9]
            at += 11 + (3 << ((packed & 7) + 1) if packed & 0x80 else 0)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return max(count, 1)


def _orientation(image: Any) -> int:
    try:
        return valid(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 - broken EXIF should not cost the picture
        return 1
