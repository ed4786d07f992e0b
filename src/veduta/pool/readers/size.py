"""The size of a picture from its header, and annotations in fractions of it turned into pixels."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from typing import Any

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import places
from veduta.pool.readers.tree import File

# Enough for nearly every header; a picture with more metadata is read as a whole.
_HEAD = 1 << 16


def of(file: File, *, stored: bool = False) -> tuple[int, int] | None:
    """Width and height in pixels as displayed, that is after EXIF orientation; None if the header cannot be read.

    stored: of the stored pixels, before EXIF orientation.
    """
    place, _, span = file.uri.partition("#range=")
    if place:
        start, size = (int(v) for v in span.split("+")) if span else (0, 1 << 62)
        try:
            with places.open_binary(place) as stream:
                stream.seek(start)
                found = header(stream.read(min(_HEAD, size)), stored)
        except OSError:
            return None
        if found:
            return found
    try:
        return header(file.read(), stored)
    except (OSError, SourceError):
        return None


def header_size(uri: str) -> tuple[int, int] | None:
    """`of` for the address of an image."""
    return of(File(places.base(uri), uri, partial(places.stamp, uri), partial(location.read, uri)))


def header(data: bytes, stored: bool = False) -> tuple[int, int] | None:
    """`of` for the bytes of an image, or the first of them."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # nothing is decoded here
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            turned = not stored and _orientation(image) >= 5
    except Exception:  # noqa: BLE001 - Pillow's plugins raise many types on damaged or cut headers
        return None
    return (height, width) if turned else (width, height)


def _orientation(image: Any) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking further would decode the pixels
    value = image.getexif().get(0x0112, 1)
    return value if isinstance(value, int) else 1


def in_pixels(thing: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """A COCO-like object with all coordinates in fractions of the picture as one with coordinates in pixels.

    `bbox` [x, y, w, h], `segmentation` as polygons, `keypoints` as (x, y, visibility) triples, `corners` [x, y, ...].
    """
    scale = (width, height)
    out = dict(thing)
    for name in ("bbox", "corners"):
        if thing.get(name) is not None:
            out[name] = _scaled(thing[name], scale)
    if thing.get("segmentation"):
        out["segmentation"] = [_scaled(ring, scale) for ring in thing["segmentation"]]
    if thing.get("keypoints"):
        factors = (width, height, 1)
        out["keypoints"] = [v * factors[i % 3] for i, v in enumerate(thing["keypoints"])]
    return out


RELATIVE = "relative coordinates in their attributes"


def without_pixels(thing: Mapping[str, Any]) -> dict[str, Any]:
    """The same object where the picture's size is unknown: its coordinates stay fractions, as attributes."""
    places_ = ("bbox", "corners", "segmentation", "keypoints")
    return {f"relative_{k}" if k in places_ else k: v for k, v in thing.items()}


def _scaled(values: Any, scale: tuple[int, int]) -> list[float]:
    return [v * scale[i % 2] for i, v in enumerate(values)]
