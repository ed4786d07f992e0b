"""Values of rows that stay: renewed in their place, in one version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.engine import faults
from veduta.engine.batch import array
from veduta.engine.known import Before
from veduta.engine.registry import find
from veduta.errors import VedutaError
from veduta.pool import Pool, View
from veduta.pool.schema import INPUTS, OPERATION, RENEWED

CARRIED_ROWS, CARRIED_BYTES = 2048, 128 << 20


@dataclass(slots=True)
class Renewal:
    """New values of one row: of its key, address and stamp, of its facts, of its marks; only those that change."""

    values: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class Renewals:
    """What an ingest has to renew. rows: by row of the pool as it was before.

    Most is written in place: a few short columns of the fragments concerned, so that neither images nor other columns are
    touched. A row of which columns were computed one by one from facts that changed is written anew without these, so that the
    next run makes them, for this row alone; all its other columns go with it.
    """

    def __init__(self, before: Before) -> None:
        self._before = before
        self.rows: dict[int, Renewal] = {}

    def of(self, row: int) -> Renewal:
        """What is to be renewed of a row."""
        return self.rows.setdefault(row, Renewal())

    def commit(self, pool: Pool) -> None:
        """Write everything and forget it: the rows in place in one version, all new keys among them, then the others.

        So no two rows ever have one key, whichever row takes the key of which.
        """
        self.rows = {row: each for row, each in self.rows.items() if each.values or each.facts}
        if not self.rows:
            return
        stale = _Stale(pool)
        carried = {row: out for row, each in self.rows.items() if each.facts and (out := stale.of(each.facts))}
        whole = self.rows
        renamed = {row: Renewal({"key": whole[row].values["key"]}) for row in carried if "key" in whole[row].values}
        self.rows = {row: each for row, each in whole.items() if row not in carried} | renamed
        if self.rows:
            self._in_place(pool)
        self.rows = {row: Renewal(whole[row].values | whole[row].facts) for row in carried}
        self._carry(pool, carried)
        self.rows = {}

    def _carry(self, pool: Pool, rows: dict[int, frozenset[str]]) -> None:
        """Write rows anew without their stale columns and those that their fragment lacks still."""
        view = self._before.view
        groups: dict[tuple[str, ...], list[int]] = {}
        filled: dict[int, list[str]] = {}
        for row in sorted(rows):
            fragment = int(self._before.addresses[row] >> np.uint64(32))
            if fragment not in filled:
                filled[fragment] = _filled(view, fragment)
            kept = tuple(name for name in filled[fragment] if name not in rows[row])
            groups.setdefault(kept, []).append(row)
        for kept, members in groups.items():
            for piece in _pieces(view, members):
                self._append(pool, list(kept), piece)

    def _append(self, pool: Pool, kept: list[str], rows: list[int]) -> None:
        view = self._before.view
        names = [name for name in kept if name != "image"]
        table = view.take(np.array(rows), names)
        now = [self.rows[row].values.get("key", key) for row, key in zip(rows, table["key"].to_pylist(), strict=True)]
        touched = sorted({name for row in rows for name in self.rows[row].values})
        fields = {f.name: f for f in pool.schema}
        columns = {name: table[name].combine_chunks() for name in names}
        for name in touched:
            have = columns[name].to_pylist() if name in columns else [None] * len(rows)
            values = [self.rows[row].values.get(name, value) for row, value in zip(rows, have, strict=True)]
            columns[name] = array(fields[name], values, [{"key": key} for key in now])
        if "image" in kept:
            columns["image"] = pa.array(_stored(view, rows), fields["image"].type)
        order = [name for name in fields if name in columns]
        whole = pa.table([columns[n] for n in order], schema=pa.schema([fields[n] for n in order]))
        faults.point("ingest.carry")
        pool.append(whole, replacing=now, message="ingest: changed facts")
        faults.point("ingest.carried")

    def _in_place(self, pool: Pool) -> None:
        names = sorted({name for each in self.rows.values() for name in [*each.values, *each.facts]})
        # Told before the values change: a run that is killed in between only makes more than it must.
        telling = [n for n in names if n not in ("uri", "stamp")]
        mark = str(pool.version).encode()
        fields = [pool.schema.field(name) for name in telling]
        pool.describe(pa.schema([f.with_metadata({**(f.metadata or {}), RENEWED: mark}) for f in fields]))
        faults.point("ingest.renew")
        pool.fill_each(self._columns(pool, names), message="ingest: renewed")
        faults.point("ingest.renewed")

    def _columns(self, pool: Pool, names: list[str]) -> Iterator[tuple[int, pa.Table]]:
        """The renewed columns of each fragment concerned."""
        rows = np.array(sorted(self.rows), np.int64)
        addresses = self._before.addresses[rows]
        now = pool._addresses()
        places = np.searchsorted(now, addresses)
        fragments = (addresses >> np.uint64(32)).astype(np.int64)
        schema = pa.schema([pool.schema.field(name) for name in names])
        for fragment in np.unique(fragments).tolist():
            here = fragments == fragment
            members = pool.fragment_rows(fragment)
            table = pool.take(members, names)
            columns = []
            for f in schema:
                values = table[f.name].to_pylist()
                for row, place in zip(rows[here].tolist(), (places[here] - members[0]).tolist(), strict=True):
                    each = self.rows[row]
                    for given in (each.values, each.facts):
                        if f.name in given:
                            values[place] = given[f.name]
                columns.append(array(f, values, [{"key": "a row"}] * len(values)))
            yield fragment, pa.table(columns, schema=schema)


class _Stale:
    """Which columns were computed row by row from which others."""

    def __init__(self, pool: Pool) -> None:
        reads: dict[str, set[str]] = {}
        for record in pool.lineage():
            if record.operation != "ingest":
                reads |= {name: set(record.reads) for name in record.adds}
        self._reads: dict[str, set[str]] = {}
        for f in pool.schema:
            metadata = f.metadata or {}
            if OPERATION in metadata and not metadata.get(INPUTS):
                read = reads.get(f.name)
                self._reads[f.name] = read if read is not None else _declared(pool, f.name)

    def of(self, changed: dict[str, Any]) -> frozenset[str]:
        """Those that were computed from any of these columns, or from such a one."""
        found, reached = set[str](), set(changed)
        while more := {name for name, read in self._reads.items() if read & reached and name not in found}:
            found |= more
            reached |= more
        return frozenset(found)


def _declared(pool: Pool, column: str) -> set[str]:
    """What the operation that made a column says that it reads; nothing where the operation is not known here."""
    made = pool.provenance(column)
    try:
        parameters = {k: v for k, v in made["parameters"].items() if k != "where"}
        return set(find(f"annotate.{made['operation']}")(**parameters).reads())  # pyright: ignore
    except VedutaError:
        return set()


def _filled(view: View, fragment: int) -> list[str]:
    """The columns that a fragment has."""
    from veduta.pool.fragments import missing

    lacking = missing(view.dataset, fragment, view.schema.names)
    return [name for name in view.schema.names if name not in lacking]


def _pieces(view: View, rows: list[int]) -> Iterator[list[int]]:
    """Rows in groups of bounded size."""
    piece: list[int] = []
    total = 0
    for start in range(0, len(rows), CARRIED_ROWS):
        part = rows[start : start + CARRIED_ROWS]
        for row, size in zip(part, view.take(np.array(part), ["bytes"])["bytes"].to_pylist(), strict=True):
            if piece and (len(piece) >= CARRIED_ROWS or total + (size or 0) > CARRIED_BYTES):
                yield piece
                piece, total = [], 0
            piece.append(row)
            total += size or 0
    if piece:
        yield piece


def _stored(view: View, rows: list[int]) -> list[bytes | None]:
    """The bytes that the pool itself keeps of rows."""
    addresses = view._addresses()[np.array(rows)]
    kept = dict(view.dataset.read_blobs("image", addresses=np.unique(addresses).tolist()))
    return [kept.get(int(address)) or None for address in addresses]
