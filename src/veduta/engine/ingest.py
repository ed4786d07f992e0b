"""Images into a pool, once and again: every file offered ends in exactly one named outcome (see `outcome`).

Bytes are kept as they came (or left where they are). Each image is decoded in full once; annotators given here work
on the same decoded pixels, so that a pool can be made and annotated in a single pass over the source.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from veduta.engine import faults, progress, source_columns
from veduta.engine import origin as origins
from veduta.engine.absent import Absent, Unseen, is_known
from veduta.engine.batch import Job
from veduta.engine.disk import full_disk_is_an_answer
from veduta.engine.facts import Facts
from veduta.engine.fused import FusedPass
from veduta.engine.known import Before
from veduta.engine.offer import Offer
from veduta.engine.outcome import AWAY, GONE, GONE_BEFORE, IngestReport
from veduta.engine.pipeline import BATCH, batched, ordered_map
from veduta.engine.reconcile import Reconciler
from veduta.errors import SourceError
from veduta.pool import Item, Pool, Reader, limits, roles, unfinished
from veduta.pool.lineage import Record, now
from veduta.pool.readers.notes import EXAMPLES
from veduta.pool.readers.told import SHOWN, Tally, facts, lines
from veduta.pool.schema import CORE, GIVEN

if TYPE_CHECKING:
    from veduta.engine.operation import Annotator

__all__ = ["IngestReport", "ingest"]

# A commit is due after so many rows, bytes or seconds, whichever comes first.
COMMIT_ROWS = 2048
COMMIT_BYTES = 128 << 20
COMMIT_SECONDS = 60.0


def ingest(
    pool: Pool,
    source: str | Path | Reader | Any,
    *,
    annotators: Sequence[Annotator] = (),
    store: Literal["copy", "reference"] = "copy",
    format: str | None = None,
    on: progress.Progress | None = None,
    **options: Any,
) -> IngestReport:
    """Make the pool hold the images of `source` as they are now; what is there and unchanged is not read again.

    source: a folder, archive, table, data set, URL or Reader (see `veduta.pool.readers`).
    annotators: run on the decoded pixels of new and changed images in the same pass; other rows are not touched.
    store: "copy" keeps the original bytes in the pool, "reference" leaves them at their `uri`.
    options: what the reader would guess otherwise (`layout`, `label_from`, `image`, `key`, `root`); see `veduta.look`.
    Rows that the source no longer offers are marked, rows that cannot be reached now stay as they are: see `outcome`.
    Memory: one commit's bytes (at most 128 MiB), 200 bytes for every row already in the pool, and one item for every image that
    was moved, copied or changed.
    """
    reader = source if isinstance(source, Reader) else reader_of(pool, source, format, options)
    on = on or progress.Silent()
    with pool.writing(), full_disk_is_an_answer(pool.path):
        run = _Run(pool, reader, annotators, store, on)
        title = " + ".join(["ingest", *(a.operation() for a in annotators)])
        total = len(reader) if hasattr(reader, "__len__") else None  # pyright: ignore[reportArgumentType]
        with progress.stage(on, title, total) as done:
            run.everything(on)
            if isinstance(reader, Unseen) and not run.report.outcomes[AWAY]:
                raise reader.error
            run.end()
            done.update({"rows": run.report.offered, **run.report.outcomes, "told": run.report.told})
        for words in [*lines(run.report.told), *remarks(run.report)]:
            on.say(words)
        run.record()
    report = run.report
    if report.offered and not pool.dataset.count_rows("error is null"):
        key, _, reason = report.problems[0] if report.problems else ("", "", "no reason recorded")
        raise SourceError(
            f"none of the {report.offered} items of {reader.name} is a readable image; the first: {key}: {reason}"
        )
    return report


def remarks(report: IngestReport) -> list[str]:
    """What is to be said of an ingest besides the counts of its outcomes."""
    said = list(report.remarks)
    if report.changed:
        said.append("changed facts: " + ", ".join(f"{name} {count:,}" for name, count in report.changed.most_common()))
    if report.kept:
        key, column, value = report.kept[0]
        said.append(
            f"{len(report.kept):,} {'value was' if len(report.kept) == 1 else 'values were'} changed in the pool and now in the "
            f"source as well; the pool's stay, such as the {column} of {key} (the source says {value!r:.60})"
        )
    said += _problems(report)
    away = [reason for _, outcome, reason in report.problems if outcome == "away"]
    if away:
        said.append(f"out of reach now, and left as it was: {away[0]}; run the same command again when it is back")
    return said


def _problems(report: IngestReport) -> list[str]:
    """The rows that are not sound, by outcome and reason, the most frequent first."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for key, outcome, reason in report.problems:
        if outcome not in (GONE, GONE_BEFORE, AWAY):
            kinds.setdefault((outcome, reason), []).append(key)
    most = sorted(kinds.items(), key=lambda each: -len(each[1]))
    said = []
    for (outcome, reason), keys in most[:SHOWN]:
        more = ", ..." if len(keys) > EXAMPLES else ""
        said.append(f"{outcome}: {len(keys):,} x {reason} ({', '.join(keys[:EXAMPLES])}{more})")
    rest = sum(len(keys) for _, keys in most[SHOWN:])
    if rest:
        said.append(f"{rest:,} more with other reasons; see all: veduta show POOL --where 'error is not null'")
    return said


