"""Small pictures, made once and kept in the pool's folder.

One SQLite file, so that a million of them are one file to copy or throw away. A picture is named by the digest of its
image and its side, so that no version of the pool makes it stale. The file is only a cache: a damaged one is made anew,
and where it cannot be written the newest pictures are kept in memory.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from veduta.app.pictures import Pictures
from veduta.pool import Pool

Side = Literal[64, 128, 256, 512]
QUALITY, SMALL_QUALITY = 80, 92
AT_ONCE = 32 << 20
"""Bytes of originals in memory at a time, for one request; one original may be larger."""

HUGE = 1 << 24
"""Pixels from which on images are decoded one at a time: each may take hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class Original:
    """A whole image. row: its position. size: of the file in bytes."""

    row: int
    size: int
    pixels: int


class Thumbnails:
    """The pictures of one pool. Safe to use from several threads; one picture is made once however many ask for it."""

    def __init__(self, pool: Path) -> None:
        self.pictures = Pictures(pool / "thumbnails.sqlite")
        self._workers = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="thumbnail")
        self._huge = threading.Lock()
        self._lock = threading.Lock()
        self._coming: dict[tuple[str, int], Future[bytes]] = {}

    def get(self, pool: Pool, rows: Sequence[int], side: Side) -> list[bytes]:
        """A JPEG inside side x side pixels, oriented, for each row position; empty where there is no picture."""
        facts = pool.take(rows, ["digest", "bytes", "width", "height", "error"]).to_pylist()
        wanted: dict[str, Original] = {}
        for row, fact in zip(rows, facts, strict=True):
            if fact["digest"] and fact["error"] is None:
                pixels = (fact["width"] or 0) * (fact["height"] or 0)
                wanted[fact["digest"]] = Original(int(row), fact["bytes"] or pixels, pixels)
        found = self.pictures.read(list(wanted), side)
        missing = {digest: wanted[digest] for digest in wanted if digest not in found}
        found |= self._make(pool, missing, side) if missing else {}
        return [found.get(fact["digest"], b"") for fact in facts]

    def count(self) -> int:
        """How many are kept."""
        return self.pictures.count()

    def _make(self, pool: Pool, missing: dict[str, Original], side: Side) -> dict[str, bytes]:
        """Makes those that no other request is making, then waits for the others."""
        mine: dict[str, Future[bytes]] = {}
        with self._lock:
            for digest in missing:
                if (digest, side) not in self._coming:
                    self._coming[digest, side] = mine[digest] = Future()
            coming = {digest: self._coming[digest, side] for digest in missing}
        try:
            for part in _parts({digest: missing[digest] for digest in mine}):
                data = pool.read_images([missing[digest].row for digest in part])
                sure = [digest for digest, own in zip(part, data, strict=True) if own and _is(own, digest)]
                made = self._made(dict(zip(part, data, strict=True)), missing, set(sure), side)
                # What the row speaks of is kept; a referenced file that is away or another now may be back later.
                self.pictures.keep({digest: made[digest] for digest in sure}, side)
                for digest in part:
                    mine[digest].set_result(made[digest])
        finally:
            with self._lock:
                for digest, future in mine.items():
                    del self._coming[digest, side]
                    if not future.done():
                        future.set_result(b"")
        return {digest: future.result() for digest, future in coming.items()}

    def _made(
        self, originals: dict[str, bytes | None], about: dict[str, Original], sure: set[str], side: Side
    ) -> dict[str, bytes]:
        """The picture of each original. sure: those whose bytes are the row's own."""
        made = {digest: data for digest in sure if (data := originals[digest]) and _small(data, side)}
        rest = [digest for digest in originals if digest not in made]
        plain = [digest in sure and about[digest].pixels < HUGE for digest in rest]
        shrunk = self._workers.map(self._one, [originals[digest] for digest in rest], plain, [side] * len(rest))
        return made | dict(zip(rest, shrunk, strict=True))

    def _one(self, data: bytes | None, plain: bool, side: Side) -> bytes:
        if not data:
            return b""
        if plain:
            return thumbnail(data, side)
        with self._huge:
            return thumbnail(data, side)


def _parts(originals: dict[str, Original]) -> Iterator[list[str]]:
    """Their digests in the order of the rows, in parts whose files fit into memory."""
    part: list[str] = []
    held = 0
    for digest, own in sorted(originals.items(), key=lambda each: each[1].row):
        if part and held + own.size > AT_ONCE:
            yield part
            part, held = [], 0
        part.append(digest)
        held += own.size
    if part:
        yield part


def _is(data: bytes, digest: str) -> bool:
    return hashlib.sha256(data).hexdigest() == digest


def _small(data: bytes, side: int) -> bool:
    """Whether a file that was decoded once is its own small picture: a plain JPEG, upright, of no more pixels and bytes."""
    import simplejpeg

    if (
        len(data) > side * side
        or data[:3] != b"\xff\xd8\xff"
        or any(mark in data for mark in (b"Exif", b"ICC_PROFILE"))
    ):
        return False
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return False
    return max(height, width) <= side and colour in ("YCbCr", "Gray")


def thumbnail(data: bytes, side: int) -> bytes:
    """The picture as JPEG bytes inside side x side pixels, oriented, never enlarged; empty where it cannot be decoded."""
    import simplejpeg

    from veduta.judge.thumbnails import thumbnail as shrunk

    picture = shrunk(data, side)
    if picture is None:
        return b""
    quality = QUALITY if max(picture.size) == side else SMALL_QUALITY  # one smaller than its place is shown enlarged
    return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=quality, colorspace="RGB")
