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


@contextmanager
def full_disk_is_an_answer(path: Path) -> Iterator[None]:
    """Turn "no space left" from any layer into DiskFull; refuse to start when next to nothing is free."""
    free = shutil.disk_usage(path).free
    if free < LEAST_FREE:
        raise DiskFull(f"the disk of {path} has {free >> 20} MiB left; free some room and run the same command again")
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC or "no space left" in str(error).lower():
            raise DiskFull(
                f"the disk of {path} is full; everything committed so far is safe: free some room and run the same command again"
            ) from error
        raise
