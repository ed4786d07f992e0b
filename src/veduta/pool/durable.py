"""What is written stays written: bytes reach the disk before their name does, and the name before anyone is told.

A file system may keep a new name and lose the bytes behind it, or the other way round, for half a minute after a write. Whatever
a command leaves (the table, records, exports, models) goes through this file, so that a power cut after its last word takes
nothing away.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MANY = 256
"""From so many files on, one sync of their file system is quicker than one for each."""


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(paths: Iterable[str | os.PathLike[str]]) -> None:
    """As `sync` for several paths, in no order. Files wait for the disk together."""
    paths = list(paths)
    if len(paths) < 3:
        for path in paths:
            sync(path)
    elif len(paths) < MANY or not _sync_file_system(paths[0]):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(sync, paths))


def sync_tree(place: str | os.PathLike[str]) -> None:
    """Wait until a file, or a folder with everything in it, is on the disk; links in it are not followed."""
    if not os.path.isdir(place):
        sync(place)
        return
    folders: list[str] = []
    files: list[str] = []
    for folder, _, names in os.walk(place):
        folders.append(folder)
        files += [path for name in names if os.path.isfile(path := os.path.join(folder, name))]
    sync_all(files)
    sync_all(reversed(folders))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, as `mkdir -p`, on the disk when this returns."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename what is on the disk already, to the same file system; a file at `target` is replaced."""
    os.replace(source, target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, never a part; on the disk when this returns."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_file_system(path: str | os.PathLike[str]) -> bool:
    """Whether the operating system could be asked for all of one file system at once (Linux)."""
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        return call(handle) == 0
    finally:
        os.close(handle)
