"""Many links at a time, each to exactly one outcome."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import httpcore

from veduta.pool.fetch.address import AddressRefused, CheckedBackend, NoSuchHost
from veduta.pool.fetch.body import checked_body, read_body
from veduta.pool.fetch.hosts import Hosts
from veduta.pool.fetch.outcome import Outcome, Policy, Status
from veduta.pool.fetch.robots import opt_out
from veduta.pool.fetch.target import Target

_REDIRECTS = (301, 302, 303, 307, 308)


class Fetcher:
    """Fetches links on one background thread; use it in a `with` block or call `close`.

    `start(url)` gives a future of the outcome and never blocks; it is for the caller to keep the number of unread
    futures small, since each holds a body (`outcomes` does). No proxy from the environment is used: behind one the
    address of a host could not be checked. Cookies are neither kept nor sent.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._core: _Core | None = None
        self._lock = threading.Lock()

    def start(self, url: str) -> Future[Outcome]:
        """Begin to fetch `url`."""
        with self._lock:
            if self._loop is None or self._core is None:
                self._loop = asyncio.new_event_loop()
                self._core = _Core(self.policy)
                thread = threading.Thread(target=_serve, args=(self._loop,), daemon=True, name="veduta-fetch")
                thread.start()
                self._stop = weakref.finalize(self, _end, self._loop, self._core, thread)
        return asyncio.run_coroutine_threadsafe(self._core.outcome(url), self._loop)

    def fetch(self, url: str) -> Outcome:
        """Fetch one link and wait for it."""
        return self.start(url).result()

    def outcomes(self, urls: Iterable[str]) -> Iterator[Outcome]:
        """Outcomes in the order of `urls`; at most twice `workers` links are ahead of the one that is given out."""
        ahead: list[Future[Outcome]] = []
        for url in urls:
            ahead.append(self.start(url))
            if len(ahead) >= 2 * self.policy.workers:
                yield ahead.pop(0).result()
        for future in ahead:
            yield future.result()

    def close(self) -> None:
        """End all connections; a later `start` opens new ones."""
        with self._lock:
            if self._loop is not None:
                self._stop()
                self._loop, self._core = None, None

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _end(loop: asyncio.AbstractEventLoop, core: _Core, thread: threading.Thread) -> None:
    async def stop() -> None:
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        with suppress(Exception):
            await core.close()
        loop.call_soon(loop.stop)

    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(stop(), loop)
        if thread is not threading.current_thread():
            thread.join(5.0)


class _Core:
    """The part that lives on the event loop."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=policy.workers,
            max_keepalive_connections=policy.workers,
            keepalive_expiry=10.0,
            network_backend=CheckedBackend(policy.allow_private, policy.private_hosts),
        )
        self._slots = asyncio.Semaphore(policy.workers)
        self._hosts = Hosts(policy, self._robots)

    async def close(self) -> None:
        await self._pool.aclose()

    async def outcome(self, url: str) -> Outcome:
        """The end of all attempts."""
        result = Outcome(Status.NOT_A_LINK, url, detail="no attempt was made")
        async with self._slots:
            for attempt in range(self.policy.attempts):
                if attempt:
                    await asyncio.sleep(self.policy.pause * 2 ** (attempt - 1))
                result = await self._attempt(url)
                if not result.status.passing:
                    break
        return result

    async def _attempt(self, url: str) -> Outcome:
        where = [url]
        try:
            async with asyncio.timeout(self.policy.timeout):
                return await self._follow(where)
        except TimeoutError:
            return Outcome(Status.TIMEOUT, where[-1], detail=f"no complete answer in {self.policy.timeout:g} s")
        except AddressRefused as error:
            return Outcome(Status.ADDRESS, where[-1], detail=str(error))
        except NoSuchHost as error:
            return Outcome(Status.DEAD, where[-1], detail=str(error))
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            return Outcome(Status.DEAD, where[-1], detail=f"no connection: {error or type(error).__name__}")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Outcome(Status.BROKEN, where[-1], detail=str(error) or type(error).__name__)

    async def _follow(self, where: list[str]) -> Outcome:
        """Follow redirects; each hop is checked like the first. `where` collects the links gone through."""
        for _ in range(self.policy.redirects + 1):
            target = Target.of(where[-1])
            if target is None:
                return Outcome(Status.NOT_A_LINK, where[-1], detail="not an http or https link to a host")
            if self.policy.robots and not await self._hosts.allows(target):
                return Outcome(Status.ROBOTS, where[-1])
            async with (
                self._hosts.slot(target.origin),
                self._pool.stream(b"GET", target.url, headers=self._headers(target)) as response,
            ):
                code = response.status
                if code not in _REDIRECTS:
                    return await self._judge(response, where[-1])
                location = dict(_headers(response)).get("location")
            if location is None:
                return Outcome(Status.DEAD, where[-1], detail=f"HTTP {code} without a location")
            where.append(target.join(location))
        return Outcome(Status.REDIRECTS, where[-1], detail=f"more than {self.policy.redirects}")

    async def _judge(self, response: httpcore.Response, url: str) -> Outcome:
        policy, code = self.policy, response.status
        if code != 200:
            status = Status.DEAD if code in (404, 410) or code < 400 else Status.REFUSED
            return Outcome(Status.SERVER if code >= 500 or code == 429 else status, url, detail=f"HTTP {code}")
        headers = _headers(response)
        if (said := opt_out(headers, policy.opt_outs, policy.agent)) is not None:
            return Outcome(Status.OPTED_OUT, url, detail=said)
        body = await read_body(response, dict(headers), policy.max_bytes)
        if body is None:
            return Outcome(Status.TOO_LARGE, url, detail=f"more than {policy.max_bytes} bytes")
        status, detail = checked_body(body, policy.min_bytes, policy.max_pixels)
        return Outcome(status, url, body if status is Status.FETCHED else b"", detail)

    async def _robots(self, target: Target) -> str | None:
        """The text of a host's robots.txt; "" where there is none, None where it cannot be told (RFC 9309, 2.3.1)."""
        for _ in range(6):
            async with self._pool.stream(b"GET", target.url, headers=self._headers(target)) as response:
                if response.status in _REDIRECTS:
                    onward = Target.of(target.join(dict(_headers(response)).get("location", "")))
                    if onward is None:
                        return ""
                    target = onward
                    continue
                if response.status >= 500 or response.status == 429:
                    return None
                if response.status != 200:
                    return ""
                body = await read_body(response, dict(_headers(response)), 1 << 20)
                return (body or b"").decode("utf-8", "replace")
        return ""

    def _headers(self, target: Target) -> list[tuple[bytes, bytes]]:
        agent = self.policy.agent.encode()
        return [
            (b"Host", target.host),
            (b"User-Agent", agent),
            (b"Accept", b"image/*,*/*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
        ]


def _headers(response: httpcore.Response) -> list[tuple[str, str]]:
    pairs: list[tuple[Any, Any]] = list(response.headers)
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]
