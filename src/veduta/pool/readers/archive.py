"""Images in one zip or tar archive, read in place."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.item import Item
from veduta.pool.readers import images, members, places
from veduta.pool.readers.layout import Layout
from veduta.pool.readers.notes import Notes


class Archive:
    """A zip or tar of images; classes and splits from the folders inside, as for a folder of images.

    Nothing is unpacked to disk. Members with absolute paths or `..`, links, devices and encrypted members are refused
    by name. Items come sorted by path, except from a packed tar (.tar.gz, ...), which is read in its own order, twice.
    Memory: about 300 bytes a member.
    """

    def __init__(self, source: str | Path) -> None:
        self.name = str(source)
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._uri = places.absolute(self.name)
        self._packed = self._uri.lower().endswith(members.PACKED_TARS)
        if not places.exists(self._uri):
            raise SourceError(f"{source} does not exist; name an archive of images")

    def columns(self) -> dict[str, pa.DataType]:
        return {}

    def is_empty(self) -> bool:
        """Whether there is no image; stops at the first one."""
        return not any(_offered(m.path, None) for m in members.members(self._uri, Notes()))

    def items(self) -> Iterator[Item]:
        self.notes.clear()
        if self._packed:
            layout = Layout.of_paths(m.path for m in members.members(self._uri, Notes()) if _offered(m.path, None))
            found = members.members(self._uri, self.notes)
        else:
            listed = list(members.members(self._uri, self.notes))
            layout = Layout.of_paths(m.path for m in listed if _offered(m.path, None))
            found = iter(sorted(listed, key=lambda m: m.path))
        for member in found:
            if images.is_hidden(member.path) or not _offered(member.path, self.notes):
                continue
            fields = {k: v for k, v in layout.fields(member.path).items() if v is not None}
            yield Item(posixpath.normpath(member.path), member.uri, member.stamp, member.read, dict(fields))


def _offered(path: str, notes: Notes | None) -> bool:
    if images.is_image(path) and not images.is_hidden(path):
        return True
    if notes is not None:
        notes.skip(path, f"not an image by its name ({images.suffix(path) or 'no suffix'})")
    return False
