"""One writer at a time: an advisory lock that the operating system frees when the process dies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veduta.errors import PoolBusy, ReadOnly


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; PoolBusy at once, naming the holder, if another process has it; ReadOnly without the right."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise ReadOnly(
            f"{path.parent} cannot be changed: {error.strerror}; give yourself the right to write there, or work on a copy "
            "(reading is always possible)"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PoolBusy(
                f"{path.parent} is being written by {_holder(handle)}; wait for it to end, or read meanwhile "
                "(reading is always possible)"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(_me()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _me() -> dict[str, object]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M:%S")}


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (ValueError, KeyError, OSError):
        return "another process"
