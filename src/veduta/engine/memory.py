"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20
_allowed = False


def allow() -> None:
    """Let `return_freed` change this process. Only a program may say so; the `veduta` command does."""
    global _allowed
    _allowed = True


def return_freed() -> None:
    """From now on glibc gives every block of a megabyte or more back as soon as it is freed, and all that it kept.

    Left alone, glibc raises that bound to 32 MB as it sees large blocks freed, and keeps them in the heap of whichever
    thread asked for them: on 60,000 CIFAR-10 images the table work after embedding then peaked at 1.6 GiB, with
    a fixed bound at 0.7. Called before table work, since the pass over the images loses 3 % of its speed by it. No
    effect unless allowed, and where the C library is not glibc.
    """
    if not _allowed or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.malloc_trim(0)
