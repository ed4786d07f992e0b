"""Tables that a person brings: from a file, or from memory, in which case the pool keeps a copy."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veduta.errors import BadInput, SourceError
from veduta.pool import limits, location
from veduta.pool.readers import places
from veduta.pool.readers.infer import fit
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.rows import ArrowRows, RecordRows, open_rows

KEPT = "artifacts/import-"
"""Names of tables that came from memory: Parquet files in the pool, named by their content."""

_given: dict[str, bytes] = {}


def named(table: Any) -> Any:
    """The name under which a table from memory (pyarrow, pandas, polars) will be kept; other things as they are."""
    made = table
    if hasattr(table, "iloc") and hasattr(table, "columns"):  # pandas
        made = pa.Table.from_pandas(table, preserve_index=table.index.name is not None)
    elif hasattr(table, "to_arrow"):  # polars
        made = table.to_arrow()
    if isinstance(made, pa.RecordBatch):
        made = pa.Table.from_batches([made])
    if not isinstance(made, pa.Table):
        return table
    out = io.BytesIO()
    pq.write_table(made.replace_schema_metadata(None), out)
    name = f"{KEPT}{hashlib.sha256(out.getvalue()).hexdigest()[:16]}.parquet"
    _given[name] = out.getvalue()
    return name


def keep(table: str, pool: Path) -> None:
    """Write a table from memory into the pool's folder, so that its recipe can be run again."""
    target = pool / table
    if table in _given and not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(_given[table])


def read(table: str, pool: Path | None, notes: Notes) -> tuple[pa.Table, str, set[str]]:
    """The table, a digest of its content and its separators if it is text. Raises SourceError, BadInput. Memory: the table."""
    if table in _given:
        return pq.read_table(io.BytesIO(_given[table])), _digest([], _given[table]), set()
    here = pool / table if pool is not None and table.startswith(KEPT) else None
    files = [str(here)] if here is not None and here.exists() else places.expand(table)
    if not files or not all(places.exists(file) for file in files):
        raise BadInput(f"the table {table} does not exist; name a Parquet, Arrow, CSV or JSON lines file")
    if any(places.is_folder(file) for file in files):
        raise BadInput(f"{table} is a folder; name the table in it")
    found, separators = _whole(files, notes)
    return found, _digest(files), separators


def _whole(files: list[str], notes: Notes) -> tuple[pa.Table, set[str]]:
    rows = open_rows(files, notes)
    try:
        if isinstance(rows, ArrowRows):
            pieces = [batch for file in rows._files for batch in file.batches(None)]
            tables = [pa.Table.from_batches([piece]) for piece in pieces]
            whole = pa.concat_tables([rows.schema.empty_table(), *tables], promote_options="permissive")
            return whole.combine_chunks(), set()
        found = list(rows.rows())
        columns = {
            field.name: pa.array([fit(row.get(field.name), field.type) for row in found], field.type)
            for field in rows.schema
        }
        return pa.table(columns), rows.separators() if isinstance(rows, RecordRows) else set()
    except (ValueError, pa.ArrowException) as error:
        raise SourceError(f"{files[0]} cannot be read as a table: {str(error).splitlines()[0]:.200}") from None


def _digest(files: list[str], content: bytes = b"") -> str:
    total = hashlib.sha256(content)
    for file in files:
        with places.open_binary(file) as stream:
            while piece := stream.read(1 << 20):
                total.update(piece)
    return total.hexdigest()[:16]


def category_names(file: str) -> dict[str, str]:
    """Class names by COCO's numbers: of a COCO file, of a JSON list of `{id, name}` or of names (from 0), or of `{id: name}`."""
    uri = places.absolute(file)
    try:
        content = json.loads(location.read(uri, limits.DOCUMENT))
    except (OSError, ValueError, SourceError):
        raise BadInput(f"categories: {file} cannot be read as JSON; name the annotation file") from None
    given = content.get("categories", content) if isinstance(content, dict) else content
    if isinstance(given, dict):
        return {str(number): str(name) for number, name in given.items()}
    if isinstance(given, list) and given and all(isinstance(one, dict) and "id" in one for one in given):
        return {str(one["id"]): str(one.get("name", one["id"])) for one in given}
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return {str(number): name for number, name in enumerate(given)}
    raise BadInput(f"categories: {file} has no list `categories` of {{id, name}}")
