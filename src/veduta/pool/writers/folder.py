"""Image folders: original bytes under their own names, everything else in `metadata.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from veduta.pool.readers.infer import plain
from veduta.pool.writers.names import Names, safe, with_suffix
from veduta.pool.writers.rows import Rows, has_values

UNLABELLED = "unlabelled"


Layout = Annotated[
    Literal["labels", "keys"] | None,
    Field(description="folders of splits and labels, or the keys as paths; null: labels where there are any"),
]


def write(rows: Rows, target: Path, *, layout: Layout = None) -> None:
    """Write `[split/]label/name` (layout "labels") or the keys as paths ("keys") into the folder `target`.

    Default: "labels" where any row has a label, else "keys". `metadata.jsonl` follows the Hugging Face imagefolder
    convention (`file_name` and the columns), so that `datasets` and Veduta read the folder back.
    """
    by_label = layout == "labels" or (layout is None and has_values(rows.view, "label"))
    names = Names(rows.report)
    with (target / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for batch in rows.batches(("label", "split", "format")):
            for row, data in batch:
                name = names.path(_wanted(row, by_label), row["key"])
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
                rows.report.bytes += len(data)
                record = {"file_name": name, "key": row["key"], **{c: plain(row[c]) for c in rows.columns}}
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    rows.report.files = rows.report.rows + 1
    rows.write_schema(target)


def _wanted(row: dict[str, Any], by_label: bool) -> str:
    name = with_suffix(row["key"], row["format"])
    if not by_label:
        return name
    label = safe(row["label"]) if row["label"] else UNLABELLED
    folders = [safe(row["split"])] if row["split"] else []
    return "/".join([*folders, label, name.rstrip("/").rsplit("/", 1)[-1]])
