"""A preview: what would become of a source, before anything is read into a pool."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from veduta.pool.readers import open_source
from veduta.pool.readers.told import Tally, facts, lines

# A preview ends after so many items or seconds, whichever comes first, and says so.
MOST_ITEMS = 50_000
MOST_SECONDS = 20.0


@dataclass(frozen=True)
class Preview:
    """What a source was recognised as, what it holds, and its first rows as they would be.

    facts: see `told.facts`, as JSON holds them. rows: {"key", core fields, own columns} without the image's bytes.
    whole: whether the source was seen to its end; otherwise the counts are those of its first items.
    """

    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    whole: bool

    @property
    def lines(self) -> list[str]:
        """The facts in words, a line each."""
        seen = [] if self.whole else [f"preview: the first {self.facts['rows']:,} items only"]
        return [*lines(self.facts), *seen]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def look(source: Any, *, format: str | None = None, rows: int = 5, **options: Any) -> Preview:
    """What would become of `source`: the layout and why, labels, boxes, captions, splits, the first rows, doubts.

    source, format, options: as `open_source` takes them. rows: how many first rows to show.
    No pixel is decoded and no pool is made. Stops after 50,000 items or 20 seconds.
    """
    reader = open_source(source, format, **options)
    tally, first, whole = Tally(), list[dict[str, Any]](), True
    end = time.monotonic() + MOST_SECONDS
    for item in reader.items():
        if tally.rows >= MOST_ITEMS or time.monotonic() > end:
            whole = False
            break
        tally.add(item.fields)
        if len(first) < rows:
            first.append({"key": item.key, **{k: v for k, v in item.fields.items() if v is not None}})
    return Preview(facts(reader, tally), first, whole)
