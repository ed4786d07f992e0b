"""The record of what was done to a pool: one JSON file a run, written last and atomically.

A record names the pool version before and after the run. An undo is a record too; `effective` follows the undos
back, so that the recipe of a pool is what its present content came from and the log is everything that happened.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from veduta.errors import DamagedPool
from veduta.pool.durable import write_atomically


@dataclass(slots=True)
class Record:
    """One operation run: versions are those of the Lance table, seconds are wall time."""

    operation: str
    parameters: dict[str, Any]
    before: int
    version: int
    reads: list[str] = field(default_factory=list)
    adds: list[str] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0
    started: str = ""
    code: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def now() -> str:
    """The current time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def append(folder: Path, record: Record) -> None:
    """Store one record under the next free number."""
    numbers = [int(p.stem.split("-")[0]) for p in folder.glob("*.json")]
    name = f"{max(numbers, default=0) + 1:06d}-{record.operation}.json"
    write_atomically(folder / name, json.dumps(asdict(record), indent=1, ensure_ascii=False, default=str) + "\n")


def history(folder: Path, upto: int) -> list[Record]:
    """Everything that happened, oldest first, up to the version `upto`."""
    records = [_read(path) for path in sorted(folder.glob("*.json"))]
    return [record for record in records if record is not None and record.version <= upto]


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError):
        words = f"the record {path} cannot be read and is left out; see: veduta check {path.parent.parent}"
        warnings.warn(words, DamagedPool, stacklevel=2)
        return None


def effective(records: list[Record], version: int) -> list[Record]:
    """The records that the content of `version` came from, oldest first: undone runs are left out."""
    kept: list[Record] = []
    for record in reversed(records):
        if record.version > version:
            continue
        if record.operation == "undo":
            version = record.parameters["to"]
        else:
            kept.append(record)
            version = min(version, record.version)
    return kept[::-1]
