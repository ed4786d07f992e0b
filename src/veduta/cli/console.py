"""What the command line prints: progress for people, tables, JSON lines."""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TextIO, cast

from veduta.engine.progress import JsonLines, Progress
from veduta.errors import DamagedPool

# Control characters but for tab and newline, and marks that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with control characters as their escapes, which a terminal shows and does not obey."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Shown:
    """A terminal on which names and labels of strangers are only shown. terminal: itself, for what Veduta draws."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal

    def write(self, text: str) -> int:
        return self.terminal.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def guard_terminals() -> None:
    """Have standard output and standard error, where they are terminals, show control characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty():
            setattr(sys, name, Shown(stream))


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
