"""Which picture of a source went where: decided by content, when all of its items are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from veduta.engine.aside import Aside
from veduta.engine.known import Before
from veduta.engine.offer import Found, Offer
from veduta.errors import SourceError
from veduta.pool import location

PART = 4096


class Moves:
    """Items that wait: those with the bytes of other rows, and those whose own row had other bytes.

    Memory: one item for each, without its bytes.
    """

    def __init__(self, before: Before) -> None:
        self._before = before
        self._aside = Aside(before.folder)
        self._waiting: list[Found] = []

    def wait(self, found: Found) -> None:
        """Put an item aside."""
        found.offer = self._light(found)
        found.facts.pop("image", None)
        self._waiting.append(found)

    def displaced(self) -> list[int]:
        """The rows whose place has other bytes than theirs."""
        return [found.offer.row for found in self._waiting if found.offer.row >= 0]

    def by_place(self) -> Counter[str]:
        """How many of the waiting items have the bytes of a row of each source."""
        found: Counter[str] = Counter()
        for each in self._waiting:
            rows = self._before.with_digest(each.digest).tolist()
            found.update({place for row in rows if (place := self._before.origin(row))})
        return found

    def decide(
        self, free: np.ndarray, displaced: list[int], away: Callable[[str, str], str]
    ) -> Iterator[tuple[Found, int]]:
        """Each item with the row that it is now, -1 where it is none.

        free: (n,) bool, the rows that no other item stands for. displaced: those of them that are surely not away. away: why a
        row with this key and address cannot be seen now, "" if it can; such a row is out of reach, and has not moved. Of several
        rows with the same bytes, one whose name stays is taken.
        """
        free = free.copy()
        candidates = {n: self._before.with_digest(each.digest) for n, each in enumerate(self._waiting)}
        free[displaced] = True
        wanted = np.unique(np.concatenate([np.empty(0, np.int64), *candidates.values()]))
        wanted = wanted[free[wanted]].tolist()
        names, fixed = dict[int, str](), set(displaced)
        for start in range(0, len(wanted), PART):
            part = wanted[start : start + PART]
            for row, had in zip(part, self._before.stored(part, ["key", "uri"]), strict=True):
                names[row] = had["key"].rpartition("/")[2]
                free[row] = row in fixed or not away(had["key"], had["uri"] or "")
        became: dict[int, int] = {}
        for by_name in (True, False):
            for n, each in enumerate(self._waiting):
                if n in became:
                    continue
                name = each.offer.key.rpartition("/")[2]
                left = (row for row in candidates[n].tolist() if free[row] and (not by_name or names[row] == name))
                row = next(left, None)
                if row is not None:
                    free[row] = False
                    became[n] = row
        for n, each in enumerate(self._waiting):
            yield each, became.get(n, -1)

    def _light(self, found: Found) -> Offer:
        """The offer without the bytes that its item may hold."""
        offer, rows = found.offer, self._before.with_digest(found.digest)
        item, data = offer.item, found.facts.get("image")
        if item.uri and not location.is_remote(item.uri):
            return offer
        if len(rows):
            return replace(offer, item=replace(item, read=partial(_stored, self._before, int(rows[0]))))
        return replace(offer, item=replace(item, read=self._aside.put(data))) if data is not None else offer


def _stored(before: Before, row: int) -> bytes:
    """The bytes of a row, as the pool has them."""
    data = before.view.read_images([row])[0]
    if data is None:
        raise SourceError("the image of the same content that the pool had cannot be read any more")
    return data
