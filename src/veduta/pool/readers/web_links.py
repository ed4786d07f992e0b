"""Image links with text from tables: Parquet, CSV, TSV, JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool.readers.web_clean import Candidate

# Names that published link sets use, tried in this order and without regard to case.
URL_NAMES = ("url", "image_url", "link", "src")
TEXT_NAMES = ("text", "caption", "alt", "alt_text", "title")
KNOWN = ("license", "language", "page_url")


def table_candidates(path: Path, url: str | None = None, text: str | None = None) -> Iterator[Candidate]:
    """Candidates of a table in row order; its other columns travel along in `fields`. Memory: one batch of 8,192 rows.

    url, text: names of the two columns; by default the usual names are looked for.
    """
    batches = table_batches(path)
    for batch in batches:
        links, texts = (
            column(path, batch.schema, url, URL_NAMES, "url"),
            column(path, batch.schema, text, TEXT_NAMES, "text"),
        )
        others = [name for name in batch.schema.names if name not in (links, texts, "key")]
        for row in batch.to_pylist():
            extra = {name: row[name] for name in others}
            licence, language, page = (extra.pop(name, None) for name in KNOWN)
            yield Candidate(str(row[links] or ""), str(row[texts] or ""), str(page or ""), licence, language, extra)


def table_columns(path: Path, url: str | None = None, text: str | None = None) -> dict[str, pa.DataType]:
    """Types of the columns besides link and text. CSV and JSON columns have the types of the first block of the file."""
    schema = _schema(path)
    links, texts = column(path, schema, url, URL_NAMES, "url"), column(path, schema, text, TEXT_NAMES, "text")
    return {f.name: f.type for f in schema if f.name not in (links, texts, "key", *KNOWN)}


def table_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of the table in batches."""
    try:
        yield from _dataset(path).to_batches(batch_size=8192, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} cannot be read as a table: {error}") from None


def column(path: Path, schema: pa.Schema, given: str | None, usual: tuple[str, ...], role: str) -> str:
    """The name of the column that plays `role`."""
    if given is not None:
        if given not in schema.names:
            raise BadInput(f"{path} has no column '{given}' for {role}; it has: {', '.join(schema.names)}")
        return given
    lower = {name.lower(): name for name in reversed(schema.names)}
    found = next((lower[name] for name in usual if name in lower), None)
    if found is None:
        raise BadInput(
            f"{path} has no column for {role} (looked for: {', '.join(usual)}); it has: {', '.join(schema.names)}; "
            f"name it with {role}="
        )
    return found


def _schema(path: Path) -> pa.Schema:
    try:
        return _dataset(path).schema
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} cannot be read as a table: {error}") from None


def _dataset(path: Path) -> Any:
    import pyarrow.csv as csv
    import pyarrow.dataset as ds

    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        delimiter = "\t" if ".tsv" in name else ","
        form: Any = ds.CsvFileFormat(csv.ParseOptions(delimiter=delimiter, newlines_in_values=True))
    elif name.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        form = "json"
    else:
        form = "parquet"
    return ds.dataset(str(path), format=form)
