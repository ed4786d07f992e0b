"""Whether rows that a source does not offer are gone, or only out of reach."""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.engine import origin as origins
from veduta.pool import Item, Pool, Reader, location
from veduta.pool.readers import places
from veduta.pool.readers.notes import Notes


class Unseen:
    """A source that cannot be opened now, in the place of its reader: it offers nothing, and hides everything."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error = name, error
        self.place, self.layout_title = _place(name), "nothing, since it cannot be opened now"
        self.notes = Notes()
        self.notes.hidden.append(("", str(error).partition("; ")[0]))
        self.skipped, self.problems = self.notes.skipped, self.notes.problems

    def columns(self) -> dict[str, pa.DataType]:
        return {}

    def items(self) -> Iterator[Item]:
        return iter(())


def is_known(pool: Pool, source: Any) -> bool:
    """Whether the pool was filled from this source before."""
    return isinstance(source, (str, Path)) and _place(str(source)) in origins.recorded(pool)


def _place(name: str) -> str:
    return name.rstrip("/") if location.is_remote(name) or name.startswith("hf:") else places.absolute(name)


class Absent:
    """Says of a row why its image cannot be seen now, as far as the source could not be listed as a whole.

    A folder that cannot be listed, a damaged archive, a link that leads nowhere, a mount point without its drive: what lies
    behind them is away. Everything else that is not offered is gone.
    """

    def __init__(self, pool: Pool, reader: Reader, origin: str, offered: int) -> None:
        self._root = "" if location.is_remote(origin) else origin
        self.former: list[str] = []
        """Where the source was before it moved: the places of its rows there are looked for here."""
        self._whole = ""
        self._parts: list[tuple[str, str]] = []
        notes = getattr(reader, "notes", None)
        for name, reason in notes.hidden if notes is not None else getattr(reader, "problems", []):
            if name:
                self._parts.append((name, f"{name} {reason}" if name.endswith("/") else reason))
            else:
                self._whole = self._whole or reason
        if not offered:
            self._whole = self._whole or next((r for _, r in self._parts), f"{reader.name} offers nothing now")
        started = [r.started for r in pool.lineage() if r.operation == "ingest" and r.started]
        self._last = calendar.timegm(time.strptime(max(started), "%Y-%m-%dT%H:%M:%SZ")) if started else 0.0
        self._behind = cache(self._folder)

    def why(self, key: str, uri: str) -> str:
        """Why the row cannot be seen now; "" if it is gone."""
        if self._whole:
            return self._whole
        for part, reason in self._parts:
            if key == part or key.startswith(part.rstrip("/") + "/"):
                return reason
        place = uri.partition("#range=")[0]
        was = next((old for old in self.former if origins.within(place, old)), None)
        if was is not None:
            place = self._root + place[len(was.rstrip("/")) :]
        if not self._root or not place or location.is_remote(place) or not origins.within(place, self._root):
            return ""
        return self._behind(os.path.dirname(os.fspath(location.local(place))))

    def _folder(self, path: str) -> str:
        """Why what lies in a local folder cannot be seen now, "" if it can."""
        root = os.fspath(location.local(self._root))
        try:
            while origins.within(path, root) and path != root:
                if os.path.islink(path) and not os.path.exists(path):
                    return f"the link {path} leads nowhere"
                if os.path.isdir(path):
                    empty = not os.listdir(path)
                    # Whoever empties a folder changes it; the folder below a drive that is not mounted is an older one.
                    if empty and os.stat(path).st_mtime < self._last:
                        return f"the folder {path} is empty, as if its drive were not mounted"
                    return ""
                path = os.path.dirname(path)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        return ""
