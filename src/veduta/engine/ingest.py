"""Images into a pool: every file offered ends in exactly one named outcome.

Bytes are kept as they came (or left where they are). Each image is decoded in full once; annotators given here work
on the same decoded pixels, so that a pool can be made and annotated in a single pass over the source.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from veduta.engine import faults, progress
from veduta.engine.decode import decode
from veduta.engine.disk import full_disk_is_an_answer
from veduta.engine.fused import CHECK_SIDE, FusedPass
from veduta.engine.operation import Annotator
from veduta.engine.outcome import Before, IngestReport
from veduta.engine.pipeline import BATCH, batched, ordered_map
from veduta.engine.run import prepare
from veduta.errors import BadInput, SourceError, Undecodable
from veduta.pool import Item, Pool, Reader
from veduta.pool.geometry import settle, stated_size
from veduta.pool.lineage import Record, now
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import CORE, GIVEN, OWN

# A commit is due after so many rows, bytes or seconds, whichever comes first.
COMMIT_ROWS = 2048
COMMIT_BYTES = 128 << 20
COMMIT_SECONDS = 60.0

# Rows whose error begins so are tried again though nothing of the file has changed: it may be there now, or its decoder.
AGAIN = ("unreadable", "unsupported")


def ingest(
    pool: Pool,
    source: str | Path | Reader | Any,
    *,
    annotators: Sequence[Annotator] = (),
    store: Literal["copy", "reference"] = "copy",
    format: str | None = None,
    on: progress.Progress | None = None,
) -> IngestReport:
    """Add the images of `source` to the pool; what is there and unchanged is not read again.

    source: a folder, archive, table, data set, URL or Reader (see `veduta.pool.readers`).
    annotators: run on the decoded pixels in the same pass; images that are in the pool already are not touched.
    store: "copy" keeps the original bytes in the pool, "reference" leaves them at their `uri`.
    Memory: one commit's bytes (at most 128 MiB) plus 100 bytes for every row already in the pool.
    """
    reader = source if isinstance(source, Reader) else _reader(source, format)
    on = on or progress.Silent()
    with pool.writing(), full_disk_is_an_answer(pool.path):
        before, start, started = pool.version, time.perf_counter(), now()
        prepare(pool, annotators)
        work = FusedPass(annotators)
        free = _free_columns(pool, reader)
        schema = pa.schema([*CORE, *free, *work.schema])
        report = IngestReport()
        earlier = Before(pool, [f for f in schema if f.name in GIVEN or f in free])
        total = len(reader) if hasattr(reader, "__len__") else None  # pyright: ignore[reportArgumentType]
        with progress.stage(on, " + ".join(["ingest", *(a.operation() for a in annotators)]), total) as facts:
            offered = _fresh(reader.items(), earlier, report, on)
            writer = _Writer(pool, schema)
            job = _Job(earlier, work, schema, store, bool(getattr(reader, "boxes_are_raw", False)))
            counts: Counter[str] = Counter()
            for done in ordered_map(job.process, batched(offered, BATCH)):
                for outcome in done.outcomes:
                    report.add(*outcome)
                counts += done.counts
                writer.add(done.rows, done.replacing)
                on.advance(len(done.outcomes))
            writer.flush()
            facts.update({"rows": report.offered, **report.outcomes})
        report.skipped = list(getattr(reader, "skipped", []))
        notes = getattr(reader, "notes", Notes())
        report.notes = {**(notes.counts + counts), "warnings": notes.warnings[:100]}
        report.seconds = time.perf_counter() - start
        for key, reason in getattr(reader, "problems", []):
            report.add(key, "unreadable", reason)
        if pool.version != before or report.problems:
            _record(pool, reader, annotators, store, report, before, started)
        faults.point("ingest.recorded")
    if report.offered and not pool.dataset.count_rows("error is null"):
        key, _, reason = report.problems[0] if report.problems else ("", "", "no reason recorded")
        raise SourceError(
            f"none of the {report.offered} items of {reader.name} is a readable image; the first: {key}: {reason}"
        )
    return report


def _reader(source: Any, form: str | None) -> Reader:
    from veduta.pool.readers import open_source

    return open_source(source, form)


def _free_columns(pool: Pool, reader: Reader) -> list[pa.Field]:
    """The source's own columns, declared in the pool; a name that the pool owns gets the prefix `source_`."""
    fields = []
    for name, kind in reader.columns().items():
        name = f"source_{name}" if name in OWN else name
        if name in pool.schema.names and name not in CORE.names:
            have = pool.schema.field(name)
            if pool.provenance(name):
                raise BadInput(
                    f"the source brings a column '{name}', which {pool.provenance(name)['operation']} made; rename it"
                )
            kind = have.type
        elif name not in CORE.names:
            pool.define(pa.schema([pa.field(name, kind)]))
        if name not in CORE.names:
            fields.append(pa.field(name, kind))
    return fields


