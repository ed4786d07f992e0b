"""A file of text records, wherever it lies: on a file system or inside an archive."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast, runtime_checkable

from veduta.errors import SourceError
from veduta.pool.readers import places
from veduta.pool.readers.lines import whole

_POINTER = b"version https://git-lfs"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@runtime_checkable
class Source(Protocol):
    """Something with a name that can be opened, any number of times. name: ends in the suffix that says the form."""

    @property
    def name(self) -> str: ...

    def open(self) -> BinaryIO: ...


@dataclass(frozen=True)
class File:
    """A file by its URI; unpacked where its name ends in .gz or .bz2."""

    name: str

    def open(self) -> BinaryIO:
        raw = places.open_binary(self.name)
        if self.name.lower().endswith(".gz"):
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        return cast(BinaryIO, bz2.BZ2File(raw)) if self.name.lower().endswith(".bz2") else raw


@dataclass(frozen=True)
class Member:
    """A file inside something else, such as an archive. read: gives its bytes."""

    name: str
    read: Callable[[], bytes]

    def open(self) -> BinaryIO:
        return io.BytesIO(self.read())


def of(source: str | Source) -> Source:
    """The source itself, or that of a URI."""
    return File(source) if isinstance(source, str) else source


def form(name: str) -> str:
    """The suffix that says what is in a file, in lower case: that before .gz or .bz2."""
    name = places.base(name).lower().removesuffix(".gz").removesuffix(".bz2")
    return name[name.rfind(".") :] if "." in name else ""


def refuse_pointer(name: str, start: bytes) -> None:
    """Raise SourceError if a file that starts so is a pointer that Git LFS left in its place."""
    if start.startswith(_POINTER):
        raise SourceError(f"{name} is a Git LFS pointer, not the file itself; run: git lfs pull")


def encoding(start: bytes) -> str:
    """The encoding that the first bytes of a text show: by a byte-order mark, or UTF-16 by its zeros; else UTF-8."""
    found = next((name for mark, name in _BOMS if start.startswith(mark)), None)
    if found:
        return found
    even, odd = start[0:512:2].count(0), start[1:512:2].count(0)
    half = len(start[:512]) // 4
    if half and odd > half and not even:
        return "utf-16-le"
    return "utf-16-be" if half and even > half and not odd else "utf-8"


def open_text(source: Source, given: str | None = None) -> BinaryIO:
    """The text as UTF-8 bytes, seekable in place where it is a plain file in UTF-8; else held in memory as a whole.

    given: the encoding, where it is known; else UTF-16 and UTF-32 are recognised, and anything else is left as it is.
    """
    stream = source.open()
    start = stream.read(1 << 16)
    stream.seek(0)
    refuse_pointer(source.name, start)
    name = given or encoding(start)
    old_mac = b"\r" in start and b"\n" not in start
    if codecs.lookup(name).name == "utf-8" and not old_mac:
        return stream
    with stream:
        text = whole(stream).decode(name, "surrogateescape" if name == "utf-8" else "replace").removeprefix("\ufeff")
    text = text.replace("\r", "\n") if old_mac else text
    return io.BytesIO(text.encode("utf-8", "surrogateescape"))
