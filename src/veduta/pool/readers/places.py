"""Folders and files on the local disk and on any fsspec file system, behind four functions."""

from __future__ import annotations

import glob
import io
import itertools
import os
import posixpath
import re
import stat as modes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import images

_BRACES = re.compile(r"\{([^{}]*)\}")
ABSENT, SPECIAL = "absent", "special"
_STAMPS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(slots=True, frozen=True)
class Entry:
    """One name in a folder. name: valid UTF-8 (see `location.escape`); uri: where it lives."""

    name: str
    uri: str
    is_folder: bool
    is_link: bool = False


def absolute(source: str) -> str:
    """The source as a URI that does not depend on the working directory; local paths without a scheme."""
    if location.is_remote(source):
        return source.rstrip("/") if not source.endswith("://") else source
    return location.escape(os.path.abspath(source.removeprefix("file://")))


def join(folder: str, name: str) -> str:
    """The URI of `name` in `folder`."""
    return f"{folder.rstrip('/')}/{name}" if not folder.endswith("://") else folder + name


def parent(uri: str) -> str:
    """The folder of a file's URI."""
    return uri.rsplit("/", 1)[0] or "/"


def base(uri: str) -> str:
    """The last part of a URI."""
    return uri.rstrip("/").rsplit("/", 1)[-1]


def listing(folder: str) -> list[Entry]:
    """What is in a folder, unsorted; OSError if it cannot be read. Memory: one name an entry."""
    if location.is_remote(folder):
        fs, path = _remote(folder)
        entries = {}
        for info in fs.ls(path, detail=True):
            name = posixpath.basename(info["name"].rstrip("/"))
            if name and info["name"].strip("/") != path.strip("/"):
                entries[name] = Entry(name, join(folder, name), info["type"] == "directory")
        return list(entries.values())
    found = []
    with os.scandir(location.local(folder)) as entries:
        for entry in entries:
            name = location.escape(entry.name)
            try:
                is_folder, is_link = entry.is_dir(), entry.is_symlink()
            except OSError:  # a link that leads to itself: offered as a file, whose reading will say so
                is_folder, is_link = False, True
            found.append(Entry(name, join(folder, name), is_folder, is_link))
    return found


def image_paths(folder: str) -> Iterator[str]:
    """The paths, from a folder, of all files below it that are images by their names; folders that are links or cannot be
    listed are left out. Memory: the names of one folder.
    """
    stack = [("", folder)]
    while stack:
        prefix, place = stack.pop()
        try:
            entries = listing(place)
        except OSError:
            continue
        for entry in entries:
            if entry.is_folder and not entry.is_link and not images.is_hidden(entry.name):
                stack.append((f"{prefix}{entry.name}/", entry.uri))
            elif not entry.is_folder and images.is_image(entry.name):
                yield prefix + entry.name


def stamp(uri: str) -> str:
    """Changes whenever the file's content may have changed; ABSENT where there is none, SPECIAL for pipes and devices."""
    try:
        if location.is_remote(uri):
            fs, path = _remote(uri)
            info = fs.info(path)
            return f"{info.get('size')}:{next((info[k] for k in _STAMPS if info.get(k) is not None), '')}"
        facts = os.stat(location.unescape(uri.removeprefix("file://")))
        if not modes.S_ISREG(facts.st_mode):
            return SPECIAL
        return f"{facts.st_size}:{facts.st_mtime_ns}"
    except (OSError, ValueError):
        return ABSENT


def size_in(stamp: str) -> int:
    """The size of the file, in bytes, which a `stamp` begins with; 0 where it is not known."""
    size = stamp.partition(":")[0]
    return int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0


def open_binary(uri: str) -> BinaryIO:
    """The file, open for reading and seekable; OSError if it cannot be opened."""
    if location.is_remote(uri):
        fs, path = _remote(uri)
        return cast(BinaryIO, fs.open(path, "rb"))
    path = location.local(uri)
    if not modes.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{uri} is not a regular file")
    return io.BufferedReader(io.FileIO(path, "rb"))


def is_folder(uri: str) -> bool:
    """Whether the URI names a folder that exists, as far as can be seen."""
    if location.is_remote(uri):
        fs, path = _remote(uri)
        return bool(fs.isdir(path))
    return os.path.isdir(location.local(uri))


def exists(uri: str) -> bool:
    """Whether the URI names anything that exists, as far as can be seen."""
    if location.is_remote(uri):
        fs, path = _remote(uri)
        return bool(fs.exists(path))
    return os.path.exists(location.local(uri))


def why_not_there(uri: str) -> str:
    """Why `exists` is false for a place, in words that follow its name."""
    try:
        if not location.is_remote(uri):
            os.stat(location.local(uri))
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return f"cannot be seen: {error.strerror or error}"
    return "does not exist"


def expand(pattern: str) -> list[str]:
    """The files that a pattern stands for, sorted: `a-{000..012}.tar`, `{a,b}.parquet`, `shards/*.tar`."""
    found: list[str] = []
    for text in _braces(pattern) if not exists(pattern) else [pattern]:
        if not any(c in text for c in "*?[") or exists(text):
            found.append(absolute(text))
        elif location.is_remote(text):
            fs, path = _remote(text)
            scheme = text.split("://", 1)[0]
            found += sorted(p if "://" in p else f"{scheme}://{p.lstrip('/')}" for p in map(str, fs.glob(path)))
        else:
            found += sorted(absolute(p) for p in glob.glob(text.removeprefix("file://"), recursive=True))
    return list(dict.fromkeys(found))


def is_pattern(source: str) -> bool:
    """Whether the text stands for several files."""
    return bool(_BRACES.search(source)) or any(c in source for c in "*?[")


def _braces(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if not found:
        yield pattern
        return
    span = re.fullmatch(r"(\d+)\.\.(\d+)", found[1])
    if span:
        first, last, width = int(span[1]), int(span[2]), len(span[1])
        words: Any = (f"{i:0{width}d}" for i in range(first, last + 1))
    else:
        words = found[1].split(",")
    rest = list(_braces(pattern[found.end() :]))
    for word, tail in itertools.product(words, rest):
        yield pattern[: found.start()] + word + tail


def _remote(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        return fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise SourceError(f"{uri} cannot be opened: {error}; install the fsspec package of its protocol") from None
