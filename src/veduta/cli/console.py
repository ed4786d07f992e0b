"""What the command line prints: progress for people, tables, JSON lines."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

from veduta.engine.progress import JsonLines, Progress
from veduta.errors import DamagedPool

# Control characters but for tab and newline, and marks that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with control characters as their escapes, which a terminal shows and does not obey."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class OutputLost(BaseException):
    """Standard output takes no more; not an Exception, so that no part of a run takes it for a failure of its own.

    reason: the system's, None where the reader has closed the pipe.
    """

    def __init__(self, error: OSError) -> None:
        self.reason = None if isinstance(error, BrokenPipeError) else error.strerror or str(error)
        super().__init__(f"standard output cannot be written: {self.reason or 'the pipe is closed'}")


class Output:
    """Standard output or error of a command.

    Names and labels of strangers are shown on a terminal, not obeyed. What cannot be written to standard output is
    OutputLost; to standard error it is dropped, as there is nobody left to tell. terminal: the stream itself, for what
    Veduta draws.
    """

    def __init__(self, stream: TextIO, *, may_be_lost: bool) -> None:
        self.terminal = stream
        self._shows = stream.isatty()
        self._may_be_lost = may_be_lost

    def write(self, text: str) -> int:
        with self._told():
            return self.terminal.write(visible(text) if self._shows else text)
        return len(text)

    def flush(self) -> None:
        with self._told():
            self.terminal.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._may_be_lost:
                raise OutputLost(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def guard() -> None:
    """Put standard output and standard error behind an `Output`; names in any writing system can be printed to both.

    A stream that the caller has closed becomes the null device, so that no file of the pool is ever opened in its place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name) or open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, Output(stream, may_be_lost=name == "stderr"))


def tell_damage(json_lines: bool) -> None:
    """Say of a damaged pool once in a command what was opened in its place: on standard error, and as a JSON line for machines."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, DamagedPool):
            usual(message, category, *where, **more)
            return
        sys.stderr.write(f"warning: {message}\n")
        if json_lines:
            print(json.dumps({"event": "damaged", "message": str(message)}, ensure_ascii=False), flush=True)

    warnings.simplefilter("once", DamagedPool)
    warnings.showwarning = show


def _terminal(stream: TextIO) -> TextIO:
    return cast(TextIO, getattr(stream, "terminal", stream))


class Live:
    """One line a stage: a bar with rate and time left while it runs on a terminal, then what it did."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._drawn = _terminal(sys.stderr)
        self._name, self._total, self._rows, self._start, self._last = "", None, 0, 0.0, 0.0

    def stage(self, name: str, total: int | None) -> None:
        self._name, self._total, self._rows = name, total, 0
        self._start = self._last = time.monotonic()

    def advance(self, rows: int, **facts: float) -> None:
        self._rows += rows
        if self._terminal and time.monotonic() - self._last > 0.2:
            self._last = time.monotonic()
            rate = self._rows / max(self._last - self._start, 1e-9)
            left = f", {(self._total - self._rows) / rate:.0f} s left" if self._total and rate else ""
            of = f" of {self._total:,}" if self._total else ""
            told = "".join(f"  {name} {value:.4g}" for name, value in facts.items())
            self._drawn.write(f"\r\033[K  {self._name}: {self._rows:,}{of} ({rate:,.0f}/s{left}){told}")
            self._drawn.flush()

    def done(self, **facts: Any) -> None:
        if self._terminal:
            self._drawn.write("\r\033[K")
        seconds = time.monotonic() - self._start
        words = ", ".join(
            "1 row" if (key, value) == ("rows", 1) else f"{value:,} {key}"
            for key, value in facts.items()
            if isinstance(value, int) and value
        )
        rate = f" ({self._rows / seconds:,.0f}/s)" if self._rows and seconds > 0.5 else ""
        sys.stderr.write(f"  {self._name}: {words or 'done'} in {seconds:.1f} s{rate}\n")

    def say(self, message: str) -> None:
        sys.stderr.write(f"  {message}\n")


def progress(json_lines: bool) -> Progress:
    """The progress of a command: JSON lines on standard output for machines, else text on standard error."""
    return JsonLines() if json_lines else Live()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table to standard output: aligned on a terminal, tab-separated in a pipe."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join("" if cell is None else str(cell).replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*columns, title=title or None, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    Console(file=_terminal(sys.stdout)).print(grid)
