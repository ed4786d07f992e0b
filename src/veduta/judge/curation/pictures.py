"""What a judgement shows: the chart of the arms, and what each of them kept and left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.judge import drawn, words
from veduta.judge.curation.arms import RANDOM, Arm, reasons
from veduta.judge.pictures import Picture
from veduta.judge.report import Report
from veduta.judge.thumbnails import fill

if TYPE_CHECKING:
    from veduta.judge.curation.measure import Judged
    from veduta.pool import View

SHOWN = 24
REASONS = 8


def forest(judged: Judged) -> Any:
    """Scores on the left, differences to random of the same size on the right; one line an arm, the best above."""
    from matplotlib.figure import Figure

    names = sorted(judged.scores.names, key=judged.scores.mean)
    found = {each.arm: each for each in judged.differences.get(RANDOM, [])}
    made = Figure(figsize=(8.2, 1.2 + 0.42 * len(names)), layout="constrained")
    panels = made.subplots(1, 2 if found else 1, sharey=True, squeeze=False)[0]
    for axes in panels:
        drawn.styled(axes)
        axes.grid(axis="x", alpha=0.25)
    for i, name in enumerate(names):
        low, high = np.clip(judged.scores.interval(name), 0, 1)
        colour = drawn.ACCENT if judged.arm(name).chosen is not None else drawn.QUIET
        panels[0].plot([100 * low, 100 * high], [i, i], color=colour, linewidth=2.5, alpha=0.5, solid_capstyle="round")
        panels[0].plot(
            100 * judged.scores.values[name], [i] * len(judged.scores.values[name]), ".", color=colour, markersize=4
        )
        panels[0].plot(100 * judged.scores.mean(name), i, "o", color=colour, markersize=6)
        if name in found:
            gap = found[name]
            tone = (drawn.ACCENT if gap.value > 0 else drawn.BAD) if gap.shown else drawn.QUIET
            panels[1].plot(
                [100 * gap.low, 100 * gap.high], [i, i], color=tone, linewidth=2.5, alpha=0.5, solid_capstyle="round"
            )
            panels[1].plot(100 * gap.value, i, "o", color=tone, markersize=6)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_xlabel(f"{judged.metric}, %")
    if found:
        panels[1].axvline(0, color=drawn.INK, linewidth=0.8, linestyle=":")
        panels[1].set_xlabel("minus random of the same size, points")
    return made


def kept_and_left(page: Report, judged: Judged, pool: View) -> None:
    """For each arm that somebody made: why rows were left out, and up to 24 pictures of each kind."""
    section = page.section("What each arm kept and left out")
    pictures: list[Picture] = []
    for arm in judged.arms:
        chosen = arm.chosen
        if chosen is None:
            continue
        section.heading(arm.name, f"{words.count(len(arm), 'row')} to train on, of {int(judged.exam.eligible.sum()):,}")
        told = list(reasons(arm, judged.exam).items())
        rows = [{"reason": why or "no reason recorded", "rows": count} for why, count in told[:REASONS]]
        if len(told) > REASONS:
            rows.append(
                {"reason": f"{len(told) - REASONS} other reasons", "rows": sum(count for _, count in told[REASONS:])}
            )
        if rows:
            section.table(rows, title="Why rows were left out", note="… stands for numbers and names.")
        out = np.flatnonzero(~chosen.keep & judged.exam.eligible)
        kept = [Picture(label, row=row) for label, row in _some(pool, arm, arm.draws[0])]
        gone = [
            Picture(label, row=row, lines=[str(chosen.reasons[row].as_py())]) for label, row in _some(pool, arm, out)
        ]
        if kept:
            section.images(kept, title=f"Kept, {len(kept)} drawn at random")
        if gone:
            section.images(gone, title=f"Left out, {len(gone)} drawn at random")
        pictures += [*kept, *gone]
    if pictures:
        fill(pool, pictures)


def _some(pool: View, arm: Arm, rows: NDArray[np.int64]) -> list[tuple[str, int]]:
    """Up to 24 of the rows, in their order, each with its label in short."""
    if len(rows) > SHOWN:
        rows = np.sort(np.random.default_rng([0, len(rows)]).choice(rows, SHOWN, replace=False))
    labels = pool.take(rows, [arm.column]).column(0).to_pylist()
    return [(_short(label), int(row)) for label, row in zip(labels, rows, strict=True)]


def _short(value: Any) -> str:
    text = "no label" if value in (None, []) else str(value[0] if isinstance(value, list) else value)
    return text if len(text) <= 40 else text[:39] + "…"
