"""HEIC and HEIF, as phones write them, by pillow-heif or its twin without encoders, pi-heif."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from veduta.engine.decode import kinds, room
from veduta.engine.decode.orientation import valid
from veduta.engine.decode.raster import Raster, refuse_huge
from veduta.errors import MissingPackage


class Heif:
    """Rotation and mirroring that the container states are applied by the library."""

    name = "HEIC"

    def claims(self, head: bytes) -> bool:
        return kinds.name_of(head) == "HEIC"

    def decode(self, data: bytes, limit: int) -> Raster:
        library = _library()
        file = library.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        first = file[file.primary_index]
        refuse_huge(*first.size)
        width, height = first.size
        room.take(width, height, 12)
        values = np.asarray(first)
        orientation = valid(library.set_orientation(dict(first.info)) or 1)
        bits = first.info.get("bit_depth") or None
        premultiplied = bool(getattr(first, "premultiplied_alpha", False))
        return Raster(values, "HEIC", orientation, True, len(file), 16 if values.dtype == np.uint16 else bits,
                      premultiplied=premultiplied)  # fmt: skip


def _library() -> Any:
    try:
        import pillow_heif

        return pillow_heif
    except ImportError:
        try:
            import pi_heif
        except ImportError:
            raise MissingPackage("pillow-heif", needed_by="reading HEIC", extra="formats") from None
        return pi_heif
