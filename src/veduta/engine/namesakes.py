"""Rows of other sources under the keys of this one."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from veduta.engine import origin as origins
from veduta.engine.known import Before
from veduta.pool import Item

_GONE = re.compile(r"^(gone~\d+/)+")


class Namesakes:
    """Tells the rows of one source from those of others with the same keys, and gives its items keys of their own.

    origin: of the source, where it is known; name: of its reader.
    """

    def __init__(self, before: Before, origin: str | None, name: str) -> None:
        self._before, self._origin, self._name = before, origin, name

    def is_foreign(self, row: int, item: Item) -> bool:
        """Whether the row came from another source than this one, as far as is known."""
        if self._before.is_at(row, item.uri):
            return False
        place = self._before.origin(row)
        if place is not None and self._origin is not None:
            return place != self._origin
        return bool(item.uri) and self._before.has_address(row)

    def alias(self, item: Item, row: int) -> tuple[str, int, bool]:
        """The key and row of an item whose own key belongs to another source; (its key, that row, True) if it has none."""
        for alias in self.keys(item.key):
            other = self._before.row(alias)
            if other is None:
                return item.key, row, True
            if not self.is_foreign(other, item):
                return alias, other, False
        return item.key, row, True

    def keys(self, key: str) -> Iterator[str]:
        """Keys for an item whose own key is taken, without end."""
        title, number = origins.title(self._origin, self._name), 1
        while True:
            number += 1
            yield f"{title}~{number}/{key}"


def left_keys(key: str) -> Iterator[str]:
    """Keys for a row that is gone, when another one has its key now; without end."""
    key = before_gone(key)
    number = 0
    while True:
        number += 1
        yield f"gone~{number}/{key}"


def before_gone(key: str) -> str:
    """The key that a row had before it got one of `left_keys`."""
    return _GONE.sub("", key)


def unused(keys: Iterable[str], before: Before, new: Container[str]) -> str:
    """The first of the keys that the pool does not have and no new row gets."""
    return next(key for key in keys if before.row(key) is None and key not in new)
