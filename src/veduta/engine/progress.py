"""What a run tells while it works: a live line for people, one JSON object a line for machines, or nothing."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO


def peak_memory() -> int:
    """The largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)


class Progress(Protocol):
    """Receives the events of a run."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, rows: int, **facts: float) -> None: ...

    def done(self, **facts: Any) -> None: ...

    def say(self, message: str) -> None: ...


class Silent:
    """No output."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, rows: int, **facts: float) -> None: ...

    def done(self, **facts: Any) -> None: ...

    def say(self, message: str) -> None: ...


class JsonLines:
    """One JSON object a line: {"event": "stage" | "progress" | "done" | "say", ...}."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._name, self._count, self._total, self._start, self._last = "", 0, None, 0.0, 0.0

    def _emit(self, **event: Any) -> None:
        self._stream.write(json.dumps(event, ensure_ascii=False, default=str) + "\n")
        self._stream.flush()

    def stage(self, name: str, total: int | None) -> None:
        self._name, self._count, self._total, self._start = name, 0, total, time.monotonic()
        self._emit(event="stage", stage=name, total=total)

    def advance(self, rows: int, **facts: float) -> None:
        self._count += rows
        if time.monotonic() - self._last > 0.5:
            self._last = time.monotonic()
            rate = self._count / max(self._last - self._start, 1e-9)
            told = {"event": "progress", "stage": self._name, "rows": self._count, "total": self._total}
            self._emit(**{**told, "rate": round(rate, 1), **{k: float(f"{v:.5g}") for k, v in facts.items()}})

    def done(self, **facts: Any) -> None:
        seconds = round(time.monotonic() - self._start, 3)
        told = {
            "event": "done",
            "stage": self._name,
            "rows": self._count,
            "seconds": seconds,
            "peak_mib": peak_memory(),
        }
        self._emit(**{**told, **facts})

    def say(self, message: str) -> None:
        self._emit(event="say", message=message)


class Timed:
    """Passes everything on and keeps seconds and rows of each stage, in order, for the report."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.stages: list[dict[str, Any]] = []
        self._start, self._rows, self._name = 0.0, 0, ""

    def stage(self, name: str, total: int | None) -> None:
        self._name, self._start, self._rows = name, time.perf_counter(), 0
        self._inner.stage(name, total)

    def advance(self, rows: int, **facts: float) -> None:
        self._rows += rows
        self._inner.advance(rows, **facts)

    def done(self, **facts: Any) -> None:
        seconds = time.perf_counter() - self._start
        self.stages.append({"stage": self._name, "rows": self._rows, "seconds": seconds, **facts})
        self._inner.done(**facts)

    def say(self, message: str) -> None:
        self._inner.say(message)


@contextmanager
def stage(progress: Progress, name: str, total: int | None = None) -> Iterator[dict[str, Any]]:
    """A stage of a run; facts put into the yielded dict are told at its end."""
    facts: dict[str, Any] = {}
    progress.stage(name, total)
    yield facts
    progress.done(**facts)
