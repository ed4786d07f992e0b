"""Small pictures inside a page: original bytes of rows to JPEG data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from veduta.engine.decode import decode
from veduta.errors import Undecodable

if TYPE_CHECKING:
    from PIL import Image

    from veduta.judge.pictures import Picture
    from veduta.pool import View

AT_ONCE = 32  # originals in memory at a time
BUDGET = 2_000_000  # bytes of JPEG a page may hold; about a third more as base64


def thumbnail(data: bytes | None, side: int) -> Image.Image | None:
    """The picture, oriented, inside `side` x `side` pixels; None where there is no picture to be had."""
    from PIL import Image

    if not data:
        return None
    try:
        decoded = decode(data, side=side)
    except Undecodable:
        return None
    picture = Image.fromarray(decoded.pixels)
    scale = min(1.0, side / max(picture.size))
    width, height = (max(1, round(edge * scale)) for edge in picture.size)
    return picture.resize((width, height), Image.Resampling.HAMMING) if scale < 1 else picture


def thumbnails(
    pool: View, rows: Sequence[int] | np.ndarray, side: int = 160, threads: int = 4
) -> Iterator[tuple[Image.Image, str] | None]:
    """Thumbnails of row positions in order, each with its data URI; None where there is no picture.

    Never fails on a picture; memory for 32 originals at a time.
    """

    def make(data: bytes | None) -> tuple[Image.Image, str] | None:
        picture = thumbnail(data, side)
        return None if picture is None else (picture, data_uri(picture))

    with ThreadPoolExecutor(threads, thread_name_prefix="thumbnail") as workers:
        for start in range(0, len(rows), AT_ONCE):
            yield from workers.map(make, pool.read_images(list(rows[start : start + AT_ONCE])))


def data_uri(picture: Image.Image, quality: int = 72) -> str:
    """The picture as a JPEG data URI."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def side_for(pictures: int) -> int:
    """The long side in pixels at which so many thumbnails stay within the budget of a page (0.2 bytes a pixel)."""
    room = BUDGET / max(1, pictures)
    return int(np.clip((room / 0.2) ** 0.5, 112, 320))


def fill(pool: View, pictures: Sequence[Picture], side: int | None = None) -> dict[int, Image.Image]:
    """Give every picture with a `row` its source; returns the thumbnails by row."""
    rows = sorted({picture.row for picture in pictures if picture.row is not None})
    side = side or side_for(len(pictures))
    found = {row: made for row, made in zip(rows, thumbnails(pool, rows, side), strict=True) if made is not None}
    for picture in pictures:
        if picture.row in found:
            image, picture.src = found[picture.row]
            picture.width, picture.height = image.size
    return {row: image for row, (image, _) in found.items()}


def mosaic(images: Sequence[Image.Image], width: int = 1600, height: int = 150) -> Image.Image | None:
    """A banner: pictures side by side at one height, cropped to the width; None without pictures."""
    from PIL import Image, ImageOps

    if not images:
        return None
    banner = Image.new("RGB", (width, height))
    tiles = max(1, width // height)
    edges = np.linspace(0, width, tiles + 1).astype(int)
    for i, (left, right) in enumerate(pairwise(edges.tolist())):
        picture = images[i * len(images) // tiles] if len(images) >= tiles else images[i % len(images)]
        banner.paste(ImageOps.fit(picture, (right - left, height)), (left, 0))
    return banner
