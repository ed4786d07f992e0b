"""What a report is made of: plain data, which the page template draws and the JSON keeps.

Every item has a `kind` (the name of its template macro) and `facts()`, everything it says without any pixels.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from veduta.judge import words

Tone = Literal["", "good", "bad", "warn", "info"]
Column = Literal["text", "code", "number", "percent", "bytes", "seconds", "bar", "date"]
_RIGHT = ("number", "percent", "bytes", "seconds")


def plain(value: Any) -> Any:
    """`value` as JSON knows it: numpy and Arrow scalars unpacked, NaN and infinity as null, the rest as text."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (Sequence, set, np.ndarray)):
        return [plain(entry) for entry in value]
    return str(value)


def shown(value: Any, column: Column = "text") -> str:
    """`value` as a table shows it."""
    value = plain(value)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        if column == "percent":
            return words.share(value, 1)
        return {"bytes": words.size, "seconds": words.duration}.get(column, words.number)(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={shown(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(shown(entry) for entry in value)
    return value


@dataclass(slots=True)
class Text:
    """Paragraphs in markdown-lite: blank lines part paragraphs, "- " starts a bullet, **bold**, `code`."""

    kind: ClassVar[str] = "text"
    text: str

    def facts(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(slots=True)
class Note:
    """A boxed remark."""

    kind: ClassVar[str] = "note"
    text: str
    tone: Tone = "info"

    def facts(self) -> dict[str, Any]:
        return {"text": self.text, "tone": self.tone}


@dataclass(slots=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str
    aside: str = ""

    def facts(self) -> dict[str, Any]:
        return {"text": self.text, "aside": self.aside}


@dataclass(slots=True)
class Commands:
    """Command lines to copy, each with what it does."""

    kind: ClassVar[str] = "commands"
    commands: list[tuple[str, str]]

    def facts(self) -> dict[str, Any]:
        return {"commands": [{"command": command, "does": does} for command, does in self.commands]}


@dataclass(slots=True)
class Card:
    """A key figure: a large value, what it counts, and a remark."""

    value: Any
    label: str
    note: str = ""
    tone: Tone = ""

    @property
    def shown(self) -> str:
        return shown(self.value)


@dataclass(slots=True)
class Cards:
    """Key figures side by side."""

    kind: ClassVar[str] = "cards"
    cards: list[Card]

    def facts(self) -> dict[str, Any]:
        return {"cards": [{"label": c.label, "value": plain(c.value), "note": c.note} for c in self.cards]}


@dataclass(slots=True)
class Table:
    """Rows under typed columns; the page shows the first `limit` rows and sorts them, the JSON has all that were given."""

    kind: ClassVar[str] = "table"
    title: str
    columns: dict[str, Column]
    rows: list[dict[str, Any]]
    note: str = ""
    limit: int = 200

    @classmethod
    def of(
        cls,
        data: pa.Table | Iterable[Mapping[str, Any]],
        *,
        title: str = "",
        columns: Mapping[str, Column] | None = None,
        note: str = "",
        limit: int = 200,
    ) -> Table:
        """Build from an Arrow table or dicts; kinds not given in `columns` are found from the values."""
        rows = data.to_pylist() if isinstance(data, pa.Table) else [dict(row) for row in data]
        names = data.column_names if isinstance(data, pa.Table) else list(dict.fromkeys(k for row in rows for k in row))
        kinds = {name: (columns or {}).get(name) or _column_of(row.get(name) for row in rows) for name in names}
        return cls(title, kinds, rows, note, limit)

    def right(self, name: str) -> bool:
        return self.columns[name] in _RIGHT

    def cells(self) -> Iterable[list[tuple[str, str, str, float]]]:
        """For each shown row and column: (kind, shown text, sort key, bar length in [0, 1])."""
        tops = {
            n: max((abs(r.get(n) or 0) for r in self.rows), default=0) or 1
            for n, k in self.columns.items()
            if k == "bar"
        }
        for row in self.rows[: self.limit]:
            cells = []
            for name, kind in self.columns.items():
                value = plain(row.get(name))
                numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
                sort = repr(value) if numeric else ""
                length = abs(value) / tops[name] if kind == "bar" and numeric else 0.0
                cells.append((kind, shown(value, kind), sort, length))
            yield cells

    def facts(self) -> dict[str, Any]:
        return {"title": self.title, "columns": list(self.columns), "rows": plain(self.rows), "note": self.note}


def _column_of(values: Iterable[Any]) -> Column:
    known = [plain(value) for value in values if value is not None]
    numeric = known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known if v is not None)
    return "number" if numeric else "text"
