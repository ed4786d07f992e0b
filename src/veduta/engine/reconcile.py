"""A source compared with the pool: which items must be read, what rows become of them, and which rows nothing was offered for.

Decisions that need the whole listing wait for its end: whether a file with known bytes has moved or is a copy, whether a file
with other bytes than before is an edited picture or another one, and whether a source with the keys of another one is that
source in a new place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from veduta.engine import origin as origins
from veduta.engine.absent import Absent
from veduta.engine.facts import Facts
from veduta.engine.known import UNREADABLE, UNSUPPORTED, Before, stamp_of
from veduta.engine.moves import PART, Moves
from veduta.engine.namesakes import Namesakes, left_keys, unused
from veduta.engine.offer import Found, Offer
from veduta.engine.outcome import AWAY, GONE, GONE_BEFORE, IngestReport
from veduta.engine.renew import Renewals
from veduta.pool import Item, Reader, location, roles

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
        self._from = origin or reader.name
        self._names = names
        self.renewals = Renewals(before)
        self._namesakes = Namesakes(before, origin, reader.name)
        self._new: set[str] = set()
        self._foreign: dict[str, list[Found]] = defaultdict(list)
        self._moves = Moves(before)
        self._again: list[Offer] = []
        self._displaced: list[int] = []
        self._aliased: dict[str, list[tuple[str, str]]] = defaultdict(list)
        near = [p for p in before.places if origin and p != origin and _nested(p, origin)]
        self._by_uri = before.by_uri(before.of(near)) if near else {}
        self._links: dict[int, int] | None = None

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
        if key in self._new or (row is not None and before.offered[row] and not self._namesakes.is_foreign(row, item)):
            words = f"the key was offered before by this source; second place: {item.uri}"
            self._report.add(key, "duplicate key", words)
            return None
        if row is None or self._namesakes.is_foreign(row, item):
            same_file = self._by_uri.get(hash(item.uri)) if item.uri else None
            if same_file is not None and not before.offered[same_file]:
                return self._overlapping(offer, same_file)
            if row is not None:
                offer.key, row, offer.foreign = self._namesakes.alias(item, row)
                key = offer.key
                if not offer.foreign and before.offered[row]:
                    self._report.add(key, "duplicate key", f"the key was offered before; second place: {item.uri}")
                    return None
        if row is None:
            self._new.add(key)
            return None if self._is_known_link(offer) else offer
        offer.row = row
        if offer.foreign:
            self._new.add(item.key)
            return offer
        before.offered[row] = True
        of_another = before.origin(row) not in (None, self.origin) and self.origin is not None
        offer.sparse = of_another or item.unsure
        if before.seen[row]:
            offer.row = -1  # its row is known as another item: here is another picture now
            return None if self._is_known_link(offer) else offer
        if before.states[row] in (UNREADABLE, UNSUPPORTED):
            return offer
        if not before.stamped(row, offer.stamp, item):
            return None if self._is_known_link(offer) else offer
        before.seen[row] = True
        elsewhere = bool(item.uri) and not before.is_at(row, item.uri)
        if elsewhere:
            self.renewals.of(row).values["uri"] = item.uri
        self._count(row, key, "moved" if elsewhere and not _is_range(item.uri) else "unchanged")
        return None

    def _overlapping(self, offer: Offer, row: int) -> Offer | None:
        """The very file of a row of a wider or a narrower source."""
        before = self._before
        before.offered[row] = True
        offer.row = row
        place = before.origin(row)
        if place and self.origin and origins.within(place, self.origin):
            self._new.add(offer.key)
            return offer  # the wider source knows more of the file: the row gets its key and facts
        offer.narrow = True
        if before.touched(row, offer.item) or before.states[row] in (UNREADABLE, UNSUPPORTED):
            offer.key = before.stored([row], ["key"])[0]["key"]
            return offer
        before.seen[row] = True
        self._report.add(offer.key, "unchanged")
        return None

    def _is_known_link(self, offer: Offer) -> bool:
        """Whether a row of this source has the very link, and nothing else is said of it: then it is not fetched again."""
        before, item = self._before, offer.item
        if not item.uri or not location.is_remote(item.uri) or self.origin is None:
            return False
        if self._links is None:
            self._links = before.by_uri(before.of([self.origin]))
        row = self._links.get(hash(item.uri))
        if row is None or before.seen[row] or before.states[row] in (UNREADABLE, UNSUPPORTED):
            return False
        if not before.stamped(row, offer.stamp, item):
            return False
        before.seen[row] = True
        if offer.row >= 0:
            self._displaced.append(offer.row)
        self.renewals.of(row).values["key"] = offer.key
        self._count(row, offer.key, "moved")
        return True

    def take(self, found: Found) -> None:
        """An item that became no row."""
        offer, report = found.offer, self._report
        if found.kind in ("away", "still"):
            self._before.seen[offer.row] = True
        if found.kind == "away":
            report.add(offer.key, AWAY, found.reason.removeprefix("unreadable: "))
        elif found.kind == "still":
            word = "unreadable" if self._before.states[offer.row] == UNREADABLE else "undecodable"
            self._count(offer.row, offer.key, word, found.reason)
        elif offer.foreign:
            self._foreign[self._before.origin(offer.row) or ""].append(found)
        elif found.kind in ("copy", "differs"):
            self._moves.wait(found)
        elif self._before.seen[offer.row]:
            self._again.append(
                replace(offer, row=-1, settled=True)
            )  # the row is known as another item with these bytes
        else:
            self._same(found)

    def replaced(self, keys: list[str]) -> None:
        """Rows in whose place others were written."""
        self._before.seen[[row for key in keys if (row := self._before.row(key)) is not None]] = True

    def _same(self, found: Found) -> None:
        offer, row = found.offer, found.offer.row
        self._before.seen[row] = True
        renewal = self.renewals.of(row)
        unread = bool(found.untold) and offer.item.unsure
        if offer.stamp and not unread:  # else it is compared again when it can be read
            renewal.values["stamp"] = offer.stamp
        uri = offer.item.uri
        elsewhere = bool(uri) and not self._before.is_at(row, uri)
        if elsewhere:
            renewal.values["uri"] = uri
        moved = elsewhere and (not _is_range(uri) or self._before.origin(row) != self.origin)
        if self._before.row(offer.key) != row:
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
        moved = self._moved()
        rows = list(self._again)
        for place, found in self._foreign.items():
            for each in found:
                rows += self._settled(each, place in moved)
        if absent is not None:
            absent.former = moved
        for place in moved:
            self._report.remarks.append(
                f"the source {place} is now {self.origin}: its images are known under their keys, and have a new address"
            )
        for place, keys in self._aliased.items():
            self._report.remarks.append(
                f"{len(keys):,} {'key is that of another image' if len(keys) == 1 else 'keys are those of other images'}, from "
                f"{place}: both are kept, such as {keys[0][0]}, here as {keys[0][1]}"
            )
        ours = self._before.of([*mine, *moved])
        if self.origin and ORIGIN in self._names:
            for row in np.flatnonzero(self._before.of(moved)).tolist():
                self.renewals.of(row).values[self._names[ORIGIN]] = self.origin
        rows += self._decided(ours, absent)
        self._missed(ours, absent)
        return rows

    def _moved(self) -> list[str]:
        """The sources that are the present one, in their old places before.

        The old place is gone, and enough of the common keys hold the same bytes, or most of its images are here under others.
        """
        before, copies = self._before, self._moves.by_place()
        moved = []
        for place in before.places if self.origin is not None else []:
            found = self._foreign.get(place, [])
            same = sum(each.kind == "same" for each in found)
            by_key = same and same * MOVED_SHARE >= len(found) - same
            by_content = 4 * (copies[place] + same) >= 3 * np.count_nonzero(before.of([place]) & ~before.gone)
            if place != self.origin and (by_key or (copies[place] and by_content)) and not origins.stands(place):
                moved.append(place)
        return moved

    def _settled(self, found: Found, moved: bool) -> Iterator[Offer]:
        """What becomes of an item whose key another source had."""
        offer = found.offer
        if moved:
            self._before.offered[offer.row] = True
            found = replace(found, offer=replace(offer, foreign=False))
            if found.kind == "same":
                self._same(found)
            else:
                self._moves.wait(found)
        elif found.kind == "same":
            told = {name: value for name, value in found.facts.items() if name in self._facts.fields}
            if any(value is not None for value in told.values()):
                place = self._before.origin(offer.row) or "another source"
                words = f"the pool has this image under this key from {place}, with another {', '.join(sorted(told))}"
                self._report.add(offer.key, "duplicate key", words)
            else:
                self._report.add(offer.key, "unchanged")
        else:
            key = unused(self._namesakes.keys(offer.key), self._before, self._new)
            self._new.add(key)
            self._aliased[self._before.origin(offer.row) or "another source"].append((offer.key, key))
            yield replace(offer, key=key, row=-1, foreign=False, settled=True)

    def _decided(self, ours: np.ndarray, absent: Absent | None) -> list[Offer]:
        """What becomes of the items that waited: rows that moved, edited pictures in their old rows, and new rows."""
        before = self._before
        free = ours & ~before.seen if absent is not None else np.zeros_like(before.seen)
        away = absent.why if absent is not None else lambda key, uri: ""
        self._displaced = [row for row in {*self._displaced, *self._moves.displaced()} if not before.seen[row]]
        moved, others = [], []
        for found, row in self._moves.decide(free, self._displaced, away):
            if row < 0:
                others.append(found.offer)
            else:
                before.seen[row] = True
                moved.append((found, row))
        for start in range(0, len(moved), PART):
            part = moved[start : start + PART]
            for (found, row), stored in zip(part, self._facts.stored([row for _, row in part]), strict=True):
                offer = replace(found.offer, row=row, sparse=found.offer.sparse or found.offer.item.unsure)
                values, kept, untold = self._facts.merged(stored, found.facts, offer)
                facts = self._facts.changes(stored, values)
                self._same(replace(found, offer=offer, facts=facts, kept=kept, untold=untold))
        rows = []
        for offer in others:
            edited = offer.row >= 0 and not before.seen[offer.row]
            rows.append(replace(offer, row=offer.row if edited else -1, settled=True))
            if edited:
                before.seen[offer.row] = True
        return rows

    def _missed(self, ours: np.ndarray, absent: Absent | None) -> None:
        """Mark the rows that the source no longer offers, leave those alone that are out of reach."""
        missed = ours & ~self._before.seen if absent is not None else np.zeros_like(self._before.seen)
        lost = {row for row in self._displaced if not self._before.seen[row]}
        missed[list(lost)] = True
        rows = np.flatnonzero(missed)
        away: dict[str, int] = defaultdict(int)
        renamed: list[tuple[str, str]] = []
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART].tolist()
            for row, had in zip(part, self._before.stored(part, ["key", "uri"]), strict=True):
                if row in lost:
                    key = unused(left_keys(had["key"]), self._before, self._new)
                    self._new.add(key)
                    self.renewals.of(row).values["key"] = key
                    renamed.append((had["key"], key))
                why = absent.why(had["key"], had["uri"] or "") if absent is not None and row not in lost else ""
                if why:
                    away[why] += 1
                elif self._before.gone[row]:
                    self._report.absent(had["key"], GONE_BEFORE)
                else:
                    words = f"no longer in {self._from}"
                    self.renewals.of(row).values[self._names[GONE_ROLE]] = words
                    self._report.absent(had["key"], GONE, words)
        for why, count in away.items():
            self._report.absent(f"{count:,} rows", AWAY, why, count)
        if renamed:
            old, new = renamed[0]
            several = "1 image that is gone has" if len(renamed) == 1 else f"{len(renamed):,} images that are gone have"
            self._report.remarks.append(
                f"another picture stands in the place of {old} now: {several} a new key, such as {new}"
            )


def _is_range(uri: str) -> bool:
    """Whether the address is a range of a packed file, which shifts with what stands before it."""
    return "#range=" in uri


def _nested(a: str, b: str) -> bool:
    return origins.within(a, b) or origins.within(b, a)
