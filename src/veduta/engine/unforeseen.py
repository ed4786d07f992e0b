"""Errors that no part of Veduta has put into words: one sentence for each, whatever raised it."""

from __future__ import annotations

import errno
import os

from veduta.engine.disk import no_room
from veduta.errors import Damaged, DiskFull, ReadOnly, VedutaError

REPORT = "Please report it with what the same command says with --debug"
_KEPT = "what was committed is kept"
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


def in_words(error: Exception) -> VedutaError:
    """The error as one of Veduta's own: a full disk, a missing right, another answer of the system, or a defect."""
    if isinstance(error, VedutaError):
        return error
    place = f"{error.filename}" if isinstance(error, OSError) and error.filename else ""
    full = no_room(error, place or "the pool")
    if full:
        return DiskFull(f"{full}; {_KEPT}: mend that and run the same command again")
    if isinstance(error, OSError) and error.strerror:
        if error.errno in _NO_RIGHT:
            return ReadOnly(
                f"{place or 'a file'} cannot be written or read: {error.strerror}; {_KEPT}. Give yourself the right to, or name another place"
            )
        where = f"{place}: " if place else "" if _is_somewhere() else "the current folder is gone: "
        return Unforeseen(
            f"{where}{error.strerror}; {_KEPT}. Mend that and run the same command again (--debug shows where)"
        )
    said = " ".join(str(error).split())[:300]
    if "LanceError(IO)" in said or "External error: Not found" in said:
        return Damaged(f"the pool's files cannot be read ({said[:160]}); see: veduta check POOL")
    what = f"{type(error).__name__}{f': {said}' if said else ''}"
    return Unforeseen(f"this should not have happened: {what}; {_KEPT}. {REPORT}")


class Unforeseen(VedutaError):
    """An error that no part of Veduta has put into words."""

    code = "V900"


def _is_somewhere() -> bool:
    """Whether the current folder is still there."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True
