"""The bytes of rows that lie on the web: nothing is fetched before it is asked for, then what is offered side by side."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from veduta.errors import SourceError
from veduta.pool.fetch import Fetcher, Outcome, Policy, Status
from veduta.pool.fetch.body import checked_body


class Offered:
    """The links of items that a reader has given out. Memory holds no more bodies than the caller holds items."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._offered: deque[weakref.ref[_Fetch]] = deque()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget what was offered before."""
        with self._lock:
            self._offered.clear()

    def reading(self, url: str) -> Callable[[], bytes]:
        """A `read` for an item; called, it starts all that are held by somebody and waits for its own."""
        fetch = _Fetch(url, self._fetcher, self._start)
        with self._lock:
            while self._offered and self._offered[0]() is None:
                self._offered.popleft()
            self._offered.append(weakref.ref(fetch))
        return fetch

    def _start(self) -> None:
        """Begin to fetch all offered rows whose item somebody still holds."""
        with self._lock:
            while self._offered:
                fetch = self._offered.popleft()()
                if fetch is not None:
                    fetch.start()


class _Fetch:
    """`read` of one item. The item holds it, so it dies with an item that the caller has no use for."""

    def __init__(self, url: str, fetcher: Fetcher, before: Callable[[], None]) -> None:
        self._url, self._fetcher, self._before = url, fetcher, before
        self._future: Future[Outcome] | None = None

    def start(self) -> None:
        self._future = self._fetcher.start(self._url)

    def __call__(self) -> bytes:
        self._before()
        future, self._future = self._future or self._fetcher.start(self._url), None
        outcome = future.result()
        if outcome.status is not Status.FETCHED:
            raise SourceError(str(outcome))
        return outcome.data


def saved_body(path: Path, policy: Policy) -> bytes:
    """The bytes of an image that was saved with its page, within the policy's limits. Raises SourceError beyond them."""
    body = path.read_bytes()
    status, detail = checked_body(body, policy.min_bytes, policy.max_pixels)
    if status is not Status.FETCHED:
        raise SourceError(str(Outcome(status, str(path), detail=detail)))
    return body


def saved_stamp(path: Path) -> str:
    """Changes whenever the file may have changed."""
    try:
        facts = path.stat()
    except OSError:
        return "gone"
    return f"{facts.st_size}:{facts.st_mtime_ns}"
