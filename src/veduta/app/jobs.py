"""Work in the background: each job is a process of its own, so that it can be ended and cannot take the server with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

from veduta.errors import BadInput, PoolBusy

LINES = 2000
"""Events of a job that are kept, the newest."""
KEPT = 100
"""Jobs that are remembered, the newest."""
PATIENCE = 10.0
"""Seconds that a cancelled job has to end by itself."""

Status = Literal["running", "done", "failed", "cancelled"]


class Job:
    """A process and what it tells. asked: see `veduta.app.runner`."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.asked = asked
        self.started = time.time()
        self.ended: float | None = None
        self.status: Status = "running"
        self.events: deque[dict[str, Any]] = deque(maxlen=LINES)
        self.told = 0
        self.changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "veduta.app.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asked))
            self._process.stdin.close()
        threading.Thread(target=self._follow, name=f"job-{self.id}", daemon=True).start()

    @property
    def message(self) -> str:
        """What came of it, in a sentence; empty while it runs."""
        for event in reversed(self.events):
            if event.get("event") == "error":
                return str(event["message"])
            if event.get("event") == "result":
                return str(event.get("summary") or "")
        return ""

    def cancel(self) -> None:
        """Ask the process to end as Ctrl-C does, and end it if it does not."""
        if self.status == "running":
            self.status = "cancelled"
            self._signal(signal.SIGINT)
            threading.Thread(target=self._insist, daemon=True).start()

    def wait(self, after: int, seconds: float) -> tuple[list[dict[str, Any]], int, bool]:
        """Events behind the first `after` ones, the number of all, and whether the job is over; waits for one of them."""
        with self.changed:
            self.changed.wait_for(lambda: self.told > after or self.ended is not None, seconds)
            new = min(self.told - after, len(self.events))
            return list(self.events)[len(self.events) - new :], self.told, self.ended is not None

    def _follow(self) -> None:
        errors: deque[str] = deque(maxlen=20)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        stderr = self._process.stderr
        reader = threading.Thread(target=lambda: errors.extend(stderr), daemon=True)
        reader.start()
        for line in self._process.stdout:
            try:
                self._add(json.loads(line))
            except ValueError:
                self._add({"event": "say", "message": line.rstrip()[:2000]})
        code = self._process.wait()
        reader.join(2)
        if code and self.status != "cancelled":
            self.status = "failed"
            if not self.message:
                last = errors[-1].strip() if errors else f"the process ended with code {code}"
                self._add({"event": "error", "code": "V000", "message": last[:2000]})
        elif not code:
            self.status = "done"
        with self.changed:
            self.ended = time.time()
            self.changed.notify_all()

    def _add(self, event: dict[str, Any]) -> None:
        with self.changed:
            self.events.append(event)
            self.told += 1
            self.changed.notify_all()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _insist(self) -> None:
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)

    def end(self) -> None:
        """End it now: the server goes."""
        if self.ended is None:
            self.cancel()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            self._signal(signal.SIGKILL)


class Jobs:
    """The jobs of a server, newest last. One works at a time: a pool has one writer, and a machine so many cores."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, asked: dict[str, Any]) -> Job:
        """Start a job. Raises PoolBusy while another one runs."""
        with self._lock:
            for job in self._jobs.values():
                if job.ended is None:
                    raise PoolBusy(f"'{job.asked['operation']}' is still running; wait for it, or cancel it")
            job = Job(asked)
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT:
                self._jobs.pop(next(iter(self._jobs)))
            return job

    def find(self, name: str) -> Job:
        """The job of an id. Raises BadInput."""
        with self._lock:
            if name not in self._jobs:
                raise BadInput("there is no such job; jobs are forgotten when the server ends")
            return self._jobs[name]

    def all(self) -> Iterator[Job]:
        """Newest first."""
        with self._lock:
            return iter(list(self._jobs.values())[::-1])

    def end(self) -> None:
        """End all that run."""
        for job in self.all():
            job.end()
