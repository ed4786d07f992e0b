"""Manifests: keys and columns without the images, as JSON lines or CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from veduta.pool.csv_cells import quoted
from veduta.pool.readers.infer import plain
from veduta.pool.writers.rows import Rows

# What identifies an image elsewhere; written unless columns are named.
IDENTITY = ["digest", "uri", "width", "height", "format"]


def write(rows: Rows, target: Path) -> None:
    """Write one line a row: `key` and the columns; CSV where the target ends in .csv, JSON lines otherwise.

    Lists and structs stand in a CSV as JSON text; texts that a spreadsheet would take for formulas get an apostrophe.
    """
    names = list(dict.fromkeys(["key", *rows.columns]))
    as_csv = target.name.split(".part-")[0].lower().endswith(".csv")
    with target.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        if as_csv:
            table.writerow(map(quoted, names))
        for batch in rows.values(names):
            for row in batch.to_pylist():
                rows.report.rows += 1
                if as_csv:
                    table.writerow([_cell(row[name]) for name in names])
                else:
                    stream.write(json.dumps(plain(row), ensure_ascii=False) + "\n")
    rows.report.files, rows.report.bytes = 1, target.stat().st_size


def _cell(value: Any) -> Any:
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else quoted(value)
