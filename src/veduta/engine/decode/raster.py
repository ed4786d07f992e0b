"""What a decoder gives, and what becomes of it: uint8 RGB, upright, on a ground, reduced where less is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veduta.engine.decode import ground, samples
from veduta.engine.decode.orientation import orient
from veduta.errors import Undecodable

# Larger headers are refused before any memory is taken; 2^28 pixels are 805 MB of RGB.
MAX_PIXELS = 1 << 28

# The same bound for all the bands and bytes of a sample together.
MAX_BYTES = 8 * MAX_PIXELS

FIRST_FRAME = "animations and files of several pages or pictures (the first is read)"
THREE_BANDS = "files of more bands than red, green and blue (the first three are read)"


@dataclass(frozen=True, slots=True)
class Decoded:
    """pixels: (h, w, 3) uint8, possibly reduced; width, height: of the full oriented image, in pixels.

    orientation: the EXIF number of what was applied, 1 for none. frames: of the file; the first one is in `pixels`.
    remarks: what had to be decided or left out, in words that can be counted.
    """

    pixels: np.ndarray
    width: int
    height: int
    format: str
    orientation: int
    frames: int = 1
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raster:
    """The samples of an image as a decoder found them.

    samples: (h, w) grey, or (h, w, c) of 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; any integer or float type.
    orientation: the EXIF number; upright: whether it is applied already. bits: of a sample that count, where the file
    says so. white_is_zero: grey that is stored inverted. premultiplied: colours hold their alpha already.
    """

    samples: np.ndarray
    format: str
    orientation: int = 1
    upright: bool = False
    frames: int = 1
    bits: int | None = None
    white_is_zero: bool = False
    premultiplied: bool = False
    remarks: tuple[str, ...] = ()


def finish(raster: Raster, side: int | None) -> Decoded:
    """A raster as it is shown. Raises Undecodable where it has no form of a picture."""
    values = raster.samples[..., None] if raster.samples.ndim == 2 else raster.samples
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        raise Undecodable(f"unsupported: {raster.format} samples of the shape {raster.samples.shape}")
    refuse_huge(values.shape[1], values.shape[0])
    alpha, bits = None, raster.bits
    if values.shape[2] in (2, 4):
        values, alpha = values[..., :-1], values[..., -1]
        if values.dtype.kind == "u" and values.size:
            # Alpha counts as many bits as the colours, or its full range where it needs more.
            whole = 8 * values.dtype.itemsize
            bits = bits or whole if raster.premultiplied else bits
            depth = samples.depth_of(int(values.max()), bits)
            alpha, _ = samples.to_bytes(alpha, depth if int(alpha.max()) < 1 << depth else whole)
        else:
            alpha, _ = samples.to_bytes(alpha)
    colour, remark = samples.to_bytes(values, bits)
    if raster.white_is_zero:
        colour = 255 - colour
    colour = np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour
    remarks = [*raster.remarks, *([remark] if remark else [])]
    if alpha is not None:
        colour, dark = ground.lay(colour, alpha, raster.premultiplied)
        remarks += [ground.DARK] if dark else []
    turn = 1 if raster.upright else raster.orientation
    pixels = orient(colour, turn)
    height, width = pixels.shape[:2]
    scale = reduction(width, height, side)
    if scale > 1:
        from PIL import Image

        pixels = np.asarray(Image.fromarray(pixels).reduce(scale))
    remarks += [FIRST_FRAME] if raster.frames > 1 else []
    return Decoded(pixels, width, height, raster.format, raster.orientation, raster.frames, tuple(remarks))


def reduction(width: int, height: int, side: int | None) -> int:
    """The largest of 1, 2, 4, 8 that leaves the short side >= `side`."""
    short = min(width, height)
    return next((s for s in (8, 4, 2) if side and short // s >= side), 1)


def refuse_huge(width: int, height: int, sample_bytes: int = 1) -> None:
    """Raise Undecodable for sizes that no memory should be taken for. sample_bytes: of one pixel, all bands together."""
    if width * height > MAX_PIXELS or width * height * sample_bytes > MAX_BYTES:
        many = f" of {sample_bytes} bytes" if sample_bytes > 1 else ""
        raise Undecodable(f"too large: {width} x {height} pixels{many} (the limit is {MAX_PIXELS:,} pixels)")
    if width < 1 or height < 1:
        raise Undecodable(f"no pixels: {width} x {height}")
