"""A source compared with the pool: which items must be read, what rows become of them, and which rows nothing was offered for.

Decisions that need the whole listing wait for its end: whether a file with known bytes has moved or is a copy, and whether a
source with the keys of another one is that source in a new place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from veduta.engine import origin as origins
from veduta.engine.absent import Absent
from veduta.engine.facts import Facts
from veduta.engine.known import UNREADABLE, UNSUPPORTED, Before, stamp_of
from veduta.engine.namesakes import Namesakes
from veduta.engine.offer import Found, Offer
from veduta.engine.outcome import AWAY, GONE, GONE_BEFORE, IngestReport
from veduta.engine.renew import Renewals
from veduta.errors import SourceError
from veduta.pool import Item, Reader, roles

MOVED_SHARE = 4
"""A source whose old place is gone has moved where at least one in (1 + this) of the common keys holds the same bytes."""
UNREAD = "what the source says of the image cannot be read"
ORIGIN, GONE_ROLE = roles.ORIGIN, roles.GONE


class Reconciler:
    """Sorts the items of one source.

    names: role -> column, of the roles that the pool has. Memory: besides `Before`, the keys that are new and one item for
    each whose decision waits.
    """

    def __init__(
        self,
        before: Before,
        facts: Facts,
        reader: Reader,
        origin: str | None,
        names: dict[str, str],
        report: IngestReport,
    ) -> None:
        self._before, self._facts, self._report = before, facts, report
        self.origin = origin
        self._names = names
        self.renewals = Renewals(before)
        self._namesakes = Namesakes(before, origin, reader.name)
        self._new: set[str] = set()
        self._foreign: dict[str, list[Found]] = defaultdict(list)
        self._copies: list[Found] = []
        self._aliased: dict[str, list[tuple[str, str]]] = defaultdict(list)
        near = [p for p in before.places if origin and p != origin and _nested(p, origin)]
        self._by_uri = before.by_uri(before.of(near)) if near else {}

    # -- while the source is listed ----------------------------------------------------------------------------

    def offers(self, items: Iterator[Item], unread: Callable[[], None]) -> Iterator[Offer]:
        """The items that must be read; `unread` is called for each of the others."""
        for item in items:
            offer = self._offer(item)
            if offer is None:
                unread()
            else:
                yield offer

    def _offer(self, item: Item) -> Offer | None:
        before, key = self._before, item.key
        offer = Offer(item, key, stamp_of(item))
        row = before.row(key)
        if key in self._new or (row is not None and before.seen[row] and not self._namesakes.is_foreign(row, item)):
            words = f"the key was offered before by this source; second place: {item.uri}"
            self._report.add(key, "duplicate key", words)
            return None
        if row is None or self._namesakes.is_foreign(row, item):
            same_file = self._by_uri.get(hash(item.uri)) if item.uri else None
            if same_file is not None and not before.seen[same_file]:
                return self._overlapping(offer, same_file)
            if row is not None:
                offer.key, row, offer.foreign = self._namesakes.alias(item, row)
                key = offer.key
                if not offer.foreign and before.seen[row]:
                    self._report.add(key, "duplicate key", f"the key was offered before; second place: {item.uri}")
                    return None
        if row is None:
            self._new.add(key)
            return offer
        offer.row = row
        if offer.foreign:
            self._new.add(item.key)
            return offer
        before.seen[row] = True
        of_another = before.origin(row) not in (None, self.origin) and self.origin is not None
        offer.sparse = of_another or item.unsure
        if before.states[row] in (UNREADABLE, UNSUPPORTED) or not before.stamped(row, offer.stamp, item):
            return offer
        elsewhere = bool(item.uri) and not before.is_at(row, item.uri)
        if elsewhere:
            self.renewals.of(row).values["uri"] = item.uri
        self._count(row, key, "moved" if elsewhere and not _is_range(item.uri) else "unchanged")
        return None

    def _overlapping(self, offer: Offer, row: int) -> Offer | None:
        """The very file of a row of a wider or a narrower source."""
        before = self._before
        before.seen[row] = True
        offer.row = row
        place = before.origin(row)
        if place and self.origin and origins.within(place, self.origin):
            self._new.add(offer.key)
            return offer  # the wider source knows more of the file: the row gets its key and facts
        offer.narrow = True
        if before.touched(row, offer.item) or before.states[row] in (UNREADABLE, UNSUPPORTED):
            offer.key = before.stored([row], ["key"])[0]["key"]
            return offer
        self._report.add(offer.key, "unchanged")
        return None

    def take(self, found: Found) -> None:
        """An item that became no row."""
        offer, report = found.offer, self._report
        if found.kind == "away":
            report.add(offer.key, AWAY, found.reason.removeprefix("unreadable: "))
        elif found.kind == "still":
            word = "unreadable" if self._before.states[offer.row] == UNREADABLE else "undecodable"
            self._count(offer.row, offer.key, word, found.reason)
        elif found.kind == "copy":
            found.facts.pop("image", None)
            found.offer = self._light(offer, found.digest)
            self._copies.append(found)
        elif offer.foreign:
            self._foreign[self._before.origin(offer.row) or ""].append(found)
        else:
            self._same(found)

    def _light(self, offer: Offer, digest: str) -> Offer:
        """The offer without the bytes that its item may hold: the pool has the very same."""
        item, rows = offer.item, self._before.with_digest(digest)
        read = item.read if item.uri else partial(_stored, self._before, int(rows[0]))
        return replace(offer, item=replace(item, read=read))

    def _same(self, found: Found) -> None:
        offer, row = found.offer, found.offer.row
        renewal = self.renewals.of(row)
        unread = bool(found.untold) and offer.item.unsure
        if offer.stamp and not unread:  # else it is compared again when it can be read
            renewal.values["stamp"] = offer.stamp
        uri = offer.item.uri
        elsewhere = bool(uri) and not self._before.is_at(row, uri)
        if elsewhere:
            renewal.values["uri"] = uri
        moved = elsewhere and (not _is_range(uri) or self._before.origin(row) != self.origin)
        if not offer.narrow and self._before.row(offer.key) != row:
            renewal.values["key"] = offer.key
            moved = True
        whose = self.origin and not offer.narrow and not offer.sparse and ORIGIN in self._names
        if whose and (moved or self._before.origin(row) != self.origin):
            renewal.values[self._names[ORIGIN]] = self.origin
        renewal.facts |= found.facts
        self._changed(offer.key, found)
        outcome = "moved" if moved else "changed facts" if found.facts else AWAY if unread else "unchanged"
        self._count(row, offer.key, outcome, UNREAD if outcome == AWAY else "")

    def _changed(self, key: str, found: Found) -> None:
        self._report.changed.update(name for name in found.facts if name in self._facts.fields)
        self._report.kept += [(key, *each) for each in found.kept]
        self._report.keeps(found.untold)

    def _count(self, row: int, key: str, outcome: str, reason: str = "") -> None:
        """Count the item of a row; a mark that the row was gone is taken back."""
        if self._before.gone[row] and GONE_ROLE in self._names:
            self.renewals.of(row).values[self._names[GONE_ROLE]] = None
            outcome = "back" if outcome == "unchanged" else outcome
        self._report.add(key, outcome, reason)

    # -- when the listing is complete --------------------------------------------------------------------------

    def settle(self, absent: Absent | None) -> list[Offer]:
        """Decide what waited. Returns the items that become rows after all, those of sources that moved first."""
        mine = [self.origin] if self.origin else []
        moved = [place for place, found in self._foreign.items() if self._has_moved(place, found)]
        rows: list[Offer] = []
        for place, found in self._foreign.items():
            for each in found:
                rows += self._settled(each, place in moved)
        for place in moved:
            self._report.remarks.append(
                f"the source {place} is now {self.origin}: its images are known under their keys, and have a new address"
            )
        for place, keys in self._aliased.items():
            self._report.remarks.append(
                f"{len(keys):,} keys are those of other images, from {place}: both are kept, such as {keys[0][0]}, here as {keys[0][1]}"
            )
        ours = self._before.of([*mine, *moved])
        if self.origin and ORIGIN in self._names:
            for row in np.flatnonzero(self._before.of(moved)).tolist():
                self.renewals.of(row).values[self._names[ORIGIN]] = self.origin
        replaced = {offer.row for offer in rows if offer.row >= 0}
        for row in replaced:
            self.renewals.rows.pop(row, None)
        rows += self._moves(ours, absent)
        if absent is not None:
            self._missed(ours, absent)
        return rows

    def _has_moved(self, place: str, found: list[Found]) -> bool:
        """Whether a source that had some of these keys is the present one, in its old place before."""
        same = sum(each.kind == "same" for each in found)
        if not place or self.origin is None or not same or same * MOVED_SHARE < len(found) - same:
            return False
        return not origins.stands(place)

    def _settled(self, found: Found, moved: bool) -> Iterator[Offer]:
        """What becomes of an item whose key another source had."""
        offer = found.offer
        if moved:
            self._before.seen[offer.row] = True
            offer = replace(offer, foreign=False, settled=True)
            if found.kind == "same":
                self._same(replace(found, offer=offer))
            else:
                yield offer
        elif found.kind == "same":
            told = {name: value for name, value in found.facts.items() if name in self._facts.fields}
            if any(value is not None for value in told.values()):
                place = self._before.origin(offer.row) or "another source"
                words = f"the pool has this image under this key from {place}, with another {', '.join(sorted(told))}"
                self._report.add(offer.key, "duplicate key", words)
            else:
                self._report.add(offer.key, "unchanged")
        else:
            key = next(k for k in self._namesakes.keys(offer.key) if self._before.row(k) is None and k not in self._new)
            self._new.add(key)
            self._aliased[self._before.origin(offer.row) or "another source"].append((offer.key, key))
            yield replace(offer, key=key, row=-1, foreign=False, settled=True)

    def _moves(self, ours: np.ndarray, absent: Absent | None) -> Iterator[Offer]:
        """Files with the bytes of a row that this source offers no longer have moved; all others are copies."""
        free = ours & ~self._before.seen
        candidates: dict[int, list[int]] = {}
        for number, found in enumerate(self._copies):
            rows = self._before.with_digest(found.digest)
            candidates[number] = rows[free[rows]].tolist() if absent is not None else []
        wanted = sorted({row for rows in candidates.values() for row in rows})
        stored = dict(zip(wanted, self._with_places(wanted), strict=True))
        if absent is not None:
            stored = {row: had for row, had in stored.items() if not absent.why(had["key"], had["uri"] or "")}
        for number, found in enumerate(self._copies):
            offer = found.offer
            left = [row for row in candidates[number] if row in stored and free[row]]
            if not left:
                yield replace(offer, settled=True)
                continue
            name = offer.key.rpartition("/")[2]
            row = next((r for r in left if stored[r]["key"].rpartition("/")[2] == name), left[0])
            free[row], self._before.seen[row] = False, True
            values, found.kept, found.untold = self._facts.merged(stored[row], found.facts, offer)
            found.facts = self._facts.changes(stored[row], values)
            found.offer = replace(offer, row=row)
            self._same(found)

    def _with_places(self, rows: list[int]) -> list[dict[str, Any]]:
        facts = self._facts.stored(rows)
        places = self._before.stored(rows, ["uri"]) if rows else []
        return [{**fact, **place} for fact, place in zip(facts, places, strict=True)]

    def _missed(self, ours: np.ndarray, absent: Absent) -> None:
        """Mark the rows that the source no longer offers, leave those alone that are out of reach."""
        rows = np.flatnonzero(ours & ~self._before.seen)
        away: dict[str, int] = defaultdict(int)
        for start in range(0, len(rows), 4096):
            part = rows[start : start + 4096].tolist()
            for row, had in zip(part, self._before.stored(part, ["key", "uri"]), strict=True):
                why = absent.why(had["key"], had["uri"] or "")
                if why:
                    away[why] += 1
                elif self._before.gone[row]:
                    self._report.absent(had["key"], GONE_BEFORE)
                else:
                    words = f"no longer in {self.origin}"
                    self.renewals.of(row).values[self._names[GONE_ROLE]] = words
                    self._report.absent(had["key"], GONE, words)
        for why, count in away.items():
            self._report.absent(f"{count:,} rows", AWAY, why, count)


def _is_range(uri: str) -> bool:
    """Whether the address is a range of a packed file, which shifts with what stands before it."""
    return "#range=" in uri


def _nested(a: str, b: str) -> bool:
    return origins.within(a, b) or origins.within(b, a)


def _stored(before: Before, row: int) -> bytes:
    """The bytes of a row that the pool keeps itself."""
    data = before.view.read_images([row])[0]
    if data is None:
        raise SourceError("the image of the same content that the pool had cannot be read any more")
    return data