def _fresh(items: Iterator[Item], before: Before, report: IngestReport, on: progress.Progress) -> Iterator[Item]:
    """Items that have to be read: new ones, changed ones, and those that could not be read last time."""
    seen: set[str] = set()
    for item in items:
        old = before.get(item.key)
        if item.key in seen:
            report.add(
                item.key, "duplicate key", f"the key was offered before by this source; second place: {item.uri}"
            )
        elif old and old.stamp == item.stamp and not (old.error or "").startswith(AGAIN):
            seen.add(item.key)
            report.add(item.key, "unchanged")
            on.advance(1)
        else:
            seen.add(item.key)
            yield item


@dataclass(slots=True)
class _Done:
    """What became of one batch: its rows, the keys of rows that they replace, (key, outcome, reason) of every item.

    counts: what was decided, moved or left out of the pictures, in words.
    """

    rows: pa.RecordBatch
    replacing: list[str]
    outcomes: list[tuple[str, str, str]]
    counts: Counter[str]


@dataclass(frozen=True)
class _Job:
    """What every batch of an ingest is worked on with; `process` runs in worker threads."""

    before: Before
    work: FusedPass
    schema: pa.Schema
    store: str
    boxes_are_raw: bool

    def process(self, items: list[Item]) -> _Done:
        """Read, check, decode and annotate one batch."""
        kept: list[dict[str, Any]] = []
        images: list[np.ndarray] = []
        replacing: list[str] = []
        outcomes: list[tuple[str, str, str]] = []
        counts: Counter[str] = Counter()
        for item in items:
            row, data = self.read(item)
            old = self.before.get(item.key)
            again = old is not None and (old.error or "").startswith(AGAIN)
            if old and data is not None and not again and self.before.says(old, row):
                outcomes.append((item.key, "unchanged", ""))
                continue
            if old and old.digest != row["digest"] and old.uri and item.uri and old.uri != item.uri:
                second = f"the pool has this key from {old.uri}; second place: {item.uri}"
                outcomes.append((item.key, "duplicate key", second))
                continue
            pixels = self.decode(row, data, counts) if data is not None else None
            if old and again and data is not None and row["error"] == old.error and self.before.says(old, row):
                outcomes.append((item.key, "unchanged", ""))
                continue
            outcome = "updated" if old else "ingested"
            if old:
                replacing.append(item.key)
            if row["error"]:
                outcome = "unreadable" if data is None else "undecodable"
            outcomes.append((item.key, outcome, row["error"] or ""))
            kept.append(row)
            if pixels is not None:
                images.append(pixels)
        return _Done(self.columns(kept, images), replacing, outcomes, counts)

    def read(self, item: Item) -> tuple[dict[str, Any], bytes | None]:
        """The row of one item before its image is looked at, and its bytes."""
        row: dict[str, Any] = {f"source_{k}" if k in OWN else k: v for k, v in item.fields.items()}
        row |= {"key": item.key, "uri": item.uri or None, "stamp": item.stamp, "error": None, "digest": None}
        for name in GIVEN:
            if row.get(name) is not None and self.schema.field(name).type == pa.string():
                row[name] = str(row[name])
        try:
            data = item.read()
        except (OSError, SourceError) as error:
            row["error"] = f"unreadable: {getattr(error, 'strerror', None) or error}"
            return row, None
        row |= {"digest": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        if self.store == "copy" or not item.uri:
            row["image"] = data
        return row, data

    def decode(self, row: dict[str, Any], data: bytes, counts: Counter[str]) -> np.ndarray | None:
        """Complete the row with what the pixels say; None if it cannot be decoded."""
        try:
            seen = decode(data, max(self.work.side or 0, CHECK_SIDE))
        except Undecodable as error:
            row["error"] = str(error)
            return None
        row |= {"width": seen.width, "height": seen.height, "format": seen.format}
        counts.update(seen.remarks)
        if row.get("objects"):
            size = stated_size(row)
            row["objects"] = settle(row["objects"], size, seen, self.boxes_are_raw, lambda what: counts.update([what]))
        return seen.pixels

    def columns(self, kept: list[dict[str, Any]], images: list[np.ndarray]) -> pa.RecordBatch:
        """The rows as columns, those of the annotators included."""
        made_here = self.work.schema.names
        given = [f for f in self.schema if f.name not in made_here]
        columns = {f.name: _array(f, [row.get(f.name) for row in kept], kept) for f in given}
        sound = np.array([row["error"] is None for row in kept], dtype=bool)
        if sound.any() and self.work.annotators:
            basic = ["key", "width", "height", "format", "bytes"]
            wanted = [*basic, *(c for c in self.work.reads if c not in basic)]
            rows = pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=wanted).filter(pa.array(sound))
            columns |= self.work.spread(self.work.run(images, rows), sound)
        arrays = [columns.get(f.name, pa.nulls(len(kept), f.type)) for f in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _array(field: pa.Field, values: list[Any], rows: list[dict[str, Any]]) -> pa.Array:
    """Values as the column's type; a value that does not fit names its row."""
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for row, value in zip(rows, values, strict=True):
            try:
                pa.array([value], field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                raise SourceError(
                    f"the column '{field.name}' of {row['key']} must be {field.type}, got {str(value)[:80]!r}; mend the source"
                ) from None
        raise


class _Writer:
    """Collects batches and commits them when a commit is due."""

    def __init__(self, pool: Pool, schema: pa.Schema) -> None:
        self._pool, self._schema = pool, schema
        self._batches: list[pa.RecordBatch] = []
        self._replacing: list[str] = []
        self._last = time.monotonic()

    def add(self, batch: pa.RecordBatch, replacing: list[str]) -> None:
        if batch.num_rows:
            self._batches.append(batch)
            self._replacing += replacing
        rows = sum(b.num_rows for b in self._batches)
        size = sum(b.nbytes for b in self._batches)
        if rows >= COMMIT_ROWS or size >= COMMIT_BYTES or time.monotonic() - self._last > COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._batches:
            table = pa.Table.from_batches(self._batches, self._schema)
            faults.point("ingest.append")
            self._pool.append(table, replacing=self._replacing, message="ingest")
            faults.point("ingest.appended")
        self._batches, self._replacing, self._last = [], [], time.monotonic()


def _record(
    pool: Pool,
    reader: Reader,
    annotators: Sequence[Annotator],
    store: str,
    report: IngestReport,
    before: int,
    started: str,
) -> None:
    done = report.offered - report.outcomes["unchanged"]
    details = {"outcomes": dict(report.outcomes), "problems": report.problems[:200], "skipped": len(report.skipped)}
    details |= {"notes": report.notes} if any(report.notes.values()) else {}
    runs = [("ingest", {"source": reader.name, "store": store}, list[str](), CORE.names, details)]
    for annotator in annotators:
        made = annotator.adds().names
        runs.append((annotator.operation(), annotator.parameters(), annotator.reads(), made, {"fused_with": "ingest"}))
    for operation, parameters, reads, adds, facts in runs:
        record = Record(
            operation, parameters, before, pool.version, reads, adds, done, round(report.seconds, 3), started
        )
        record.details = facts
        pool.record(record)
