"""What was read from a version is kept: each thing is made once, by one thread, and the least used gives way."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

BYTES = 192 << 20
"""A million rows take 1 to 9 MB a column."""


class Kept:
    """Values by name, within a bound in bytes. Safe to use from several threads; nothing is locked while one is made."""

    def __init__(self, limit: int = BYTES) -> None:
        self.limit, self.total = limit, 0
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._coming: dict[Hashable, Future[Any]] = {}

    def get(self, name: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """The value. However many ask at a time, `make` runs once, and its error goes to all of them.

        size: of the value in bytes; one that would push most others out is not kept.
        """
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name][0]
            coming = self._coming.get(name)
            mine = coming is None
            if coming is None:
                coming = self._coming[name] = Future()
        if not mine:
            return coming.result()
        try:
            value = make()
            taken = size(value)
        except BaseException as error:
            with self._lock:
                del self._coming[name]
            coming.set_exception(error)
            raise
        with self._lock:
            del self._coming[name]
            if taken <= self.limit // 2:
                self._values[name] = value, taken
                self.total += taken
            while self.total > self.limit:
                self.total -= self._values.popitem(last=False)[1][1]
        coming.set_result(value)
        return value
