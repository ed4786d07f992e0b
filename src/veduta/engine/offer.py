"""What an ingest hands to its workers, and what comes back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from veduta.pool import Item


@dataclass(slots=True)
class Offer:
    """An item whose bytes must be read, and the row that it is compared with.

    key: under which it goes into the pool. row: -1 where the pool does not know the key. foreign: that row came from another
    source. narrow: that row is of a wider source, whose key and facts it keeps. sparse: a second source of the same file, or
    one that could be read in part only, whose silence says nothing. settled: it becomes a row, in the place of `row` if there
    is one, whatever the pool has.
    """

    item: Item
    key: str
    stamp: str
    row: int = -1
    foreign: bool = False
    narrow: bool = False
    sparse: bool = False
    settled: bool = False


@dataclass(slots=True)
class Found:
    """An item that became no row (yet).

    same: `offer.row` has its bytes; facts: what the source says otherwise now, by column. copy: some row has its bytes, under
    another key. differs: the row that it is compared with has other bytes. Of these two, facts is all that the source says.
    away: it cannot be read now, and its row stays as it is. still: it cannot be read or decoded, as before. untold: columns
    that keep what the source no longer tells.
    """

    kind: Literal["same", "copy", "differs", "away", "still"]
    offer: Offer
    digest: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    kept: list[tuple[str, Any]] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass(slots=True)
class Done:
    """What became of one batch: its rows, the keys of rows that they replace, outcomes (key, outcome, reason), and the rest.

    counts: what was decided, moved or left out of the pictures, in words. given: how many replaced rows keep a value that
    cannot be made again, by column. untold: of each row that is replaced and keeps what the source no longer tells, the columns.
    """

    rows: pa.RecordBatch
    replacing: list[str]
    outcomes: list[tuple[str, str, str]]
    found: list[Found]
    kept: list[tuple[str, str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    untold: list[list[str]] = field(default_factory=list)
