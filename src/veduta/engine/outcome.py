"""What became of the items of a source, one outcome each.

ingested: new; the row was added.
unchanged: offered as before, bytes and facts.
moved: the same bytes under another key or address; the row keeps its columns and has the new key, address and facts.
updated: other bytes under the same key, which no other row has; the row was replaced, and what was computed from the old ones
    is to be made again. What came from people or imports stays.
changed facts: the same bytes; label, captions, split, objects or own columns differ. They were renewed, and what is computed
    row by row from them is to be made again. What a person has changed in the pool since stays (`IngestReport.kept`).
back: marked as gone before, and offered again.
undecodable: read, and no image that can be decoded; the row says why.
unreadable: a new item whose bytes cannot be read now; its row says why, and the next run tries again.
duplicate key: the key was given before by this source, or the pool has this image with other facts from another source.

Rows of the pool that this source does not offer now:
gone: the source was listed and no longer has it; the row is marked. gone before: was marked by an earlier run.
away: a row (offered or not) whose file, folder, server or annotations cannot be reached now; nothing about it was changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_PROBLEMS = 1000
GONE, GONE_BEFORE, AWAY = "gone", "gone before", "away"


@dataclass
class IngestReport:
    """What became of every item: counts by outcome, and the first problems by key, outcome and reason.

    changed: how many rows have a renewed value, by column. untold: how many rows keep a value that the source no longer tells,
    by column, and "" for all such rows. kept: (key, column, what the source says) where the source changed
    what a person had changed in the pool. skipped: files of the source that are not images.
    unread: files, lines and pages of the source that should have been readable and are not; none of them is a row. told: what
    was read as what, as `readers.told.facts` gives it. remarks: sentences about the source as a whole.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    untold: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[str, str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    offered: int = 0
    seconds: float = 0.0

    def add(self, key: str, outcome: str, reason: str = "") -> None:
        """Count one item that the source offered."""
        self.offered += 1
        self.absent(key, outcome, reason)

    def keeps(self, columns: Sequence[str]) -> None:
        """Count one row that keeps what the source no longer tells in these columns, if there are any."""
        self.untold.update(["", *columns] if columns else [])

    def absent(self, key: str, outcome: str, reason: str = "", rows: int = 1) -> None:
        """Count rows of the pool that the source did not offer."""
        self.outcomes[outcome] += rows
        if reason and len(self.problems) < MOST_PROBLEMS:
            self.problems.append((key, outcome, reason))
