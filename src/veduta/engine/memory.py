"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


def return_freed() -> None:
    """Let glibc give every block of a megabyte or more back as soon as it is freed.

    Left alone, glibc raises that bound to 32 MB as it sees large blocks freed, and keeps them in the heap of whichever
    thread asked for them: on 60,000 CIFAR-10 images the table work after embedding then peaked at 1.6 GiB, with
    a fixed bound at 0.9. It is a setting of the whole process, so programs decide; the `veduta` command does. No effect
    where the C library is not glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE)
