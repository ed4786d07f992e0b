"""What every writer is given: the chosen rows of a view, streamed with their image bytes; and what it gives back."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.pool import roles
from veduta.pool.readers.sidecar import SCHEMA_FILE
from veduta.pool.schema import CORE, OWN
from veduta.pool.view import View

# A batch ends at so many rows or bytes, so that memory does not grow with the pool.
BATCH_ROWS = 512
BATCH_BYTES = 64 << 20
MOST_NAMES = 1000


@dataclass
class WriteReport:
    """What was written.

    left_out: counts by reason; renamed: (key, name) where the key's own name was taken or unfit."""

    format: str
    path: Path
    rows: int = 0
    files: int = 0
    bytes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    renames: int = 0
    folders: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def rename(self, key: str, name: str) -> None:
        """An image could not keep its name."""
        self.renames += 1
        if len(self.renamed) < MOST_NAMES:
            self.renamed.append((key, name))

    def lack(self, key: str, reason: str) -> None:
        """An image whose bytes are not there."""
        changed = "no longer the image" in reason
        self.left_out["the file is another image now" if changed else "image bytes not found"] += 1
        self.missing.append(key)
        if reason and len(self.reasons) < MOST_NAMES:
            self.reasons[key] = reason

    def __str__(self) -> str:
        out = "".join(f", {count} left out ({reason})" for reason, count in self.left_out.items())
        names = f", {self.renames} renamed" if self.renames else ""
        told = "".join(
            f"\n  the label '{label}' is the folder '{name}'" for label, name in [*self.folders.items()][:20]
        )
        told += "".join(f"\n  left out: {key}: {reason}" for key, reason in [*self.reasons.items()][:20])
        return f"{self.rows} images written to {self.path} ({self.format}{names}{out}){told}"


@dataclass
class Rows:
    """Rows of a view by position, and the columns to write besides the key and the bytes."""

    view: View
    positions: np.ndarray
    columns: list[str]
    report: WriteReport

    def schema(self) -> pa.Schema:
        """The columns to write, without the metadata of a pool."""
        fields = [self.view.schema.field(name) for name in self.columns]
        return pa.schema([pa.field(f.name, f.type) for f in fields])

    def batches(self, extra: tuple[str, ...] = ()) -> Iterator[list[tuple[dict[str, Any], bytes]]]:
        """The rows as (values of key, the columns and `extra`, image bytes).

        Rows whose bytes are not there (a referenced file was moved, or is another image now) are left out and counted.
        """
        names = list(dict.fromkeys(["key", *self.columns, *extra]))
        for positions in self._pieces():
            values = self.view.take(positions, names).to_pylist()
            batch, problems = [], dict[int, str]()
            found = self.view.read_images(positions, problems)
            for position, row, data in zip(positions.tolist(), values, found, strict=True):
                if data is None:
                    self.report.lack(row["key"], problems.get(position, ""))
                else:
                    self.report.rows += 1
                    batch.append((row, data))
            yield batch

    def values(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows, without the images."""
        for start in range(0, len(self.positions), 8192):
            yield from self.view.take(self.positions[start : start + 8192], names).combine_chunks().to_batches()

    def _pieces(self) -> Iterator[np.ndarray]:
        start, total = 0, 0
        sizes = np.concatenate([np.asarray(b.column(0).fill_null(0)) for b in self.values(["bytes"])] or [np.empty(0)])
        for end, size in enumerate(sizes):
            if end > start and (end - start >= BATCH_ROWS or total + size > BATCH_BYTES):
                yield self.positions[start:end]
                start, total = end, 0
            total += size
        if start < len(self.positions):
            yield self.positions[start:]

    def write_schema(self, folder: Path) -> None:
        """Leave the columns' exact types beside formats that cannot hold them."""
        packed = base64.b64encode(self.schema().serialize().to_pybytes()).decode()
        types = {f.name: str(f.type) for f in self.schema()}
        told = {"folders": {name: label for label, name in self.report.folders.items()}} if self.report.folders else {}
        text = json.dumps({"columns": types, "arrow_schema": packed, **told}, indent=1, ensure_ascii=False)
        (folder / SCHEMA_FILE).write_text(text, encoding="utf-8")


def default_columns(view: View) -> list[str]:
    """All columns but the pool's own, vectors, and core columns without a value."""
    chosen = []
    own = (*OWN, *roles.names(view.schema))
    for f in view.schema:
        is_vector = pa.types.is_fixed_size_list(f.type) and pa.types.is_floating(f.type.value_type)
        if f.name in own or is_vector or (f.name in CORE.names and not has_values(view, f.name)):
            continue
        chosen.append(f.name)
    return chosen


def has_values(view: View, column: str) -> bool:
    """Whether any row of the view has a value in the column."""
    return column in view.schema.names and view.table([column], where=f"{column} is not null", limit=1).num_rows > 0
