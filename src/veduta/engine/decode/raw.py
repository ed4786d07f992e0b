"""Camera RAW by rawpy (LibRaw), developed with the camera's white balance."""

from __future__ import annotations

import io

from veduta.engine.decode import room, tags
from veduta.engine.decode.raster import Raster, refuse_huge
from veduta.errors import MissingPackage, Undecodable
from veduta.pool.limits import DECODING

_STARTS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"\0MRM", b"FOVb", b"II\x1a\0\0\0HEAPCCDR")
_MAKERS = (b"NIKON", b"SONY", b"PENTAX", b"SAMSUNG", b"Hasselblad", b"Phase One", b"Leaf", b"EASTMAN KODAK", b"SEIKO")
_MAKE, _SUBFILE, _SUB_DIRECTORIES, _DNG, _MEANING = 271, 254, 330, 50706, 262
_MOSAIC = (32803, 34892)

# LibRaw's turns as EXIF orientations.
_TURNS = {0: 1, 3: 3, 5: 8, 6: 6}


class CameraRaw:
    """CR2, CR3, NEF, ARW, DNG, RAF, ORF, RW2, PEF, SRW and what else LibRaw knows."""

    name = "camera RAW"

    def claims(self, head: bytes) -> bool:
        if head.startswith(_STARTS) or head[4:12] == b"ftypcrx ":
            return True
        if not tags.is_tiff(head):
            return False
        if head[8:10] == b"CR":
            return True
        first = next(tags.directories(head), {})
        if _DNG in first or any(v in _MOSAIC for v in first.get(_MEANING, ())):
            return True
        maker = bytes(v & 255 for v in first.get(_MAKE, ()))
        # A maker's RAW begins with a small preview and has the picture in a directory of its own.
        return _SUB_DIRECTORIES in first and first.get(_SUBFILE) == (1,) and maker.startswith(_MAKERS)

    def decode(self, data: bytes, limit: int) -> Raster:
        try:
            import rawpy
        except ImportError:
            raise MissingPackage("rawpy", needed_by="reading camera RAW", extra="formats") from None
        try:
            with rawpy.imread(io.BytesIO(data)) as raw:
                width, height = raw.sizes.raw_width, raw.sizes.raw_height
                refuse_huge(width, height)
                room.take(width, height, min(16, DECODING.bytes // (width * height)))  # the largest sensors take it all
                values = raw.postprocess(use_camera_wb=True, output_bps=8)
                return Raster(values, "RAW", _TURNS.get(raw.sizes.flip, 1), True)
        except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError):
            raise Undecodable("unsupported: camera RAW of a kind that LibRaw does not read") from None
