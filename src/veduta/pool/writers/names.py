"""File names for exported images: the original ones wherever a file system can hold them."""

from __future__ import annotations

import hashlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable

from veduta.pool.readers.images import SUFFIXES, is_hidden, suffix_for
from veduta.pool.readers.infer import clean
from veduta.pool.writers.rows import WriteReport

MOST_NAME_BYTES = 255


_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I)


class Folders:
    """One folder for each name (a class, a split), on any disk: names that would share one are told apart by `~2`.

    names: all of them; which gets the plain name does not depend on the order of the rows. none: the folder of rows without a
    name, which is another than that of a class of this name. `changed`: name -> folder, where they differ.
    """

    def __init__(self, names: Iterable[str], none: str | None = None) -> None:
        self.changed: dict[str, str] = {}
        self._folders: dict[str | None, str] = {}
        taken: set[str] = set()
        given: list[str | None] = [*sorted(names, key=lambda name: (folder(name) != name, name))]
        for name in [*given, *([None] if none else [])]:
            wanted = place = folder(name if name is not None else str(none))
            number = 1
            while _same(place) in taken:
                number += 1
                place = _shorten(wanted, f"~{number}")
            taken.add(_same(place))
            self._folders[name] = place
            if name is not None and place != name:
                self.changed[name] = place
            elif name is None and place != none:
                self.changed["(none)"] = place

    def of(self, name: str | None) -> str:
        """The folder of a name."""
        return self._folders[name]


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


def folder(name: str) -> str:
    """A folder's name that every system takes, Windows included, as near to `name` as can be."""
    part = _FORBIDDEN.sub("_", safe(name))
    stripped = part.rstrip(". ")
    part = stripped + "_" * (len(part) - len(stripped))
    return f"_{part}" if _DEVICES.fullmatch(part) else part


def _shorten(stem: str, tail: str) -> str:
    room = MOST_NAME_BYTES - len(tail.encode())
    head, _, last = stem.rpartition("/")
    last = last.encode()[:room].decode("utf-8", "ignore") + tail
    return f"{head}/{last}" if head else last


def _same(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
