"""Settings of the whole process, which only a program may choose; the `veduta` command does."""

from __future__ import annotations

import ctypes
import os
import sys

_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20
_allowed = False


def allow_return() -> None:
    """Let `return_freed` change this process."""
    global _allowed
    _allowed = True


def return_freed() -> None:
    """From now on glibc gives every block of a megabyte or more back as soon as it is freed, and all that it kept.

    Left alone, glibc raises that bound to 32 MB as it sees large blocks freed, and keeps them in the heap of whichever
    thread asked for them: on 60,000 CIFAR-10 images the table work after embedding then peaked at 1.6 GiB, with
    a fixed bound at 0.7. Called before table work, since the pass over the images loses 1 to 4 % of its speed by it. No
    effect unless allowed, and where the C library is not glibc.
    """
    if not _allowed or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.malloc_trim(0)


def yield_soon() -> None:
    """Let OpenMP's threads give up their core soon while they wait for each other; call it before torch is imported.

    GNU's default is 300,000 turns of a loop. With 5,000, a training step of a small network on two cores takes 36 ms
    instead of 34 when it is alone, 74 instead of 102 beside one busy process and 85 instead of 140 beside two. The user's own
    settings stand.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
