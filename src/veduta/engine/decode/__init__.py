"""Bytes to pixels, once and the same way everywhere.

What pixels mean here: uint8 RGB, EXIF orientation applied, the first frame of an animation or page of a document, alpha
and palette transparency over white (over black where white would hide the picture, see `ground`), CMYK converted by
Pillow's plain formula, samples of more than 8 bits scaled by the rule in `samples`. ICC profiles are not applied. The
whole file is decoded, so a truncated one is found here and not in the middle of a training run.
"""

from __future__ import annotations

from veduta.engine.decode import kinds, plugins, room, tags
from veduta.engine.decode.by_pillow import FORMATS, to_rgb
from veduta.engine.decode.by_pillow import decode as _decode_by_pillow
from veduta.engine.decode.jpeg import decode_jpeg
from veduta.engine.decode.orientation import orient
from veduta.engine.decode.raster import MAX_PIXELS, Decoded, Raster
from veduta.engine.decode.tiff import decode_tiff
from veduta.errors import Undecodable

__all__ = ["FORMATS", "MAX_PIXELS", "Decoded", "Raster", "decode", "orient", "to_rgb"]


def decode(data: bytes, side: int | None = None) -> Decoded:
    """Decode an image file.

    With `side`, a larger image is reduced by a power of two while its short side stays >= `side` (JPEG inside the
    decoder, others by area averaging), which costs a fraction of the full decode.
    Raises Undecodable with the reason in words.
    """
    if not data:
        raise Undecodable("the file is empty")
    with room.decoding():
        return _decode(data, side)


def _decode(data: bytes, side: int | None) -> Decoded:
    if data[:3] == b"\xff\xd8\xff":
        done = decode_jpeg(data, side)
        if done is not None:
            return done
        return _decode_by_pillow(data, side)
    if tags.is_tiff(data):
        return plugins.ask(data, side) or decode_tiff(data, side)  # camera RAW looks like TIFF
    if kinds.name_of(data) not in FORMATS:
        done = plugins.ask(data, side)
        if done is not None:
            return done
    return _decode_by_pillow(data, side)
