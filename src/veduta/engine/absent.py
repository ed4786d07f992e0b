"""Whether rows that a source does not offer are gone, or only out of reach."""

from __future__ import annotations

import calendar
import os
import time
from functools import cache

from veduta.engine import origin as origins
from veduta.pool import Pool, Reader, location


class Absent:
    """Says of a row why its image cannot be seen now, as far as the source could not be listed as a whole.

    A folder that cannot be listed, a damaged archive, a link that leads nowhere, a mount point without its drive: what lies
    behind them is away. Everything else that is not offered is gone.
    """

    def __init__(self, pool: Pool, reader: Reader, origin: str, offered: int) -> None:
        self._root = "" if location.is_remote(origin) else origin
        self.former: list[str] = []
        """Where the source was before it moved: the places of its rows there are looked for here."""
        self._whole = "" if offered else f"{reader.name} offers nothing now"
        self._parts: list[tuple[str, str]] = []
        notes = getattr(reader, "notes", None)
        for name, reason in notes.hidden if notes is not None else getattr(reader, "problems", []):
            if name:
                self._parts.append((name, f"{name} {reason}" if name.endswith("/") else reason))
            else:
                self._whole = self._whole or reason
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
