"""What a reader could not offer as an item, by name: bounded lists and exact counts."""

from __future__ import annotations

from collections import Counter

# Names kept of each kind; the counts go on.
MOST = 1000


class Notes:
    """skipped: files that are no images; problems: what should have been readable and is not; warnings: oddities in
    what was read; counts: everything, exactly."""

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []
        self.problems: list[tuple[str, str]] = []
        self.warnings: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()

    def clear(self) -> None:
        """Forget everything; the lists stay the same objects."""
        self.skipped.clear()
        self.problems.clear()
        self.warnings.clear()
        self.counts.clear()

    def skip(self, name: str, reason: str) -> None:
        """A file that is not offered, and rightly so."""
        self.counts["skipped"] += 1
        if len(self.skipped) < MOST:
            self.skipped.append((name, reason))

    def problem(self, name: str, reason: str) -> None:
        """Something that the source promised and that cannot be read."""
        self.counts["problems"] += 1
        if len(self.problems) < MOST:
            self.problems.append((name, reason))

    def warn(self, name: str, reason: str) -> None:
        """Something odd in what was read."""
        self.counts["warnings"] += 1
        if len(self.warnings) < MOST:
            self.warnings.append((name, reason))

    def count(self, what: str, number: int = 1) -> None:
        """Something that was mended on the way, such as a clipped box."""
        self.counts[what] += number
