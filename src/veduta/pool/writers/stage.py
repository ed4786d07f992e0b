"""Outputs appear under their names when they are whole and on the disk, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veduta.errors import DiskFull, PoolExists, SourceError
from veduta.pool import durable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staged(target: Path, *, folder: bool) -> Iterator[Path]:
    """A place beside `target` to write to; renamed to `target` at the end, removed if anything goes wrong.

    PoolExists if there is a target already (an empty folder is fine for a folder), DiskFull if the disk runs full.
    What a killed run left behind is removed by the next one.
    """
    if target.is_symlink() or (target.exists() and not (folder and target.is_dir() and not any(target.iterdir()))):
        raise PoolExists(
            f"{target} exists already; name a new {'folder' if folder else 'file'} for the export, or remove it"
        )
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    place = target.parent / f".{target.name[:200]}.part-{os.getpid()}"
    try:
        if folder:
            place.mkdir()
        yield place
        durable.sync_tree(place)
        os.rename(place, target)
        durable.sync(target.parent)
    except OSError as error:
        if error.errno in _FULL or "no space left" in str(error).lower():
            raise DiskFull(
                f"the disk of {target.parent} is full ({error.strerror or error}); nothing was left at {target}: free some room and export again"
            ) from error
        if isinstance(error, PermissionError):
            raise SourceError(
                f"{target} cannot be written: {error.strerror}; name a place where you may write"
            ) from error
        raise
    finally:
        _remove(place)


def _sweep(target: Path) -> None:
    start = f".{target.name[:200]}.part-"
    for left in target.parent.glob(f"{_literal(start)}*"):
        pid = left.name.removeprefix(start)
        if pid.isdigit() and not _alive(int(pid)):
            _remove(left)


def _literal(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
