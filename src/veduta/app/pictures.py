"""(digest, side) -> picture in one SQLite file, or in memory where there can be none."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MEMORY = 32 << 20
"""Bytes of pictures held in memory where the file cannot be written."""

_TABLE = (
    "create table if not exists pictures "
    "(digest text not null, side integer not null, picture blob not null, primary key (digest, side)) without rowid"
)


class Pictures:
    """A cache on disk. Nothing that is wrong with the file stops anything: a damaged one is made anew.

    Safe to use from several threads and processes.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._memory: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._held = 0
        self._file = self._opened()

    def read(self, digests: Sequence[str], side: int) -> dict[str, bytes]:
        """Those of the pictures that are kept."""
        with self._lock:
            found = {digest: self._memory[digest, side] for digest in digests if (digest, side) in self._memory}
            if self._file is None or not digests:
                return found
            marks = ",".join("?" * len(digests))
            question = f"select digest, picture from pictures where side = ? and digest in ({marks})"
            try:
                rows = self._file.execute(question, [side, *digests]).fetchall()
            except sqlite3.Error as error:
                self._recover(error)
                return found
        return found | {digest: picture for digest, picture in rows if _sound(picture)}

    def keep(self, pictures: dict[str, bytes], side: int) -> None:
        """Keep some; an empty one says that there is nothing to see."""
        if not pictures:
            return
        rows = [(digest, side, picture) for digest, picture in pictures.items()]
        with self._lock:
            if self._file is not None:
                try:
                    with self._file:
                        self._file.executemany("insert or replace into pictures values (?, ?, ?)", rows)
                    return
                except sqlite3.Error as error:
                    self._recover(error)
            for digest, _, picture in rows:
                self._held += len(picture) - len(self._memory.get((digest, side), b""))
                self._memory[digest, side] = picture
            while self._held > MEMORY:
                self._held -= len(self._memory.popitem(last=False)[1])

    def count(self) -> int:
        """How many are kept."""
        with self._lock, suppress(sqlite3.Error):
            if self._file is not None:
                return int(self._file.execute("select count(*) from pictures").fetchone()[0])
        return len(self._memory)

    def _opened(self) -> sqlite3.Connection | None:
        """The file, made anew if it is damaged; None where it cannot be written."""
        for _ in range(2):
            file = None
            try:
                file = sqlite3.connect(self.place, timeout=2, check_same_thread=False)
                file.execute("pragma journal_mode = wal")
                file.execute("pragma synchronous = off")  # only a cache
                file.execute(_TABLE)
                with file:
                    file.execute("delete from pictures where side < 0")  # fails here where nothing can be written
                return file
            except sqlite3.Error as error:
                if file is not None:
                    file.close()
                if not _damage(error):
                    return None
                self._remove()
        return None

    def _recover(self, error: sqlite3.Error) -> None:
        """A damaged file is made anew; one that is busy, or a full disk, is left as it is."""
        if _damage(error) and self._file is not None:
            self._file.close()
            self._remove()
            self._file = self._opened()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self.place.with_name(self.place.name + suffix).unlink(missing_ok=True)


def _damage(error: sqlite3.Error) -> bool:
    told = str(error)
    operational = isinstance(error, sqlite3.OperationalError)
    return not operational or "disk I/O" in told or "no such" in told or "no column" in told


def _sound(picture: object) -> bool:
    return isinstance(picture, bytes) and (not picture or picture.startswith(b"\xff\xd8"))
