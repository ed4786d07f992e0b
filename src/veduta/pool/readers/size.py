"""The size of an image as its header states it."""

from __future__ import annotations

from veduta.errors import SourceError
from veduta.pool.readers import places


def header_size(uri: str) -> tuple[int, int] | None:
    """(width, height) in pixels of the displayed image, from its header; None where it cannot be told."""
    from PIL import Image

    try:
        with places.open_binary(uri) as stream, Image.open(stream) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(274, 1) >= 5 else (width, height)
    except (OSError, SourceError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
