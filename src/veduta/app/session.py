"""The pool that is shown, at any of its versions."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from veduta.app.held import Held
from veduta.app.jobs import Jobs
from veduta.app.thumbnails import Thumbnails
from veduta.app.view import Views
from veduta.errors import BadInput, PoolAway
from veduta.pool import Pool
from veduta.pool.place import table_of

VERSIONS = 4
"""Versions that are held open."""


class Session:
    """One pool, open for the app. Safe to use from several threads.

    A version never changes, so that whatever is read from one may be kept (see `app.held`).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.lock = threading.RLock()
        self._open: OrderedDict[int, Pool] = OrderedDict()
        self._newest = Pool.open(self.path)
        self._folder = _folder(self.path)
        self.held = Held()
        self.jobs = Jobs(self.path)
        self.views = Views(self.path, self.held)
        self.thumbnails = Thumbnails(self.path)

    def newest(self) -> int:
        """The newest version; another program may have written it."""
        with self.lock:
            self._stay()
            self._newest.refresh()
            return self._newest.version

    def damage(self) -> str | None:
        """What is wrong with newer versions than those that can be read; None in a sound pool."""
        damage = self._newest.damage
        return str(damage) if damage else None

    def pool(self, version: int | None = None) -> Pool:
        """The pool at a version (None: the newest), for reading. Raises BadInput for a version there is not."""
        with self.lock:
            self._stay()
            number = self.newest() if version is None else version
            found = self._open.get(number)
            if found is None:
                if number < 1 or number > self.newest():
                    raise BadInput(f"{self.path} has no version {number}; its newest is {self.newest()}")
                found = self._open[number] = Pool.open(self.path, number)
                while len(self._open) > VERSIONS:
                    self._open.popitem(last=False)
            self._open.move_to_end(number)
            return found

    def writable(self) -> Pool:
        """The pool to change: another object than those that are read."""
        self._stay()
        return Pool.open(self.path)

    def _stay(self) -> None:
        """Raise PoolAway unless the pool that was opened is still there: another one may have taken its place."""
        now = _folder(self.path)
        if now is None:
            raise PoolAway(
                f"{self.path} is no longer there; bring it back, or end this server and show the pool where it is now"
            )
        if now != self._folder:
            raise PoolAway(f"another pool lies in {self.path} now; start veduta view again to see it")


def _folder(path: Path) -> tuple[int, int] | None:
    """What tells the table's folder from any other of this machine, also after a move; None if there is none."""
    try:
        found = os.stat(table_of(path))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _session(request: Request) -> Session:
    return request.app.state.session


Here = Annotated[Session, Depends(_session)]
"""As a parameter of an endpoint: the open pool."""
