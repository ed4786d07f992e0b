"""One batch of an ingest: read, compare, decode, annotate."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.engine.decode import decode
from veduta.engine.facts import Facts, plain
from veduta.engine.fused import CHECK_SIDE, FusedPass
from veduta.engine.known import UNREADABLE, UNSUPPORTED, Before
from veduta.engine.offer import Done, Found, Offer
from veduta.errors import SourceError, Undecodable
from veduta.pool import limits
from veduta.pool.geometry import settle, stated_size
from veduta.pool.readers.images import is_misnamed
from veduta.pool.schema import GIVEN


@dataclass(frozen=True)
class Job:
    """What every batch of an ingest is worked on with; `process` runs in worker threads.

    renamed: names of the source's fields that the pool uses itself -> their names here. always: values that are the same in
    every row.
    """

    before: Before
    facts: Facts
    work: FusedPass
    schema: pa.Schema
    store: str
    boxes_are_raw: bool
    renamed: dict[str, str]
    always: dict[str, str]

    def process(self, offers: list[Offer]) -> Done:
        """What becomes of one batch."""
        rows: list[dict[str, Any]] = []
        replaced: dict[int, int] = {}
        images: list[np.ndarray] = []
        done = Done(self.columns([], []), [], [], [])
        known = [offer.row for offer in offers if offer.row >= 0]
        stored = dict(zip(known, self.facts.stored(known), strict=True))
        for offer in offers:
            row, data = self.read(offer)
            had = stored.get(offer.row, {}) if not offer.foreign else {}
            found = self.compared(offer, row, data, had)
            pixels = self.decoded(row, data, done.counts) if data is not None and found is None else None
            if found is None and had and row["error"] and self.before.holds(offer.row, row["digest"]):
                found = Found("still", offer, reason=row["error"])
            if found is not None:
                done.found.append(found)
                continue
            outcome = "updated" if had else "ingested"
            if had:
                replaced[len(rows)] = offer.row
                done.replacing.append(had["key"])
                values, kept, untold = self.facts.merged(had, row, offer)
                row |= values
                done.untold.append(untold)
                done.kept += [(offer.key, *each) for each in kept]
            else:
                row |= self.facts.shadowed(row)
            if row["error"]:
                outcome = "unreadable" if data is None else "undecodable"
            done.outcomes.append((offer.key, outcome, row["error"] or ""))
            rows.append(row)
            if pixels is not None and self.work.annotators:
                images.append(pixels)
        given, values = self.facts.given(list(replaced.values()))
        for at, had in zip(replaced, values):
            rows[at] |= had
            if not self.before.holds(replaced[at], rows[at]["digest"]):
                done.given.update(name for name in had if had[name] is not None)
        done.rows = self.columns(rows, images, given)
        return done

    def compared(self, offer: Offer, row: dict[str, Any], data: bytes | None, had: dict[str, Any]) -> Found | None:
        """What the pool has of the item already; None if it becomes a row."""
        known = offer.row >= 0
        if data is None:
            if not known:
                return None
            still = not offer.foreign and self.before.states[offer.row] == UNREADABLE
            return Found("still" if still else "away", offer, reason=row["error"])
        digest = row["digest"]
        if offer.settled:
            return None
        if known and self.before.holds(offer.row, digest):
            if not offer.foreign and self.before.states[offer.row] == UNSUPPORTED:
                return None
            return self.same(offer, row, data, had)
        elsewhere = len(self.before.with_digest(digest)) > 0
        unread = known and not offer.foreign and self.before.states[offer.row] == UNREADABLE
        if not elsewhere and (not known or unread):
            return None
        if elsewhere and row.get("objects"):
            self.decoded(row, data, Counter())
        return Found("differs" if known else "copy", offer, digest, row)

    def same(self, offer: Offer, row: dict[str, Any], data: bytes, had: dict[str, Any]) -> Found:
        """The row has these bytes: what the source says otherwise now."""
        if row.get("objects"):
            self.decoded(row, data, Counter())  # the source's are not yet those of the upright picture
        stored = had or self.facts.stored([offer.row])[0]
        values, kept, untold = self.facts.merged(stored, row, offer)
        return Found("same", offer, row["digest"], self.facts.changes(stored, values), kept, untold)

    def read(self, offer: Offer) -> tuple[dict[str, Any], bytes | None]:
        """The row of one item before its image is looked at, and its bytes."""
        item = offer.item
        row: dict[str, Any] = {self.renamed.get(k, k): v for k, v in item.fields.items()}
        row |= {"key": offer.key, "uri": item.uri or None, "stamp": offer.stamp, "error": None, "digest": None}
        row |= self.always
        for name in GIVEN:
            if row.get(name) is not None and self.schema.field(name).type == pa.string():
                row[name] = str(row[name])
        try:
            data = item.read()
        except (OSError, SourceError) as error:
            row["error"] = f"unreadable: {getattr(error, 'strerror', None) or error}"
            return row, None
        except MemoryError:
            row["error"] = "unreadable: no memory for its bytes"
            return row, None
        row |= {"digest": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        if self.store == "copy" or not item.uri:
            row["image"] = data
        return row, data

    def decoded(self, row: dict[str, Any], data: bytes, counts: Counter[str]) -> np.ndarray | None:
        """Complete the row with what the pixels say; None if it cannot be decoded."""
        try:
            seen = decode(data, max(self.work.side or 0, CHECK_SIDE))
        except Undecodable as error:
            row["error"] = str(error)
            if (
                len(data) > limits.KEPT
                and not row["error"].startswith("unsupported")
                and row.pop("image", None) is not None
            ):
                row["error"] += f"; its {len(data):,} bytes are not kept (the limit is {limits.KEPT >> 20} MiB)"
            return None
        row |= {"width": seen.width, "height": seen.height, "format": seen.format}
        counts.update(seen.remarks)
        if is_misnamed(row["key"], seen.format):
            counts.update(["files that are in another format than their names say (read as what they are)"])
        if row.get("objects"):
            size = stated_size(row)
            row["objects"] = settle(row["objects"], size, seen, self.boxes_are_raw, lambda what: counts.update([what]))
        return seen.pixels

    def columns(
        self, kept: list[dict[str, Any]], images: list[np.ndarray], more: Sequence[pa.Field] = ()
    ) -> pa.RecordBatch:
        """The rows as columns, those of the annotators included. more: further columns that rows have values of."""
        made_here, schema = self.work.schema.names, pa.schema([*self.schema, *more])
        columns = {f.name: array(f, [row.get(f.name) for row in kept], kept) for f in schema if f.name not in made_here}
        sound = np.array([row["error"] is None for row in kept], dtype=bool)
        if sound.any() and self.work.annotators:
            basic = ["key", "width", "height", "format", "bytes"]
            wanted = [*basic, *(c for c in self.work.reads if c not in basic)]
            rows = pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=wanted).filter(pa.array(sound))
            columns |= self.work.spread(self.work.run(images, rows), sound)
        arrays = [columns.get(f.name, pa.nulls(len(kept), f.type)) for f in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def array(field: pa.Field, values: list[Any], rows: list[dict[str, Any]]) -> pa.Array:
    """Values as the column's type; a value that does not fit names its row."""
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        values = [plain(value, field.type) for value in values]
        for row, value in zip(rows, values, strict=True):
            try:
                pa.array([value], field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                raise SourceError(
                    f"the column '{field.name}' of {row['key']} must be {field.type}, got {str(value)[:80]!r}; mend the source"
                ) from None
        return pa.array(values, field.type)
