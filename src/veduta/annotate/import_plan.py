"""From a table to columns with the names and types that the pool will give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from veduta.annotate import import_columns as shape
from veduta.annotate.import_numbers import local_numbers
from veduta.annotate.import_objects import are_results, objects
from veduta.annotate.import_read import category_names, read
from veduta.errors import BadInput
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import CORE

if TYPE_CHECKING:
    from veduta.annotate.import_table import Import
    from veduta.pool import View

FILE_COLUMNS = ("file", "file_name", "filename", "filepath", "path", "image", "image_path", "uri", "key")


@dataclass(frozen=True)
class Loaded:
    """A table ready to be joined. ids: of its rows; values: its columns; schema: what the pool will hold of them."""

    ids: pa.ChunkedArray
    values: dict[str, pa.Array]
    schema: pa.Schema
    digest: str
    results: bool
    notes: Notes


def load(asked: Import, pool: View | None, amended: Sequence[str]) -> Loaded:
    """Read the table that is asked for. Raises BadInput, SourceError. Memory: the table."""
    notes = Notes()
    folder = None if pool is None else Path(pool.dataset.uri.removeprefix("file://")).parent
    table, digest, separators = read(asked.table, folder, notes)
    results = are_results(table)
    if results:
        table = objects(table, category_names(asked.categories) if asked.categories else {}, notes)
    if not len(table):
        raise BadInput(f"import: the table {asked.table} has no rows")
    on = _join_column(asked, table, results)
    if separators:
        table = local_numbers(table, separators, on, notes)
    made: dict[str, tuple[pa.Array, pa.Field | None]] = {}
    taken = {on}
    for pattern in asked.scores:
        name, members, column, field = shape.scores(table, pattern, asked.classes, asked.values, notes)
        made[name] = column, field
        taken |= set(members)
    for name in _vector_columns(asked, table):
        made[name] = shape.vectors(table, name, asked.space, notes)
        taken.add(name)
    if made and asked.duplicates == "list":
        raise BadInput("import: scores and vectors of several rows make no list; say --duplicates first or last")
    for name in _chosen(asked, table, on, taken, made):
        made[name] = shape.settled(name, table[name].combine_chunks(), notes), None
    if not made:
        raise BadInput(f"import: the table has no column besides '{on}'")
    values, fields = {}, []
    renamed = {theirs: mine for mine, theirs in asked.as_.items()}
    for name in sorted(made, key=list(dict.fromkeys([*table.column_names, *made])).index):
        column, field = made[name]
        called = renamed.get(name) or asked.prefix + shape.fit_name(name, notes)
        if called in values:
            raise BadInput(f"import: two columns would be called '{called}'; rename one with --as NAME={name}")
        if called in amended:
            column = _typed(called, column, pool)
        values[called] = column
        kind = pa.list_(column.type) if asked.duplicates == "list" else column.type
        fields.append(pa.field(called, kind, metadata=field.metadata if field else None))
    return Loaded(table[on], values, pa.schema(fields), digest, results, notes)


def _chosen(asked: Import, table: pa.Table, on: str, taken: set[str], made: dict) -> list[str]:
    """The plain columns of the table that are wanted."""
    chosen = [name for name in table.column_names if name not in taken]
    if asked.columns:
        unknown = next((name for name in asked.columns if name not in {*table.column_names, *made}), None)
        if unknown is not None:
            raise BadInput(f"import: the table has no column '{unknown}'; it has: {', '.join(table.column_names[:40])}")
        chosen = [name for name in chosen if name in asked.columns or name in asked.as_.values()]
    for mine, theirs in asked.as_.items():
        if theirs not in chosen and theirs not in made:
            if theirs not in table.column_names:
                there = ", ".join([*table.column_names, *made][:40])
                raise BadInput(f"import: as {mine}={theirs}: there is no column '{theirs}'; there is: {there}")
            chosen.append(theirs)
    return chosen


def _typed(name: str, values: pa.Array, pool: View | None) -> pa.Array:
    """The values in the type of the pool's column that they are put into."""
    kind = CORE.field(name).type if name in CORE.names or pool is None else pool.schema.field(name).type
    try:
        if pa.types.is_list(kind) and not pa.types.is_list(values.type):
            return pa.array([None if value is None else [str(value)] for value in values.to_pylist()], kind)
        return values.cast(kind)
    except (pa.ArrowException, ValueError, TypeError):
        raise BadInput(
            f"import: as {name}=...: the pool's '{name}' holds {kind}, the table's column {values.type}"
        ) from None


def _join_column(asked: Import, table: pa.Table, results: bool) -> str:
    mine, named, theirs = asked.on.partition("=")
    if not named and results:
        return "image_id"
    candidates = (theirs,) if named else FILE_COLUMNS if mine == "file" else (mine,)
    found = next((name for name in candidates if name in table.column_names), None)
    if found is None:
        raise BadInput(
            f"import: the table has no column '{theirs or mine}' to join on; it has: {', '.join(table.column_names[:40])}; "
            f"name it with --on {mine}=COLUMN"
        )
    return found


def _vector_columns(asked: Import, table: pa.Table) -> tuple[str, ...]:
    if asked.vectors or asked.space is None:
        return asked.vectors
    lists = [
        field.name
        for field in table.schema
        if field.name not in asked.scores and (pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type))
    ]
    if len(lists) != 1:
        what = f"lists are in {', '.join(lists)}" if lists else "no column holds lists"
        raise BadInput(f"import: say which columns are the vectors of the space '{asked.space}' with --vectors; {what}")
    return tuple(lists)
