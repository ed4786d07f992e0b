"""Where bytes live: local paths, URLs of any fsspec file system, and members of archives."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from veduta.errors import SourceError

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


def read(uri: str) -> bytes:
    """The bytes behind `uri`: a path, an fsspec URL, or `archive.tar#offset+size` (a range of a file).

    Raises OSError when the place cannot be read, SourceError when its address makes no sense.
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
            stream.seek(start)
            return stream.read(size)
    path = local(place)
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for ever
        raise OSError(f"{place} is not a regular file")
    with open(path, "rb") as stream:
        stream.seek(start)
        return stream.read(size)
