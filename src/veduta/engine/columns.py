"""Whole columns of values put into a pool."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from veduta.engine import faults
from veduta.pool import Pool, roles
from veduta.pool.schema import CORE

ASIDE = "~before"
"""End of the name of a column that is being given a wider type."""


def place(table: pa.Table, schema: pa.Schema, rows: int, by: str) -> pa.Table:
    """Values with their `_row` positions, spread over all rows of the pool."""
    from veduta.engine.operation import as_arrays  # loads what an ingest does without

    places = np.full(rows, -1, dtype=np.int64)
    places[np.asarray(table.column("_row"))] = np.arange(len(table))
    values = {name: table.column(name).combine_chunks() for name in table.column_names if name != "_row"}
    arrays = as_arrays(schema, values, len(table), by)
    index = pa.array(places, mask=places < 0)
    return pa.table([arrays[name].take(index) for name in schema.names], schema=schema)


def replace(pool: Pool, columns: pa.Table, message: str) -> None:
    """Put whole columns in the place of what was there: a reader sees the old ones or the new ones, whole.

    New columns come with their values in one version. Those that are there are filled again in one; what made them is told
    after that, so that a run that is killed between is run again by the same call. Only a column whose type changes is
    missing for a moment.
    """
    have = {field.name: field.type for field in pool.schema}
    pool.drop([field.name for field in columns.schema if have.get(field.name, field.type) != field.type])
    pool.add(columns.select([name for name in columns.column_names if name not in pool.schema.names]))
    faults.point("table.added")
    old = columns.select([name for name in columns.column_names if have.get(name) == columns.schema.field(name).type])
    if old.column_names:
        pool.fill(old, [f.fragment_id for f in pool.dataset.get_fragments()], message=message)
    faults.point("table.filled")
    pool.describe(old.schema)


def amend(pool: Pool, columns: pa.Table, message: str) -> None:
    """Put values in the place of what was there in one commit, so that no version ever lacks a column of the source.

    What made the columns is told last: a run that is killed before is run again by the same call.
    """
    columns = _with_shadows(pool, columns)
    have = {field.name: field.type for field in pool.schema}
    pool.drop([field.name for field in columns.schema if have.get(field.name, field.type) != field.type])
    pool.define(pa.schema([field for field in columns.schema if field.name not in pool.schema.names]))
    faults.point("amend.defined")
    pool.fill(columns, [f.fragment_id for f in pool.dataset.get_fragments()], message=message)
    faults.point("amend.filled")
    pool.describe(columns.schema)


def widen(pool: Pool, name: str, kind: pa.DataType) -> None:
    """Give a column a type that holds its values and others; after a kill the same call goes on.

    Raises ArrowInvalid, before anything is changed, where a value cannot be held.
    """
    aside = name + ASIDE
    source = aside if aside in pool.schema.names else name
    values = pool.table([source])[source].cast(kind)
    if source == name:
        pool.rename(name, aside)
    faults.point("widen.aside")
    if name not in pool.schema.names:
        field = pool.schema.field(aside).with_name(name).with_type(kind)
        pool.add(pa.table([values], schema=pa.schema([field])))
    faults.point("widen.added")
    pool.drop([aside])


def _with_shadows(pool: Pool, columns: pa.Table) -> pa.Table:
    """Beside every column of the source that is changed for the first time, a copy of what the source said."""
    for name in columns.column_names:
        if name not in CORE.names and (name not in pool.schema.names or pool.provenance(name)):
            continue
        kept = roles.declared(pool.schema, f"{roles.GIVEN}{name}", pool.schema.field(name).type)
        there = kept.name in pool.schema.names
        if not pool.provenance(name) if not there else pool.pending([kept.name]):
            columns = columns.append_column(kept, pool.table([name])[name])
    return columns
