"""What a reader has to tell about its source: bounded lists of names and exact counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

# Names kept of each kind; the counts go on.
MOST = 1000
EXAMPLES = 3
KINDS = 100
Hides = Literal["name", "all", "nothing"]


@dataclass(frozen=True, slots=True)
class Guess:
    """Something that the source does not say itself. option: how a user says otherwise, such as "--label-from none"."""

    what: str
    how: str
    option: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.how}" + (f" (otherwise: {self.option})" if self.option else "")


class Notes:
    """All that the command line, `--json`, the report and the app tell of a source, besides its rows.

    skipped: files that are not images; problems: what should have been readable and is not; warnings: oddities in what
    was read; counts: everything, exactly; aside: files and fields left aside, by kind, as (count, first names);
    guesses: what was decided without the source saying so. hidden: (name, reason) of what could not be seen, so that
    rows behind it are out of reach and not gone: a key, a folder (with all below it), or "" for anything in the source.
    """

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []
        self.problems: list[tuple[str, str]] = []
        self.warnings: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.aside: dict[str, tuple[int, list[str]]] = {}
        self.guesses: list[Guess] = []
        self.hidden: list[tuple[str, str]] = []

    def clear(self) -> None:
        """Forget everything that a pass over the items finds again; the lists stay the same objects, guesses stay."""
        self.skipped.clear()
        self.problems.clear()
        self.warnings.clear()
        self.counts.clear()
        self.aside.clear()
        self.hidden.clear()

    def snapshot(self) -> tuple[list, list, list, list, Counter[str], dict]:
        """All but the guesses, as it is now, for `restore`."""
        lists = list(self.skipped), list(self.problems), list(self.warnings), list(self.hidden)
        return *lists, self.counts.copy(), dict(self.aside)

    def restore(self, kept: tuple[list, list, list, list, Counter[str], dict]) -> None:
        """Forget what came after a `snapshot`, before another pass; guesses stay."""
        self.clear()
        for mine, old in zip((self.skipped, self.problems, self.warnings, self.hidden), kept[:4], strict=True):
            mine.extend(old)
        self.counts.update(kept[4])
        self.aside.update(kept[5])

    def skip(self, name: str, reason: str, kind: str = "") -> None:
        """A file or field that is left aside. kind: what it is, in the plural, where the reason does not group well."""
        self.counts["skipped"] += 1
        group = kind or reason
        if group not in self.aside and len(self.aside) >= KINDS:
            group = "of further kinds"
        number, names = self.aside.get(group, (0, []))
        self.aside[group] = (number + 1, names if len(names) >= EXAMPLES else [*names, name])
        if len(self.skipped) < MOST:
            self.skipped.append((name, reason))

    def guess(self, what: str, how: str, option: str = "") -> None:
        """A decision that the source did not state; said once."""
        found = Guess(what, how, option)
        if found not in self.guesses:
            self.guesses.append(found)

    def problem(self, name: str, reason: str, hides: Hides = "name") -> None:
        """Something that the source promised and that cannot be read.

        hides: what may be there unseen: the row of that key and the rows below that folder, anything, or nothing.
        """
        self.counts["problems"] += 1
        if hides != "nothing":
            everything = hides == "all" or len(self.hidden) >= MOST
            found = ("", reason if name in reason else f"{name}: {reason}") if everything else (name, reason)
            if len(self.hidden) <= MOST:
                self.hidden.append(found)
        if len(self.problems) < MOST:
            self.problems.append((name, reason))

    def warn(self, name: str, reason: str) -> None:
        """Something odd in what was read."""
        self.counts["warnings"] += 1
        if len(self.warnings) < MOST:
            self.warnings.append((name, reason))

    def count(self, what: str, number: int = 1) -> None:
        """Something that was mended, converted or dropped on the way, such as a clipped box."""
        self.counts[what] += number
