"""The sheet on which a person writes down what is on the images of a sample."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veduta.errors import BadInput, SourceError
from veduta.pool.csv_cells import quoted, unquoted
from veduta.pool.durable import write_atomically
from veduta.select.sample import draw

COLUMNS = ("key", "verdict", "face")
VERDICTS = ("none", "part", "person")
FACES = {"": None, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person saw. verdict: none, part (a hand, a leg, a crop that cannot be recognised) or person; face: None if untold."""

    verdict: str
    face: bool | None = None


def shuffled(keys: list[str]) -> np.ndarray:
    """The order of the sheet: by lot, so that no line tells how sure the detectors were."""
    return np.lexsort((np.asarray(keys, dtype=object), draw(keys, 1)))


def read(file: Path) -> dict[str, Seen]:
    """Verdicts by key; lines without one are still to be judged. No file means no verdict."""
    if not file.exists():
        return {}
    return {unquoted(row["key"]): Seen(row["verdict"], FACES[row["face"]]) for row in _lines(file) if row["verdict"]}


def complete(file: Path, keys: list[str]) -> Path:
    """Write the sheet, or add to it the keys that it lacks; what is there stays as it is, columns of one's own too."""
    before = _lines(file) if file.exists() else []
    have = {unquoted(row["key"]) for row in before}
    fresh = [key for key in keys if key not in have]
    if not fresh and before:
        return file
    out = io.StringIO()
    names = list(before[0]) if before else list(COLUMNS)
    table = csv.DictWriter(out, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows([*before, *({"key": quoted(key), "verdict": "", "face": ""} for key in fresh)])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, out.getvalue())
    except OSError as error:
        raise SourceError(f"the sheet {file} cannot be written: {error.strerror or error}") from None
    return file


def _lines(file: Path) -> list[dict[str, str]]:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the sheet {file} cannot be read: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in ("key", "verdict") if name not in (rows.fieldnames or [])]
    if lacking:
        raise BadInput(f"the sheet {file} must have the columns key, verdict and face, and lacks '{lacking[0]}'")
    others = [name for name in rows.fieldnames or [] if name and name not in COLUMNS]
    found: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        own = {name: row.get(name) or "" for name in (*COLUMNS, *others)}
        own["verdict"], own["face"] = own["verdict"].strip().lower(), own["face"].strip().lower()
        if own["verdict"] not in ("", *VERDICTS):
            raise BadInput(
                f"line {number} of the sheet {file}: the verdict must be {', '.join(VERDICTS)} or nothing, got '{own['verdict'][:40]}'"
            )
        if own["face"] not in FACES:
            raise BadInput(
                f"line {number} of the sheet {file}: face must be yes, no or nothing, got '{own['face'][:40]}'"
            )
        if own["key"] in seen:
            raise BadInput(
                f"line {number} of the sheet {file} repeats the key '{own['key']}' of line {seen[own['key']]}; keep one of them"
            )
        seen[own["key"]] = number
        found.append(own)
    return found
