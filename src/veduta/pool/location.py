"""Where bytes live: local paths, URLs of any fsspec file system, and members of archives."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import IO

from veduta.errors import SourceError
from veduta.pool import limits

_SPECIAL = re.compile("[\udc80-\udcff]|%(?=25|23|[89A-F][0-9A-F])|#(?=range=)")
_ESCAPED = re.compile(rb"%(25|23|[89A-F][0-9A-F])")


def escape(path: str) -> str:
    """A local path as valid UTF-8 text: bytes that are not UTF-8 become %XX. Ordinary names stay as they are.

    `path` is as Python gives it (surrogateescape). Reversible: the few other places that `unescape` would touch are
    escaped as well.
    """
    return _SPECIAL.sub(lambda found: f"%{os.fsencode(found[0])[0]:02X}", path)


def unescape(text: str) -> str:
    """The path that `escape` was given."""
    if "%" not in text:
        return text
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def is_remote(uri: str) -> bool:
    """Whether `uri` names another file system than the local one."""
    return "://" in uri and not uri.startswith("file://")


def local(uri: str) -> Path:
    """The local path of `uri` (see `escape` for names that are not UTF-8)."""
    return Path(unescape(uri.removeprefix("file://")))


def read(uri: str, most: limits.Limit = limits.FILE) -> bytes:
    """The bytes behind `uri`: a path, an fsspec URL, or `archive.tar#offset+size` (a range of a file).

    Raises OSError when the place cannot be read, SourceError when its address makes no sense or it holds more than `most`.
    """
    place, _, span = uri.partition("#range=")
    start, size = 0, -1
    if span:
        try:
            start, size = (int(part) for part in span.split("+"))
        except ValueError:
            raise SourceError(f"the address {uri} is malformed; expected FILE#range=OFFSET+SIZE") from None
    if is_remote(place):
        import fsspec

        with fsspec.open(place, "rb") as stream:
            return _bounded(stream, start, size, most)
    path = local(place)
    facts = _facts(path)
    if not stat.S_ISREG(facts.st_mode):  # a pipe would wait for ever
        raise OSError(f"{place} is not a regular file")
    if size < 0:
        refuse_large(facts.st_size - start, most)
    with open(path, "rb") as stream:
        return _bounded(stream, start, size, most)


def refuse_large(size: int, most: limits.Limit = limits.FILE) -> None:
    """Raise SourceError for more bytes than may be held."""
    if size > most.bytes:
        raise SourceError(f"too large: {size:,} bytes; {most.says(size)}")


def _bounded(stream: IO[bytes], start: int, size: int, most: limits.Limit) -> bytes:
    refuse_large(size, most)
    stream.seek(start)
    found = stream.read(size if size >= 0 else most.bytes + 1)
    refuse_large(len(found), most)
    return found


def _facts(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except ValueError as error:  # a NUL in a name
        raise OSError(f"{str(path)[:80]!r} is not a file name: {error}") from None
