"""Named points at which tests make a run die. Outside tests every point is one dictionary look-up.

VEDUTA_FAULT="annotate.filled:2" kills the process with SIGKILL at the second passing of that point;
VEDUTA_FAULT="ingest.append:1:disk" raises the error of a full disk instead.
"""

from __future__ import annotations

import errno
import os
import signal

_plan = os.environ.get("VEDUTA_FAULT", "").split(":")
_left = int(_plan[1]) if len(_plan) > 1 else 0


def point(name: str) -> None:
    """Die here if the environment asks for it."""
    global _left
    if _plan[0] != name or _left == 0:
        return
    _left -= 1
    if _left:
        return
    if _plan[-1] == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL)
