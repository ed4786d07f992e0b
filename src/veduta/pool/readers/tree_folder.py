"""A folder on the local disk or on any fsspec file system as a tree of files."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from functools import partial

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import images, kinds, places
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.places import Entry
from veduta.pool.readers.tree import File


class FolderTree:
    """All visible files below a folder; links to folders are followed once. Memory: the names in the folders on the way."""

    def __init__(self, source: str) -> None:
        self.name = source
        self.root = places.absolute(source)
        if not places.is_folder(self.root):
            raise SourceError(f"{source} is not a folder; name a folder of images")

    def check(self) -> None:
        """Raise SourceError if the folder itself cannot be listed."""
        try:
            places.listing(self.root)
        except OSError as error:
            words = error.strerror or error
            raise SourceError(f"{self.name} cannot be listed: {words}; check its permissions") from None

    def files(self, notes: Notes) -> Iterator[File]:
        links = _Links(self.root, notes)
        stack = [iter(_sorted("", self.root, notes))]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            path, entry = step
            if not entry.is_folder:
                yield _file(path, entry.uri)
            elif not entry.is_link or links.may_enter(path, entry):
                stack.append(iter(_sorted(f"{path}/", entry.uri, notes)))

    def find(self, path: str) -> File | None:
        path = posixpath.normpath(path)
        if path.startswith(("../", "/")) or path == ".." or images.is_hidden(path):
            return None
        uri = places.join(self.root, path)
        return _file(path, uri) if places.exists(uri) and not places.is_folder(uri) else None

    def place(self, path: str) -> str:
        return places.join(self.root, path)


def _file(path: str, uri: str) -> File:
    return File(path, uri, partial(places.stamp, uri), partial(location.read, uri, kinds.most(path)))


def _sorted(prefix: str, folder: str, notes: Notes) -> list[tuple[str, Entry]]:
    try:
        found = places.listing(folder)
    except OSError as error:
        words = f"the folder cannot be listed: {error.strerror or error}"
        notes.problem(prefix or ".", words, hides="name" if prefix else "all")
        return []
    entries = [e for e in found if not images.is_hidden(e.name)]
    if len(entries) < len(found):
        notes.count("hidden files and folders passed over", len(found) - len(entries))
    entries.sort(key=lambda e: f"{e.name}/" if e.is_folder else e.name)
    return [(prefix + e.name, e) for e in entries]


class _Links:
    """Decides which links to folders are followed: every folder is read once, and loops end."""

    def __init__(self, root: str, notes: Notes) -> None:
        self._root = "" if location.is_remote(root) else os.path.realpath(location.local(root))
        self._outside: list[str] = []
        self._notes = notes

    def may_enter(self, path: str, entry: Entry) -> bool:
        target = os.path.realpath(location.local(entry.uri))
        if any(_within(place, target) for place in (self._root, *self._outside)):
            self._notes.skip(path, "a link back to a folder above it")
            return False
        inside = _within(target, self._root) and not images.is_hidden(os.path.relpath(target, self._root))
        if inside or any(_within(target, place) for place in self._outside):
            self._notes.skip(path, "a link to a folder that is read in its own place")
            return False
        self._outside.append(target)
        return True


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
