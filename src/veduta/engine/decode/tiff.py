"""TIFF, told apart by its tags: Pillow for the kinds that it reads rightly, tifffile for the others.

Samples of one band, palettes, 8-bit colours, CMYK, YCbCr and Lab are Pillow's. Sixteen-bit colours, 64-bit and signed
samples, more bands than four and bands in planes are tifffile's; of more than three bands without a meaning the first
three are shown. A kind that neither reads is "unsupported", never "corrupt".
"""

from __future__ import annotations

import io
import logging
import zlib

import numpy as np

from veduta.engine.decode import by_pillow, kinds, room, tags
from veduta.engine.decode.orientation import valid
from veduta.engine.decode.raster import THREE_BANDS, Decoded, Raster, finish, refuse_huge
from veduta.errors import Undecodable

_PHOTOMETRIC = {4: "a transparency mask", 32803: "a camera's raw mosaic", 32844: "LogL", 32845: "LogLuv"}
_PHOTOMETRIC |= {34892: "a camera's linear raw", 9: "ICC Lab", 10: "ITU Lab", 51177: "a depth map"}
_COMPRESSION = {2: "CCITT", 3: "CCITT G3", 4: "CCITT G4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 32773: "PackBits"}
_COMPRESSION |= {34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL"}
_COMPRESSION |= {32771: "words"}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PACKED, _MEANING, _BANDS = 254, 256, 257, 258, 259, 262, 277
_ORIENTATION, _PLANES, _EXTRA, _FORMAT = 274, 284, 338, 339
_REDUCED_OR_MASK = 1 | 4


def decode_tiff(data: bytes, side: int | None) -> Decoded:
    """Raises Undecodable, which names the kind where it is not supported."""
    first, frames = None, 0
    for directory in tags.directories(data):
        first = directory if first is None else first
        frames += not (_one(directory, _SUBFILE, 0) & _REDUCED_OR_MASK)
    if not first or _WIDTH not in first or _HEIGHT not in first:
        raise Undecodable("corrupt TIFF: its header cannot be read")
    frames = max(frames, 1)
    bands = _one(first, _BANDS, 1)
    bits = first.get(_BITS) or (1,)
    pixel_bytes = max(1, bands * max(bits) // 8)
    refuse_huge(_one(first, _WIDTH, 0), _one(first, _HEIGHT, 0), pixel_bytes)
    meaning = _one(first, _MEANING, 1 if bands < 3 else 2)
    if meaning in _PHOTOMETRIC:
        raise Undecodable(f"unsupported: a TIFF of {_PHOTOMETRIC[meaning]}; convert it to PNG or JPEG")
    if _one(first, _PACKED, 1) not in (1, 8, 32946, *_COMPRESSION):
        raise Undecodable(f"unsupported: {_kind(first, bits, bands)}; convert it to PNG or JPEG")
    if _is_pillows(first, bits, bands, meaning):
        inverted = meaning == 0 and max(bits) > 8
        return by_pillow.decode(data, side, white_is_zero=inverted, frames=frames)
    room.take(_one(first, _WIDTH, 0), _one(first, _HEIGHT, 0), 2 * pixel_bytes + 6)
    return finish(_by_tifffile(data, first, bits, bands, meaning, frames), side)


def _is_pillows(first: tags.Tags, bits: tuple[int, ...], bands: int, meaning: int) -> bool:
    kind, depth = _one(first, _FORMAT, 1), bits[0]
    if len(set(bits)) > 1:
        return False
    planes = _one(first, _PLANES, 1) == 2 and bands > 1
    if bands == 1 and meaning in (0, 1):
        if depth in (1, 2, 4, 8):
            return kind in (1, 4)
        return (depth, kind) in ((12, 1), (16, 1), (32, 3)) and (meaning == 1 or depth != 12)
    if depth != 8 or kind not in (1, 4) or (planes and bands > 3):
        return meaning == 3 and bands == 1 and depth in (1, 2, 4)
    extra = first.get(_EXTRA, ())
    return (meaning, bands) in ((1, 2), (2, 3), (2, 4), (3, 1), (5, 4), (6, 3), (8, 3)) and len(extra) <= 1


def _by_tifffile(data: bytes, first: tags.Tags, bits: tuple[int, ...], bands: int, meaning: int, frames: int) -> Raster:
    import tifffile

    tifffile.logger().setLevel(logging.CRITICAL)  # its complaints about a damaged file are in the row's error
    kind = _kind(first, bits, bands)
    _check_segments(data, first, _one(first, _WIDTH, 1) * _one(first, _HEIGHT, 1) * bands * max(bits) // 8)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            if page.dtype is None:
                raise Undecodable(f"unsupported: {kind}; convert it to PNG or JPEG")
            values = np.asarray(page.asarray(maxworkers=1))
            table = page.colormap if meaning == 3 else None
        if bands > 1 and _one(first, _PLANES, 1) == 2:
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(_one(first, _HEIGHT, 1), _one(first, _WIDTH, 1), bands)
        return _shown(values, table, first, bits, meaning, frames, kind)
    except Undecodable:
        raise
    except MemoryError:
        raise Undecodable("no memory for the pixels") from None
    except Exception as error:  # noqa: BLE001 - tifffile raises many types on damaged files; each is a verdict on the file
        said = kinds.words(error)
        if "imagecodecs" in said or "requires the" in said:
            raise Undecodable(kinds.missing(kind)) from None
        if "not supported" in said:
            raise Undecodable(f"unsupported: {kind}: {said}; convert it to PNG or JPEG") from None
        raise Undecodable(f"corrupt TIFF: {said}") from None


def _shown(
    values: np.ndarray,
    table: np.ndarray | None,
    first: tags.Tags,
    bits: tuple[int, ...],
    meaning: int,
    frames: int,
    kind: str,
) -> Raster:
    """The bands that are looked at, by what the tags say that they mean."""
    orientation, remarks, premultiplied = valid(_one(first, _ORIENTATION, 1)), (), False
    extra, bands = first.get(_EXTRA, ()), values.shape[2]
    if np.iscomplexobj(values):
        raise Undecodable(f"unsupported: {kind}; convert it to PNG or JPEG")
    if meaning == 3 and table is not None:
        return Raster(table[:, values[..., 0].astype(np.int64)].transpose(1, 2, 0), "TIFF", orientation, frames=frames)
    if meaning == 5 and bands >= 4:
        values = _inks(values[..., :4], max(bits))
    elif meaning in (6, 8):
        raise Undecodable(f"unsupported: {kind}; convert it to PNG or JPEG")
    else:
        colours = 3 if meaning == 2 and bands >= 3 else 1
        alpha = extra[0] if len(extra) == bands - colours and extra and extra[0] in (1, 2) else 0
        if alpha:
            premultiplied = alpha == 1
            chosen = [*range(colours), colours]
        else:
            chosen = list(range(3 if bands >= 3 else 1))
        remarks = (THREE_BANDS,) if bands > max(len(chosen), 3) or (bands == 2 and not alpha) else ()
        values = values[..., chosen]
    stated = max(bits) if max(bits) not in (8, 16, 32, 64) else None
    return Raster(
        values, "TIFF", orientation, frames=frames, bits=stated, white_is_zero=meaning == 0,
        premultiplied=premultiplied, remarks=remarks,
    )  # fmt: skip


def _inks(values: np.ndarray, bits: int) -> np.ndarray:
    """CMYK by Pillow's plain formula, as RGB of the same depth."""
    top = float((1 << bits) - 1)
    rest = 1 - values.astype(np.float32) / top
    return np.rint(rest[..., :3] * rest[..., 3:] * 255).astype(np.uint8)


def _check_segments(data: bytes, first: tags.Tags, size: int) -> None:
    """Refuse strips and tiles beyond the end of the file, and those that unfold to far more than the picture."""
    starts = first.get(324) or first.get(273, ())
    sizes = first.get(325) or first.get(279, ())
    for start, length in zip(starts, sizes, strict=False):
        if start + length > len(data):
            raise Undecodable("truncated TIFF: the file ends before the image does")
    if _one(first, _PACKED, 1) not in (8, 32946) or sum(sizes) < 1 << 20:
        return
    left = 4 * size + (64 << 20)
    for start, length in zip(starts, sizes, strict=False):
        unpacker, packed = zlib.decompressobj(), data[start : start + length]
        while packed and not unpacker.eof:
            try:
                left -= len(unpacker.decompress(packed, 1 << 20))
            except zlib.error:
                break
            packed = unpacker.unconsumed_tail
            if left < 0:
                raise Undecodable("corrupt TIFF: its data unfold to more than the picture holds")


def _kind(first: tags.Tags, bits: tuple[int, ...], bands: int) -> str:
    sample = {1: "", 2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}.get(_one(first, _FORMAT, 1), "")
    packed = _one(first, _PACKED, 1)
    how = "" if packed in (1, 8, 32946) else f", packed by {_COMPRESSION.get(packed, f'method {packed}')}"
    return f"a TIFF of {bands} {'band' if bands == 1 else 'bands'} of {max(bits)}-bit {sample}samples{how}"


def _one(directory: tags.Tags, tag: int, default: int) -> int:
    return next(iter(directory.get(tag, ())), default)
