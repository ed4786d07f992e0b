"""Parquet with the original bytes, in the form that Hugging Face reads as images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from veduta.pool.readers.table import EXPORTED
from veduta.pool.writers.names import with_suffix
from veduta.pool.writers.rows import Rows

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
FEATURES = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}}).encode()


Compression = Annotated[
    Literal["zstd", "snappy", "gzip", "brotli", "lz4", "none"],
    Field(description="of the columns; images are compressed already"),
]


def write(rows: Rows, target: Path, *, compression: Compression = "zstd") -> None:
    """Write one file: `key`, `image` (struct of bytes and path), and the columns with their types.

    Row groups hold at most 64 MiB of images. Types that Parquet lacks come back from the schema that it stores.
    """
    schema = arrow_schema(rows)
    # A dictionary of images would only cost memory, and pages of few rows let readers stream.
    with pq.ParquetWriter(
        target, schema, compression=compression, use_dictionary=rows.columns, write_batch_size=16
    ) as writer:
        for table in tables(rows, schema):
            writer.write_table(table)
    rows.report.files = 1
    rows.report.bytes = target.stat().st_size


def arrow_schema(rows: Rows) -> pa.Schema:
    """The schema of the exported table."""
    fields = [pa.field("key", pa.string()), pa.field("image", IMAGE), *rows.schema()]
    return pa.schema(fields, metadata={b"huggingface": FEATURES, EXPORTED: b"1"})


def tables(rows: Rows, schema: pa.Schema) -> Iterator[pa.Table]:
    """The exported rows in tables of bounded size."""
    for batch in rows.batches(("format",)):
        columns = {name: [row[name] for row, _ in batch] for name in ["key", *rows.columns]}
        columns["image"] = [
            {"bytes": data, "path": with_suffix(row["key"].rsplit("/", 1)[-1], row["format"])} for row, data in batch
        ]
        yield pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
