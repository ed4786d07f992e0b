"""A sample's rows as an Arrow table, for proofs and benchmarks that need no pool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.samples.catalog import info
from veduta.samples.place import get

_SIDECARS = ("metadata.jsonl", "index.jsonl")


def load(name: str, *, where: str | Path | None = None, images: bool = True) -> pa.Table:
    """All rows: `key` string, `image` binary (the original bytes), `label`, `split`, `captions` where the sample has
    them, and every other column of the source under its own name.

    where: a folder of the sample other than `get(name)`. images: False leaves the bytes out.
    Memory: all image bytes. Raises SourceError for a folder that does not hold the sample.
    """
    sample = info(name)
    source = Path(where) / sample.file if where is not None else get(name)
    table = _parquet(source, images) if source.suffix == ".parquet" else _folder(source, images)
    for to, from_ in sample.renames.items():
        if from_ in table.column_names:
            if to in table.column_names:  # the source's own `label` is a class number there
                table = table.rename_columns({to: f"{to}_index"})
            table = table.rename_columns({from_: to})
    for column in ("key", "label"):
        if column in table.column_names and not pa.types.is_string(table.schema.field(column).type):
            at = table.column_names.index(column)
            table = table.set_column(at, column, table.column(column).cast(pa.string()))
    return table


def _parquet(file: Path, images: bool) -> pa.Table:
    import pyarrow.parquet as pq

    if not file.exists():
        raise SourceError(f"{file} does not exist; name the folder that holds the sample")
    columns = [name for name in pq.read_schema(file).names if images or name != "image"]
    return pq.read_table(file, columns=columns)


def _folder(folder: Path, images: bool) -> pa.Table:
    sidecar = next((folder / name for name in _SIDECARS if (folder / name).exists()), None)
    if sidecar is None:
        raise SourceError(f"{folder} has neither {' nor '.join(_SIDECARS)}; name the folder that holds the sample")
    rows: list[dict[str, Any]] = [json.loads(line) for line in sidecar.read_text("utf-8").splitlines() if line.strip()]
    files = [row.get("file_name", row.get("file")) for row in rows]
    flat = [{k: v for k, v in row.items() if k != "file_name"} for row in rows]
    for row in flat:  # nested annotations differ in shape from row to row
        for key in ("instances", "person_keypoints"):
            if key in row:
                row[key] = json.dumps(row[key])
    columns = list(dict.fromkeys(key for row in flat for key in row))
    table = pa.table({key: pa.array([row.get(key) for row in flat]) for key in columns})
    if "file" not in columns:
        table = table.add_column(0, "key", pa.array([str(file).removeprefix("images/") for file in files]))
    if images:
        table = table.append_column("image", pa.array([(folder / str(f)).read_bytes() for f in files], pa.binary()))
    return table
