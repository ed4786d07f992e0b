"""The body of a response: read with a bound, then looked at without decoding it."""

from __future__ import annotations

import io
import warnings
import zlib

import httpcore

from veduta.pool.fetch.outcome import Status


async def read_body(response: httpcore.Response, headers: dict[str, str], most: int) -> bytes | None:
    """The whole body, or None as soon as it is known to exceed `most` bytes (packed or unpacked)."""
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        return None
    parts, size = [], 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > most:
            return None
        parts.append(chunk)
    body = b"".join(parts)
    if headers.get("content-encoding", "identity").lower() in ("gzip", "x-gzip", "deflate"):
        return _unpacked(body, most)
    return body


def _unpacked(body: bytes, most: int) -> bytes | None:
    """A server that packs against our request; a bomb stops at the bound, a damaged stream is passed on as it is."""
    try:
        plain = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, most + 1)
    except zlib.error:
        return body
    return None if len(plain) > most else plain


def checked_body(body: bytes, least: int, most_pixels: int) -> tuple[Status, str]:
    """FETCHED, or what is wrong with the body. Only the image's header is read; decoding comes at ingest."""
    if len(body) < least:
        return Status.TOO_SMALL, f"{len(body)} bytes (the minimum is {least})"
    try:
        size = _size(body)
    except ValueError as error:
        return Status.PIXELS, str(error)
    if size and size[0] * size[1] > most_pixels:
        return Status.PIXELS, f"{size[0]} x {size[1]} (the limit is {most_pixels})"
    return Status.FETCHED, ""


def _size(body: bytes) -> tuple[int, int] | None:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(body), formats=("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")) as image:
                return image.size
        except Image.DecompressionBombError as error:  # Pillow's own limit, which other code may have moved
            raise ValueError(str(error)) from None
        except Exception:  # noqa: BLE001 - what cannot be opened gets its reason from the decoder at ingest
            return None
