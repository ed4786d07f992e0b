"""The command line; `main` is the entry point of the `veduta` command."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line and exit with its status: 0 done, 1 a claim or check failed, 2 an error in words, 3 a source is away."""
    from veduta.cli.console import guard_terminals, tell_damage
    from veduta.engine import process
    from veduta.errors import Damaged, SourceAway, VedutaError

    guard_terminals()
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
    except VedutaError as error:
        if debug:
            raise
        sys.stderr.write(f"error {error.code}: {error}\n")
        status = 3 if isinstance(error, SourceAway) else 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was committed is kept, and the same command goes on from there\n")
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except (OSError, ValueError, RuntimeError) as error:
        if debug or "LanceError(IO)" not in str(error):
            raise
        sys.stderr.write(
            f"error {Damaged.code}: the pool's files cannot be read ({str(error)[:160]}); see: veduta check POOL\n"
        )
        status = 2
    _leave(status)


def _leave(status: int) -> NoReturn:
    """End at once: shutting down the native thread pools takes 0.2 s, and there is nothing left to save."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
