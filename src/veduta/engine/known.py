"""The pool as it was before an ingest, in the form in which items are compared with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from veduta.engine import origin as origins
from veduta.pool import Item, Pool, View, roles

SOUND, UNREADABLE, UNSUPPORTED, UNDECODABLE = range(4)
_NO_ORIGIN = -1


def stamp_of(item: Item) -> str:
    """The stamp to keep: the item's own, and a digest of its fields, so that facts that change elsewhere are seen."""
    text = json.dumps(item.fields, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return f"{item.stamp}|{hashlib.blake2b(text, digest_size=6).hexdigest()}"


class Before:
    """What the pool holds, by key, digest and address. Memory: some 200 bytes a row, half of it the keys.

    offered: (n,) bool, the rows whose key or file the source has offered so far. seen: (n,) bool, those that an item stands
    for. addresses: (n,) uint64, which stay while rows come and go. folder: of the pool.
    """

    def __init__(self, pool: Pool, recorded: Sequence[str] = ()) -> None:
        self.view, self.folder = View(pool.at(pool.version).dataset), pool.path
        count = len(self.view)
        self.addresses = self.view._addresses()
        self.offered, self.seen, self.gone = (np.zeros(count, bool) for _ in range(3))
        self.states = np.zeros(count, np.uint8)
        self.origins = np.full(count, _NO_ORIGIN, np.int32)
        self.places: list[str] = []
        self._rows: dict[str, int] = {}
        self._digests = np.zeros(count, np.uint64)
        self._uris, self._stamps, self._raw = (np.zeros(count, np.int64) for _ in range(3))
        self._fill(list(recorded))
        order = np.argsort(self._digests, kind="stable")
        self._sorted, self._order = self._digests[order], order.astype(np.int64)

    def _fill(self, recorded: list[str]) -> None:
        schema = self.view.schema
        origin, gone = roles.name(schema, roles.ORIGIN), roles.name(schema, roles.GONE)
        numbers: dict[str, int] = {}
        columns = ["key", "digest", "uri", "stamp", "error", *([origin] if origin else []), *([gone] if gone else [])]
        at = 0
        for batch in self.view.batches(columns):
            values = {name: batch.column(name).to_pylist() for name in columns}
            for i, key in enumerate(values["key"]):
                self._rows[key] = at
                uri, stamp, error = values["uri"][i] or "", values["stamp"][i] or "", values["error"][i]
                self._digests[at] = _short(values["digest"][i])
                self._uris[at] = hash(uri) if uri else 0
                self._stamps[at], self._raw[at] = hash(stamp), hash(stamp.rpartition("|")[0] or stamp)
                if error is not None:
                    self.states[at] = _state(error)
                place = (values[origin][i] if origin else None) or origins.of_row(uri, recorded)
                if place is not None:
                    self.origins[at] = numbers.setdefault(place, len(numbers))
                self.gone[at] = bool(gone) and values[gone][i] is not None
                at += 1
        self.places = list(numbers)

    def row(self, key: str) -> int | None:
        """The row with this key."""
        return self._rows.get(key)

    def origin(self, row: int) -> str | None:
        """The source that the row came from; None where that is not known."""
        return None if self.origins[row] == _NO_ORIGIN else self.places[self.origins[row]]

    def of(self, places: Sequence[str]) -> np.ndarray:
        """(n,) bool: the rows that came from one of these sources."""
        return np.isin(self.origins, [i for i, place in enumerate(self.places) if place in places])

    def is_at(self, row: int, uri: str) -> bool:
        """Whether the row has this very address."""
        return bool(uri) and self._uris[row] == hash(uri)

    def has_address(self, row: int) -> bool:
        """Whether the row has an address of its own."""
        return self._uris[row] != 0

    def stamped(self, row: int, stamp: str, item: Item) -> bool:
        """Whether the row has this stamp; pools of earlier versions hold the item's own."""
        return self._stamps[row] in (hash(stamp), hash(item.stamp))

    def touched(self, row: int, item: Item) -> bool:
        """Whether the content may have changed, whatever became of the facts."""
        return self._raw[row] != hash(item.stamp)

    def holds(self, row: int, digest: str | None) -> bool:
        """Whether the row has these very bytes."""
        return digest is not None and self._digests[row] == _short(digest)

    def with_digest(self, digest: str) -> np.ndarray:
        """The rows with these very bytes, ascending."""
        low = np.searchsorted(self._sorted, _short(digest))
        high = np.searchsorted(self._sorted, _short(digest), side="right")
        return self._order[low:high]

    def by_uri(self, wanted: np.ndarray) -> dict[int, int]:
        """Hash of the address -> row, for the rows of a mask; of several the first that is not gone."""
        rows = np.flatnonzero(wanted & (self._uris != 0))[::-1]
        rows = rows[np.argsort(~self.gone[rows], kind="stable")]
        return dict(zip(self._uris[rows].tolist(), rows.tolist(), strict=True))

    def stored(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The values of some rows."""
        return self.view.take(np.asarray(rows, np.int64), list(columns)).to_pylist()


def _state(error: str) -> int:
    """Whether to try again: what could not be read, and what a package that is missing would decode."""
    if error.startswith("unreadable"):
        return UNREADABLE
    return UNSUPPORTED if "install" in error else UNDECODABLE


def _short(digest: str | None) -> np.uint64:
    """The first 64 bits of a SHA-256; two files that agree in them by chance are not to be expected. 0 stands for none."""
    return np.uint64(int(digest[:16], 16) if digest else 0)
