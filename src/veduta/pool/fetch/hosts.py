"""What is known and allowed per host: how many requests at a time, and its robots.txt."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpcore

from veduta.pool.fetch.outcome import Policy
from veduta.pool.fetch.robots import Robots
from veduta.pool.fetch.target import Target

# Hosts whose robots.txt is remembered; older ones are asked again.
MOST_HOSTS = 10_000

Reader = Callable[[Target], Awaitable[str | None]]


class Hosts:
    """Per-host state on the event loop; memory does not grow with the number of hosts."""

    def __init__(self, policy: Policy, read: Reader) -> None:
        self._policy, self._read = policy, read
        self._busy: dict[str, tuple[asyncio.Semaphore, int]] = {}
        self._rules: OrderedDict[str, asyncio.Task[Robots | None]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, origin: str) -> AsyncIterator[None]:
        """Wait until fewer than `per_host` requests to the host are under way."""
        semaphore, users = self._busy.get(origin, (asyncio.Semaphore(self._policy.per_host), 0))
        self._busy[origin] = (semaphore, users + 1)
        try:
            async with semaphore:
                yield
        finally:
            semaphore, users = self._busy[origin]
            if users == 1:
                del self._busy[origin]
            else:
                self._busy[origin] = (semaphore, users - 1)

    async def allows(self, target: Target) -> bool:
        """Whether the host's robots.txt allows the link; one that cannot be read forbids everything (RFC 9309, 2.3.1.4)."""
        if target.path == "/robots.txt":
            return True
        task = self._rules.get(target.origin)
        if task is None:
            task = asyncio.ensure_future(self._load(target))
            self._rules[target.origin] = task
            if len(self._rules) > MOST_HOSTS:
                self._rules.popitem(last=False)
        try:
            # Shielded: one link's timeout must not take the answer from all others that wait for it.
            rules = await asyncio.shield(task)
        except Exception:
            self._rules.pop(target.origin, None)
            raise
        return rules is not None and rules.allows(target.path)

    async def _load(self, target: Target) -> Robots | None:
        place = Target.of(target.join("/robots.txt"))
        if place is None:
            return None
        try:
            async with asyncio.timeout(self._policy.timeout):
                text = await self._read(place)
        except (httpcore.ReadError, httpcore.ProtocolError):
            return None
        return None if text is None else Robots(text, self._policy.agent)