def reader_of(pool: Pool, source: Any, form: str | None, options: dict[str, Any]) -> Reader:
    """The reader of a source; of one that the pool knows and that cannot be opened now, `Unseen`."""
    from veduta.pool.readers import open_source

    try:
        reader = open_source(source, form, **options)
        reader.columns()  # what cannot be read often shows itself only here
    except SourceError as error:
        if not is_known(pool, source):
            raise
        return Unseen(str(source), error)
    return reader


class _Run:
    """One ingest: what it compares with, and what it writes."""

    def __init__(
        self, pool: Pool, reader: Reader, annotators: Sequence[Annotator], store: str, on: progress.Progress
    ) -> None:
        self.pool, self.reader, self.annotators, self.store = pool, reader, list(annotators), store
        self._start, self._started = time.perf_counter(), now()
        planned = [
            Record(name, given, 0, 0, reads, adds, started=self._started) for name, given, reads, adds in self._runs()
        ]
        self.before = unfinished.begin(pool, planned)
        self.report, self._listed = IngestReport(), 0
        self._tally, self._counts, self._given = Tally(), Counter[str](), Counter[str]()
        if annotators:
            from veduta.engine.run import prepare

            prepare(pool, annotators, aside=on)
        work = FusedPass(annotators)
        self._renamed = source_columns.renamed(pool, reader, self.report.remarks)
        free = source_columns.declared(pool, reader, self._renamed, self.report.remarks)
        self._origin = origins.of_reader(reader)
        self._roles = {role: roles.declared(pool.schema, role) for role in (roles.ORIGIN, roles.GONE)}
        own = [self._roles[roles.ORIGIN]] if self._origin or self._has(roles.ORIGIN) else []
        shadows = [pool.schema.field(name) for name in roles.shadows(pool.schema).values()]
        self.schema = pa.schema([*CORE, *free, *own, *shadows, *work.schema])
        known = Before(pool, origins.recorded(pool))
        fields = [f for f in self.schema if f.name in GIVEN or f in free]
        compared = Facts(pool, known, fields)
        names = {role: f.name for role, f in self._roles.items() if role == roles.GONE or own}
        self._reconciler = Reconciler(known, compared, reader, self._origin, names, self.report)
        always = {self._roles[roles.ORIGIN].name: self._origin} if self._origin else {}
        raw = bool(getattr(reader, "boxes_are_raw", False))
        self._job = Job(known, compared, work, self.schema, store, raw, self._renamed, always)
        self._writer = _Writer(self)

    def everything(self, on: progress.Progress) -> None:
        """List the source, read what must be read, decide what waited, renew what stays."""
        self._work(self._reconciler.offers(self._items(), lambda: on.advance(1)), on)
        absent = Absent(self.pool, self.reader, self._origin, self._listed) if self._origin else None
        faults.point("ingest.listed")
        rows = self._reconciler.settle(absent)
        self._renew()  # first: a new row may have the key that another row had
        self._work(iter(rows), on)
        self._renew()

    def _renew(self) -> None:
        renewals = self._reconciler.renewals
        if renewals.rows:
            self.declare(gone=True)
            renewals.commit(self.pool)

    def _items(self) -> Iterator[Item]:
        for item in self.reader.items():
            self._tally.add(item.fields)
            self._listed += 1
            yield item

    def _work(self, offers: Any, on: progress.Progress) -> None:
        batches = batched(offers, BATCH, offered_bytes, limits.BATCH)
        for done in ordered_map(
            self._job.process, batches, weight=lambda batch: sum(map(offered_bytes, batch)), room=limits.IN_FLIGHT
        ):
            for outcome in done.outcomes:
                self.report.add(*outcome)
            self.report.kept += done.kept
            for columns in done.untold:
                self.report.keeps(columns)
            self._counts += done.counts
            self._given += done.given
            self._reconciler.replaced(done.replacing)
            for found in done.found:
                self._reconciler.take(found)
            self._writer.add(done.rows, done.replacing)
            on.advance(len(done.outcomes) + sum(found.kind not in ("copy", "differs") for found in done.found))
        self._writer.flush()

    def _has(self, role: str) -> bool:
        return roles.name(self.pool.schema, role) is not None

    def declare(self, *, gone: bool = False) -> None:
        """Make sure that the pool has the columns that this run writes."""
        marks = gone and any(self._roles[roles.GONE].name in r.values for r in self._reconciler.renewals.rows.values())
        wanted = [*self.schema, *([self._roles[roles.GONE]] if marks else [])]
        have = self.pool.schema.names
        self.pool.define(pa.schema([f for f in wanted if f.name not in have]))

    def end(self) -> None:
        """Gather what the reader and the workers noted."""
        report, reader = self.report, self.reader
        report.remarks += [_given(self.pool, *each) for each in sorted(self._given.items())]
        report.skipped = list(getattr(reader, "skipped", []))
        report.unread = list(getattr(reader, "problems", []))
        report.told = facts(reader, self._tally, self._counts)
        if report.untold:
            columns = {name: count for name, count in report.untold.most_common() if name}
            report.told["untold"] = {"rows": report.untold[""], "columns": columns}
        report.seconds = time.perf_counter() - self._start

    def record(self) -> None:
        """Write what was done into the pool's log."""
        report = self.report
        if self.pool.version != self.before or report.problems or report.unread:
            for record in self._records():
                self.pool.record(record)
        else:
            unfinished.forget(self.pool)
        faults.point("ingest.recorded")

    def _records(self) -> list[Record]:
        report = self.report
        details: dict[str, Any] = {"outcomes": dict(report.outcomes), "problems": report.problems[:200]}
        details |= {"skipped": len(report.skipped)}
        optional: dict[str, Any] = {"source": report.told, "changed": dict(report.changed)}
        optional |= {"kept": [list(each) for each in report.kept[:200]], "remarks": report.remarks[:50]}
        details |= {name: value for name, value in optional.items() if value}
        done = report.offered - report.outcomes["unchanged"]
        seconds = round(report.seconds, 3)
        return [
            Record(
                *(name, given, self.before, self.pool.version, reads, adds, done, seconds, self._started, ""),
                details if name == "ingest" else {"fused_with": "ingest"},
            )
            for name, given, reads, adds in self._runs()
        ]

    def _runs(self) -> list[tuple[str, dict[str, Any], list[str], list[str]]]:
        """Name, parameters, columns read and columns added: of the ingest, then of the annotators of its pass."""
        runs = [("ingest", {"source": self.reader.name, "store": self.store}, list[str](), CORE.names)]
        return [*runs, *((a.operation(), a.parameters(), a.reads(), a.adds().names) for a in self.annotators)]


def offered_bytes(offer: Offer) -> int:
    """The bytes that an offer will hold, as far as they are known."""
    return offer.item.size


def _given(pool: Pool, column: str, rows: int) -> str:
    """What is said of a column that rows keep though their pictures changed."""
    images = "1 updated image keeps" if rows == 1 else f"{rows:,} updated images keep"
    picture = "picture as it was" if rows == 1 else "pictures as they were"
    made = "imported" if (pool.provenance(column) or {}).get("operation") == "import" else "decided"
    return f"{images} {column}, {made} for the {picture}"


class _Writer:
    """Collects batches and commits them when a commit is due."""

    def __init__(self, run: _Run) -> None:
        self._run = run
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
            tables = [pa.Table.from_batches([batch]) for batch in self._batches]
            table = pa.concat_tables(tables, promote_options="default")
            self._run.declare()
            faults.point("ingest.append")
            self._run.pool.append(table, replacing=self._replacing, message="ingest")
            faults.point("ingest.appended")
        self._batches, self._replacing, self._last = [], [], time.monotonic()
