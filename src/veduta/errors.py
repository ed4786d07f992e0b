"""Every error that Veduta raises on purpose.

A message is one sentence: what is wrong, where, what was found, and the mend. Codes are stable, so that scripts and the
app can tell the kinds apart; `retryable` says whether the same call may succeed later without a change.
"""

from __future__ import annotations


class VedutaError(Exception):
    """Base of all of Veduta's errors; the command line prints `str(error)` and exits with status 2."""

    code = "V000"
    retryable = False


class BadInput(VedutaError):
    """A parameter or an argument is not what it must be."""

    code = "V100"


class MissingColumn(VedutaError):
    """An operation needs a column that the pool does not have."""

    code = "V101"

    def __init__(self, column: str, *, needed_by: str, have: list[str], mend: str = "") -> None:
        near = ", ".join(have[:20]) or "none"
        super().__init__(
            f"{needed_by} needs the column '{column}', which this pool lacks (it has: {near})"
            + (f"; {mend}" if mend else "")
        )
        self.column = column


class SpaceMismatch(VedutaError):
    """Vectors of two different embedding spaces would be compared."""

    code = "V102"


class NotAPool(VedutaError):
    """The path does not hold a pool."""

    code = "V110"


class Damaged(VedutaError):
    """Rows of the pool itself are damaged; it must be mended before it is changed."""

    code = "V114"


class DamagedPool(UserWarning):
    """The newest version of a pool cannot be read; the newest sound one was opened instead."""


class PoolBusy(VedutaError):
    """Another process is writing to the pool."""

    code = "V111"
    retryable = True


class ReadOnly(VedutaError):
    """The pool lies where the user may not write."""

    code = "V113"


class PoolAway(VedutaError):
    """The pool that a server shows has moved away, or another has taken its place."""

    code = "V115"
    retryable = True


class PoolExists(VedutaError):
    """The output exists already."""

    code = "V112"


class SourceError(VedutaError):
    """A source of images cannot be read at all."""

    code = "V120"


class Undecodable(VedutaError):
    """One image cannot be decoded; its row keeps the reason in `error`."""

    code = "V121"


class SourceAway(SourceError):
    """Files that a pool refers to are out of reach; nothing is lost, and the command exits with status 3."""

    code = "V122"
    retryable = True


class DiskFull(VedutaError):
    """The disk has no room; what was committed is safe and the same command goes on later."""

    code = "V130"
    retryable = True


class MissingPackage(VedutaError):
    """An optional package is not installed."""

    code = "V140"

    def __init__(self, package: str, *, needed_by: str, extra: str | None = None) -> None:
        install = f"pip install 'veduta[{extra}]'" if extra else f"pip install {package}"
        super().__init__(f"{needed_by} needs the package {package}, which is not installed; run: {install}")


class EncoderError(VedutaError):
    """An encoder cannot be loaded or lacks what was asked of it."""

    code = "V141"


class TrainingFailed(VedutaError):
    """A training run cannot go on; its last checkpoint is kept."""

    code = "V160"


class NothingToDo(VedutaError):
    """The pool holds nothing that the operation could work on."""

    code = "V150"
