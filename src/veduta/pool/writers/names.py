"""File names for exported images: the original ones wherever a file system can hold them."""

from __future__ import annotations

import hashlib
import posixpath
import unicodedata

from veduta.pool.readers.images import SUFFIXES, is_hidden, suffix_for
from veduta.pool.readers.infer import clean
from veduta.pool.writers.rows import WriteReport

MOST_NAME_BYTES = 255


class Names:
    """Hands out paths of which no two are equal, not even up to case or Unicode form, so that any disk can hold them.

    The second of two equal names gets `~2` before its suffix, in the order of asking, and is reported.
    Memory: one string a name.
    """

    def __init__(self, report: WriteReport) -> None:
        self._report = report
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def path(self, wanted: str, key: str, *, dots: bool = True) -> str:
        """A free path as near to `wanted` as can be; `dots` allows dots in the stem of its last part."""
        parts = [safe(part) for part in wanted.split("/") if part] or ["_"]
        folder = ""
        for part in parts[:-1]:
            place = posixpath.join(folder, part)
            while _same(place) in self._files:
                place = _shorten(place, "_")
            folder = place
            self._folders.add(_same(folder))
        stem, end = posixpath.splitext(parts[-1])
        if not dots:
            stem = stem.replace(".", "_")
        number, name = 1, posixpath.join(folder, stem + end)
        while _same(name) in self._files or _same(name) in self._folders:
            number += 1
            name = posixpath.join(folder, _shorten(stem, f"~{number}{end}"))
        self._files.add(_same(name))
        if name != wanted:
            self._report.rename(key, name)
        return name


def with_suffix(name: str, form: str | None) -> str:
    """The name with the suffix of its format, where it has none of an image."""
    return name if posixpath.splitext(name)[1].lower() in SUFFIXES else name + suffix_for(form)


def safe(part: str) -> str:
    """One part of a path that every file system takes and that no reader takes for hidden."""
    part = clean(part).replace("/", "_").replace("\\", "_").replace("\0", "_")
    if part in ("", ".", "..") or is_hidden(part):
        part = "_" + part.lstrip(".")
    if len(part.encode()) > MOST_NAME_BYTES:
        stem, end = posixpath.splitext(part)
        end = end if len(end.encode()) <= 16 else ""
        digest = hashlib.sha256(part.encode()).hexdigest()[:8]
        part = _shorten(stem, f"~{digest}{end}")
    return part


def _shorten(stem: str, tail: str) -> str:
    room = MOST_NAME_BYTES - len(tail.encode())
    head, _, last = stem.rpartition("/")
    last = last.encode()[:room].decode("utf-8", "ignore") + tail
    return f"{head}/{last}" if head else last


def _same(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
