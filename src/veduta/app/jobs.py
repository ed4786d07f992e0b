"""Work in the background: one child process a job, which tells what it does in JSON lines.

A child leads a process group of its own, so that what it started ends with it. It holds the reading end of a pipe from
the server and ends when the server does, however that happens. What is kept of a job is bounded: its newest lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

import veduta
from veduta.errors import BadInput, PoolBusy

State = Literal["running", "done", "failed", "cancelled"]
LINES = 1000
LONGEST = 1 << 16
FINISHED = 50
AT_ONCE = 2
PATIENCE = 10.0
"""Seconds between the request to stop and the end by force."""
WRITERS = ("annotate", "select", "generate")


class Job:
    """One child at work. `task` is what it was given; `result` and `error` are set at its end."""

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.id, self.task = secrets.token_hex(8), task
        self.state: State = "running"
        self.started, self.seconds = time.time(), 0.0
        self.result: dict[str, Any] = {}
        self.error: str | None = None
        self._events: deque[dict[str, Any]] = deque(maxlen=LINES)
        self._told, self._cancelled = 0, False
        self._lock = threading.Lock()
        self._child = _start(path, task)
        self._reader = threading.Thread(target=self._read, name=f"job {self.id}", daemon=True)
        self._reader.start()

    def since(self, told: int) -> tuple[list[dict[str, Any]], int, bool]:
        """Events after the first `told`, how many there were in all, and whether the job has ended."""
        with self._lock:
            fresh = min(self._told - told, len(self._events))
            return list(self._events)[len(self._events) - fresh :] if fresh > 0 else [], self._told, self.ended

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state != "running"

    def cancel(self) -> None:
        """Ask the child to stop; it is ended by force if it does not."""
        if not self.ended:
            self._cancelled = True
            self._signal(signal.SIGINT)
            timer = threading.Timer(PATIENCE, self._signal, [signal.SIGKILL])
            timer.daemon = True
            timer.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def kill(self) -> None:
        """End it now."""
        self._cancelled = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the whole group: what a dead child left behind may still hold the job open."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _read(self) -> None:
        stream = self._child.stdout
        assert stream is not None
        while line := stream.readline(LONGEST):
            event = _event(line)
            if event.get("event") == "result":
                self.result = event
            elif event.get("event") == "failed":
                self.error = str(event.get("message"))
            elif event:
                self._add(event)
        status = self._child.wait()
        self._signal_left()
        self.seconds = round(time.time() - self.started, 3)
        state: State = "cancelled" if self._cancelled and status else "done" if status == 0 else "failed"
        if state == "failed" and self.error is None:
            self.error = f"the job ended with status {status} and did not say why; see its last lines"
        end = {"event": "end", "state": state, "error": self.error if state == "failed" else None}
        self._add({**end, "result": self.result, "seconds": self.seconds}, state)
        for pipe in (self._child.stdin, stream):
            with contextlib.suppress(OSError):
                pipe.close()  # pyright: ignore[reportOptionalMemberAccess]

    def _signal_left(self) -> None:
        """What the child started and left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _add(self, event: dict[str, Any], state: State = "running") -> None:
        with self._lock:
            last = self._events[-1] if self._events else {}
            if event.get("event") == last.get("event") == "progress" and event.get("stage") == last.get("stage"):
                self._events.pop()  # the newest says it all; the number of events still grows
            self._events.append(event)
            self._told += 1
            self.state = state


class Jobs:
    """The jobs of one pool. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path, self._jobs, self._lock = path.absolute(), dict[str, Job](), threading.Lock()
        self.closed = False

    def start(self, task: dict[str, Any]) -> Job:
        """Begin. Raises PoolBusy where a second job would write, or too many would run."""
        with self._lock:
            running = [job for job in self._jobs.values() if not job.ended]
            if self.closed:
                raise PoolBusy("the server is ending; start it again, then run this")
            if task["verb"] in WRITERS and any(job.task["verb"] in WRITERS for job in running):
                raise PoolBusy("another job is changing this pool; wait for it to end, or cancel it")
            if len(running) >= AT_ONCE:
                raise PoolBusy(f"{AT_ONCE} jobs are running, which is the most at a time; wait for one to end")
            job = Job(self._path, task)
            self._jobs[job.id] = job
            ended = [name for name, each in self._jobs.items() if each.ended]
            for name in ended[: max(0, len(ended) - FINISHED)]:
                del self._jobs[name]
            return job

    def get(self, name: str) -> Job:
        """Raises BadInput for one there is not."""
        with self._lock:
            if name not in self._jobs:
                raise BadInput("there is no such job; the server forgets its jobs when it ends")
            return self._jobs[name]

    def all(self) -> list[Job]:
        """Newest first."""
        with self._lock:
            return list(self._jobs.values())[::-1]

    def close(self) -> None:
        """End everything, gently first."""
        with self._lock:
            self.closed = True
            running = [job for job in self._jobs.values() if not job.ended]
        for job in running:
            job.cancel()
        for job in running:
            if not job.join(PATIENCE / 2):
                job.kill()
                job.join(PATIENCE / 2)


def _start(path: Path, task: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A child of its own group that works in the pool's folder and imports nothing from there (-P)."""
    home = str(Path(veduta.__file__).absolute().parents[1])
    given = [os.path.abspath(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "veduta.app.runner", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([home, *given]), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        pass  # it died at once, and its output says why
    return child


def _event(line: bytes) -> dict[str, Any]:
    """A line of JSON, or what else a child prints as something it says."""
    text = line.decode("utf-8", "replace").rstrip()
    try:
        event = json.loads(text, parse_constant=lambda _: None)  # a browser reads no NaN
    except ValueError:
        event = None
    if isinstance(event, dict) and isinstance(event.get("event"), str):
        return event
    return {"event": "say", "message": text[:2000]} if text else {}
