"""Hugging Face data sets on disk, as `datasets.load_from_disk` reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import MissingPackage
from veduta.pool.writers.parquet import arrow_schema, tables
from veduta.pool.writers.rows import Rows

_SPLIT = re.compile(r"\w+(\.\w+)*")


def write(rows: Rows, target: Path) -> None:
    """Write a data set into the folder `target`: original bytes as `image`, `key`, and the columns.

    Where every row has a split with a plain name, the result is a DatasetDict of the splits. Needs the package datasets.
    """
    try:
        import datasets
    except ImportError:
        raise MissingPackage("datasets", needed_by="writing a Hugging Face data set", extra="hub") from None
    from datasets.utils import logging

    schema = arrow_schema(rows)
    parts = target / ".parts"
    parts.mkdir(parents=True)
    writers: dict[str, pa.RecordBatchStreamWriter] = {}
    by_split = "split" in rows.columns and _splits_are_plain(rows)
    for table in tables(rows, schema):
        for split in table["split"].unique().to_pylist() if by_split else [""]:
            if split not in writers:
                writers[split] = pa.ipc.new_stream(str(parts / f"{len(writers)}.arrow"), schema)
            writers[split].write_table(table.filter(pa.compute.equal(table["split"], split)) if by_split else table)
    if not writers:
        writers[""] = pa.ipc.new_stream(str(parts / "0.arrow"), schema)
    for writer in writers.values():
        writer.close()
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded: Any = {
            split: datasets.Dataset.from_file(str(parts / f"{number}.arrow")) for number, split in enumerate(writers)
        }
        whole: Any = datasets.DatasetDict(loaded) if by_split and loaded else loaded[""]
        whole.save_to_disk(str(target))
    finally:
        if was_on:
            logging.enable_progress_bar()
    del loaded, whole
    for file in parts.iterdir():
        file.unlink()
    parts.rmdir()
    rows.report.files = sum(1 for _ in target.rglob("*.arrow"))
    rows.report.bytes = sum(file.stat().st_size for file in target.rglob("*.arrow"))
    rows.write_schema(target)


def _splits_are_plain(rows: Rows) -> bool:
    """Whether every row has a split that may be a split's name in `datasets`."""
    found = {split for batch in rows.values(["split"]) for split in batch.column(0).to_pylist()}
    return bool(found) and all(split is not None and _SPLIT.fullmatch(split) for split in found)
