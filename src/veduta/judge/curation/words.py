"""What a judgement says, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veduta.judge import words
from veduta.judge.curation.arms import EVERYTHING, RANDOM

if TYPE_CHECKING:
    from veduta.judge.curation.compare import Difference
    from veduta.judge.curation.measure import Judged

TO = {RANDOM: "random of its size", EVERYTHING: "everything"}


def points(value: float) -> str:
    """0.0314 -> "3.1 points"; tenths, or hundredths below one."""
    size = abs(100 * value)
    return f"{size:.2f} points" if size < 0.995 else f"{size:.1f} points"


def against(found: Difference, to: str) -> str:
    """Better, worse, or nothing to be seen, and how small a difference could have been seen."""
    if not found.shown and not found.least:
        return f"as right as {to} on every test row"
    if not found.shown:
        return (
            f"no difference to {to} that these rows and seeds can show (it would have had to be {points(found.least)}; "
            f"measured {100 * found.value:+.1f}, 95 %: {100 * found.low:+.1f} to {100 * found.high:+.1f})"
        )
    which = "better" if found.value > 0 else "worse"
    return f"{which} than {to} by {points(found.value)} (95 %: {100 * found.low:+.1f} to {100 * found.high:+.1f})"


def brief(found: Difference | None) -> str:
    """One or two words for a table."""
    if found is None:
        return "not compared"
    return ("better" if found.value > 0 else "worse") if found.shown else "not shown"


def verdict(judged: Judged) -> str:
    """The whole judgement in one or two sentences."""
    found = judged.differences.get(RANDOM, [])
    if not found:
        best = max(
            (arm.name for arm in judged.arms if arm.chosen is not None and arm.name in judged.right),
            key=judged.scores.mean,
        )
        return (
            f"'{best}' has the best score, {judged.scores.mean(best):.1%}; nothing was compared with random selection."
        )
    better = sorted((each for each in found if each.shown and each.value > 0), key=lambda each: -each.value)
    worse = [each.arm for each in found if each.shown and each.value < 0]
    open_ = [each.arm for each in found if not each.shown]
    parts = []
    if better:
        said = [f"'{each.arm}' by {points(each.value)}" for each in better]
        parts.append(f"Better than random selection of the same size: {', '.join(said)}")
    if worse:
        parts.append(("worse" if parts else "Worse than random selection of the same size") + f": {_named(worse)}")
    if open_:
        least = max(each.least for each in found if not each.shown)
        seen = f" (one of {points(least)} would have been seen)" if least else ""
        parts.append(f"{'no' if parts else 'No'} difference that these rows and seeds can show: {_named(open_)}{seen}")
    return "; ".join(parts) + "."


def _named(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def left(reasons: dict[str, int]) -> str:
    """Reasons with their counts."""
    return "; ".join(f"{words.number(count)} {why}" for why, count in reasons.items())
