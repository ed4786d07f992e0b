"""The command line; `main` is the entry point of the `veduta` command."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from veduta.cli.console import OutputLost


def main() -> None:
    """Run the command line and exit with its status.

    0 done, 1 a claim or check failed, 2 an error in words, 3 a source is away, 130 stopped by the user, 141 the reader of
    standard output has gone (as the shell says of a program that a closed pipe has ended).
    """
    from veduta.cli.console import OutputLost, guard, tell_damage
    from veduta.engine import process
    from veduta.engine.unforeseen import in_words
    from veduta.errors import SourceAway

    _speak_utf8()
    guard()
    tell_damage("--json" in sys.argv)
    process.allow_return()
    process.yield_soon()
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        from veduta.cli.app import build

        build(arguments)(arguments, standalone_mode=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was committed is kept, and the same command goes on from there\n")
        status = 130
    except OutputLost as lost:
        status = _lost(lost)
    except Exception as error:
        if debug:
            raise
        told = in_words(error)
        status = _told(told.code, str(told), 3 if isinstance(told, SourceAway) else 2)
    _leave(status)


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has another encoding: file names are UTF-8 wherever they are read."""
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8"):
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "veduta", *sys.argv[1:]])


def _told(code: str, sentence: str, status: int) -> int:
    sys.stderr.write(f"error {code}: {sentence}\n")
    return status


def _lost(lost: OutputLost) -> int:
    """The status after OutputLost; what is still in the buffer goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if lost.reason is None:
        return 141
    return _told("V131", f"{lost}; what was committed is kept", 2)


def _leave(status: int) -> NoReturn:
    """End at once: shutting down the native thread pools takes 0.2 s. Temporary folders are removed first."""
    from veduta.cli.console import OutputLost

    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except OutputLost as lost:
        status = status or _lost(lost)
    finally:
        sys.stderr.flush()
        os._exit(status)
