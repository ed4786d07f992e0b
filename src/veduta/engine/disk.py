"""A full disk is a normal day: one sentence, nothing lost."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veduta.errors import DiskFull

# Below this a run does not start: even the commit of a small column needs some room.
LEAST_FREE = 32 << 20

_FULL = (
    (errno.ENOSPC, "no space left", "the disk of {} is full"),
    (errno.EDQUOT, "quota exceeded", "the quota on the disk of {} is used up"),
    (
        errno.EFBIG,
        "file too large",
        "the system allows no file as large as this one in {} (ulimit -f, or the file system)",
    ),
)
"""Errors of the system that mean that there is no room, their words, and ours."""


@contextmanager
def full_disk_is_an_answer(path: Path) -> Iterator[None]:
    """Turn "no space left" from any layer into DiskFull; refuse to start when next to nothing is free."""
    free = shutil.disk_usage(path).free
    if free < LEAST_FREE:
        raise DiskFull(f"the disk of {path} has {free >> 20} MiB left; free some room and run the same command again")
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        full = no_room(error, path)
        if not full:
            raise
        raise DiskFull(
            f"{full}; everything committed so far is safe: mend that and run the same command again"
        ) from error


def no_room(error: Exception, place: Path | str) -> str:
    """How the error, Python's or one that a library has put into words, says that there is no room; "" if it says another thing."""
    number, said = getattr(error, "errno", None), str(error).lower()
    return next((words.format(place) for code, text, words in _FULL if number == code or text in said), "")
