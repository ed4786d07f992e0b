"""A zip or tar archive as a tree of files; nothing but sidecars is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tempfile
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from veduta.errors import SourceError
from veduta.pool.readers import images, members, places
from veduta.pool.readers.layouts.mask_pairs import may_be_mask
from veduta.pool.readers.members import Member
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import File

# Of a packed tar, whose members can be read in passing only, other files than images are kept up to so many bytes in all,
# and each mask up to its own bound.
MOST_KEPT = 256 << 20
MOST_MASK = 4 << 20


class ArchiveTree:
    """The members of one archive. Memory: about 400 bytes a member, and the texts of a packed tar.

    Members with absolute paths or `..`, links, devices and encrypted members are refused by name. Files come sorted by
    path, except from a packed tar (.tar.gz, ...), which is read in its own order.
    """

    def __init__(self, source: str) -> None:
        self.name = source
        self.root = places.absolute(source)
        self.packed = self.root.lower().endswith(members.PACKED_TARS)
        self._index: dict[str, File] | None = None
        self._hidden: list[tuple[str, str]] = []
        self._room = MOST_KEPT
        self._copies = tempfile.TemporaryDirectory(prefix="veduta-")
        weakref.finalize(self, self._copies.cleanup)
        if not places.exists(self.root):
            raise SourceError(f"{source} does not exist; name an archive of images")

    def files(self, notes: Notes) -> Iterator[File]:
        if self.packed:
            index = self._indexed()
            notes.hidden += self._hidden
            return iter(index.values())
        return iter(sorted(self.passing(notes), key=lambda file: file.path))

    def passing(self, notes: Notes) -> Iterator[File]:
        """The files in the archive's own order, each readable until the next one is asked for."""
        return (_file(m) for m in members.members(self.root, notes) if _is_visible(m, notes))

    def find(self, path: str) -> File | None:
        return self._indexed().get(posixpath.normpath(path))

    def _indexed(self) -> dict[str, File]:
        if self._index is None:
            notes = Notes()
            files = self.passing(notes) if self.packed else self.files(notes)
            self._index = {file.path: self._kept(file) for file in files}
            self._hidden = notes.hidden
        return self._index

    def place(self, path: str) -> str:
        file = self.find(path)
        if file is None:
            raise SourceError(f"{self.name} has no member {path}")
        if file.uri and "#range=" not in file.uri:
            return file.uri
        folder = Path(self._copies.name) / hashlib.blake2b(path.encode(), digest_size=8).hexdigest()
        copy = folder / (file.name or "file")
        if not copy.exists():
            folder.mkdir(exist_ok=True)
            part = copy.with_name(f".{os.getpid()}")
            part.write_bytes(file.read())
            part.rename(copy)
        return places.absolute(str(copy))

    def _kept(self, file: File) -> File:
        """A file that can be read at any time; of a packed tar only what may be a mask and is not an image, up to a size."""
        if not self.packed:
            return file
        is_image = images.is_image(file.path)
        if is_image and not may_be_mask(file.path):
            return File(file.path, file.uri, file.stamp, partial(_passed, self.name, file.path))
        data = file.read()
        fits = len(data) <= (MOST_MASK if is_image else self._room)
        self._room -= len(data) if fits else 0
        read = partial(bytes, data) if fits else partial(_passed, self.name, file.path)
        return File(file.path, file.uri, file.stamp, read)


def _file(member: Member) -> File:
    return File(posixpath.normpath(member.path), member.uri, partial(str, member.stamp), member.read)


def _is_visible(member: Member, notes: Notes) -> bool:
    if images.is_hidden(member.path):
        notes.count("hidden files and folders passed over")
        return False
    return True


def _passed(archive: str, path: str) -> bytes:
    raise SourceError(f"{path} of the packed archive {archive} can only be read in passing; unpack the archive first")
