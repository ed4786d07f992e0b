"""Image folders: original bytes under their own names, everything else in `metadata.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from veduta.pool.readers.infer import plain
from veduta.pool.writers.names import Folders, Names, with_suffix
from veduta.pool.writers.rows import Rows, has_values

UNLABELLED = "unlabelled"


Layout = Annotated[
    Literal["labels", "keys"] | None,
    Field(description="folders of splits and labels, or the keys as paths; by default labels where there are any"),
]


def write(rows: Rows, target: Path, *, layout: Layout = None) -> None:
    """Write `[split/]label/name` (layout "labels") or the keys as paths ("keys") into the folder `target`.

    Default: "labels" where any row has a label, else "keys". `metadata.jsonl` follows the Hugging Face imagefolder
    convention (`file_name` and the columns), so that `datasets` and Veduta read the folder back. Labels that would share a folder
    on some disk ("a/b" and "a_b", "Cat" and "cat") are told apart; the report and `veduta-schema.json` say how.
    """
    by_label = layout == "labels" or (layout is None and has_values(rows.view, "label"))
    names = Names(rows.report)
    labels, splits = (Folders(_all(rows, column), none) for column, none in (("label", UNLABELLED), ("split", None)))
    if by_label:
        rows.report.folders = {**splits.changed, **labels.changed}
    with (target / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for batch in rows.batches(("label", "split", "format")):
            for row, data in batch:
                name = names.path(_wanted(row, labels, splits) if by_label else _named(row), row["key"])
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
                rows.report.bytes += len(data)
                record = {"file_name": name, "key": row["key"], **{c: plain(row[c]) for c in rows.columns}}
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    rows.report.files = rows.report.rows + 1
    rows.write_schema(target)


def _named(row: dict[str, Any]) -> str:
    return with_suffix(row["key"], row["format"])


def _wanted(row: dict[str, Any], labels: Folders, splits: Folders) -> str:
    folders = [splits.of(row["split"])] if row["split"] else []
    return "/".join([*folders, labels.of(row["label"] or None), _named(row).rstrip("/").rsplit("/", 1)[-1]])


def _all(rows: Rows, column: str) -> set[str]:
    """All values of a text column."""
    found: set[str] = set()
    for batch in rows.values([column]):
        found |= {value for value in batch.column(0).unique().to_pylist() if value}
    return found
