"""Small pictures, made once and kept in the pool's folder.

One SQLite file, so that a million of them are one file to copy or throw away. A picture is named by the digest of its
image and its side, so that no version of the pool makes it stale. The file is only a cache: a damaged one is made anew,
and where it cannot be written the pictures are made again.
"""

from __future__ import annotations

import io
import os
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from veduta.engine.decode import decode
from veduta.errors import Undecodable
from veduta.pool import Pool

Side = Literal[64, 128, 256, 512]
FILE = "thumbnails.sqlite"
QUALITY = 78
AT_ONCE = 32
"""Originals in memory at a time."""


class Thumbnails:
    """The pictures of one pool. Safe to use from several threads."""

    def __init__(self, pool: Path) -> None:
        self.place = pool / FILE
        self._local = threading.local()
        self._write = threading.Lock()
        self._workers = ThreadPoolExecutor(max(2, (os.cpu_count() or 2)), thread_name_prefix="thumbnail")
        self._broken = False

    def get(self, pool: Pool, rows: Sequence[int], side: Side) -> list[bytes]:
        """A JPEG inside side x side pixels, oriented, for each row position; empty where there is no picture."""
        digests = [digest or "" for digest in pool.take(rows, ["digest"]).column(0).to_pylist()]
        found = self._read(digests, side)
        missing = [i for i, digest in enumerate(digests) if digest not in found]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            originals = pool.read_images([rows[i] for i in part])
            made = list(self._workers.map(lambda data: thumbnail(data, side), originals))
            fresh = {digests[i]: picture for i, picture in zip(part, made, strict=True)}
            # A referenced file that is away now may be back later: no picture is not kept.
            self._keep({digest: picture for digest, picture in fresh.items() if picture and digest}, side)
            found |= fresh
        return [found[digest] for digest in digests]

    def count(self) -> int:
        """How many are kept."""
        with suppress(sqlite3.Error):
            return int(self._connection().execute("select count(*) from pictures").fetchone()[0])
        return 0

    def _connection(self) -> sqlite3.Connection:
        found = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.place, timeout=5, isolation_level=None)
            self._local.connection = found
            found.execute("pragma journal_mode=wal")
            found.execute("pragma synchronous=off")  # only a cache
            found.execute(
                "create table if not exists pictures "
                "(digest text not null, side integer not null, picture blob not null, primary key (digest, side)) without rowid"
            )
        return found

    def _read(self, digests: Sequence[str], side: int) -> dict[str, bytes]:
        if self._broken:
            return {}
        marks = ",".join("?" * len(digests))
        try:
            rows = self._connection().execute(
                f"select digest, picture from pictures where side = ? and digest in ({marks})", [side, *digests]
            )
            return dict(rows.fetchall())
        except sqlite3.DatabaseError as error:
            self._recover(error)
            return {}

    def _keep(self, pictures: dict[str, bytes], side: int) -> None:
        if self._broken or not pictures:
            return
        try:
            with self._write:
                self._connection().executemany(
                    "insert or ignore into pictures values (?, ?, ?)", [(d, side, p) for d, p in pictures.items()]
                )
        except sqlite3.DatabaseError as error:
            self._recover(error)

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """A file that is no database is removed; one that cannot be written, or a full disk, ends the keeping."""
        self._local.connection = None
        if isinstance(error, sqlite3.OperationalError):
            self._broken = "locked" not in str(error)
            return
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self.place.with_name(FILE + suffix).unlink(missing_ok=True)


def thumbnail(data: bytes | None, side: int) -> bytes:
    """The picture as JPEG bytes inside side x side pixels, oriented; empty where it cannot be decoded."""
    from PIL import Image

    if not data:
        return b""
    try:
        picture = Image.fromarray(decode(data, side=side).pixels)
    except Undecodable:
        return b""
    scale = side / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(edge * scale)) for edge in picture.size)
        picture = picture.resize((width, height), Image.Resampling.HAMMING)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
