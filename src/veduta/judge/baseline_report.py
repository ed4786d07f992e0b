"""The report of `Baseline`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import words
from veduta.judge.report import Card, Picture, Report
from veduta.learn import linear

if TYPE_CHECKING:
    from veduta.judge.baseline import Arm, Baseline, Measured
    from veduta.pool import View

SHOWN = 24


def report(asked: Baseline, found: Measured, pool: View) -> Report:
    """Arms side by side, the classes, what is confused, the surest mistakes, and how to use the head."""
    own = [arm for arm in found.arms if arm.name.startswith("embedding")]
    best = max(own, key=lambda arm: arm.value)
    rivals = [arm for arm in found.arms if arm.name in asked.handmade]
    rival = max(rivals, key=lambda arm: arm.value) if rivals else None
    page = Report(f"Baseline for '{asked.target}'", subtitle=str(getattr(pool, "path", "")))
    page.verdict = _verdict(best, rival, found.metric)
    page.tone = "good" if rival is None or best.value > rival.value else "warn"
    page.cards = [
        Card(
            f"{best.value:.1%}",
            f"{found.metric}: {best.name}",
            f"95 %: {best.interval[0]:.1%} to {best.interval[1]:.1%}",
        ),
        *([Card(f"{rival.value:.1%}", f"{found.metric}: {rival.name}", "best hand-made")] if rival else []),
        Card(len(found.train), "training rows"),
        Card(len(found.test), "test rows"),
        Card(len(found.targets.classes), "classes" if found.targets.exclusive else "labels"),
    ]
    page.section("Arms").table(
        [
            {
                "arm": arm.name, found.metric: arm.value, "from": arm.interval[0], "to": arm.interval[1],
                "chosen": ", ".join(f"{k} {words.number(v)}" for k, v in arm.chosen.items()), "time": arm.seconds,
            }
            for arm in found.arms
        ],
        columns={found.metric: "percent", "from": "percent", "to": "percent", "time": "seconds"},
        note=f"Split: {found.facts['split']}. Everything was fitted on the training rows only; from and to: 95 % interval.",
    )  # fmt: skip
    page.section("Classes").table(_classes(found, best, rival), columns={best.name: "percent", "hand-made": "percent"})
    if found.targets.exclusive:
        _mistakes(page, found, best, pool)
    _next_steps(page, asked, found, pool)
    page.facts = {**found.facts, "parameters": asked.parameters(), "head": str(found.head_file or "")}
    return page


def _verdict(best: Arm, rival: Arm | None, metric: str) -> str:
    said = f"Frozen features reach {best.value:.1%} {metric}"
    if rival is None:
        return said + "."
    gap = 100 * (best.value - rival.value)
    return (
        f"{said}, {abs(gap):.1f} points {'above' if gap >= 0 else 'below'} the best hand-made features ({rival.name})."
    )


def _classes(found: Measured, best: Arm, rival: Arm | None) -> list[dict[str, Any]]:
    truth = found.targets.matrix[found.test]
    trained = found.targets.matrix[found.train].sum(0)
    values = {best.name: _by_class(best.scores, truth, exclusive=found.targets.exclusive)}
    if rival is not None:
        values["hand-made"] = _by_class(rival.scores, truth, exclusive=found.targets.exclusive)
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(found.targets.classes):
        row: dict[str, Any] = {"class": name, "training rows": int(trained[i]), "test rows": int(truth[:, i].sum())}
        rows.append(row | {arm: float(per_class[i]) for arm, per_class in values.items()})
    return sorted(rows, key=lambda row: (np.isnan(row[best.name]), row[best.name]))


def _by_class(scores: np.ndarray, truth: np.ndarray, *, exclusive: bool) -> np.ndarray:
    """Recall of each class, or average precision of each label; NaN where the test rows have none."""
    if not exclusive:
        return linear.average_precision(scores, truth)
    right = truth[np.arange(len(truth)), scores.argmax(1)]
    counts = truth.sum(0)
    return np.where(counts > 0, (truth & right[:, None]).sum(0) / np.maximum(counts, 1), np.nan)


def _mistakes(page: Report, found: Measured, best: Arm, pool: View) -> None:
    given = found.targets.matrix[found.test].argmax(1)
    said = best.scores.argmax(1)
    wrong = np.flatnonzero(given != said)
    if not len(wrong):
        return
    names = found.targets.classes
    pairs, counts = np.unique(np.column_stack([given[wrong], said[wrong]]), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:15]
    section = page.section("Mistakes")
    section.bars(
        "Most confused",
        [(f"{names[a]} taken for {names[b]}", int(n)) for (a, b), n in zip(pairs[order], counts[order])],
    )
    margins = best.scores[wrong, said[wrong]] - best.scores[wrong, given[wrong]]
    surest = wrong[np.argsort(-margins, kind="stable")[:SHOWN]]
    keys = pool.take(found.pool_rows[found.test[surest]], ["key"]).column(0).to_pylist()
    pictures = [
        Picture(caption=names[given[i]], lines=[(f"taken for {names[said[i]]}", "bad")], facts={"key": key}, row=int(found.pool_rows[found.test[i]]))
        for i, key in zip(surest, keys, strict=True)
    ]  # fmt: skip
    from veduta.judge.thumbnails import fill

    fill(pool, pictures)
    section.images(
        pictures, title="Surest mistakes", note="Some of these may be wrong labels rather than wrong predictions."
    )


def _next_steps(page: Report, asked: Baseline, found: Measured, pool: View) -> None:
    path = getattr(pool, "path", "POOL")
    section = page.section("Next")
    if found.head_file is not None:
        section.commands(
            [(f"veduta annotate apply-head {path} --head {found.head_file}", "label every row with this classifier")]
        )
    if not asked.augment:
        section.commands(
            [(f"veduta judge baseline {path} --target {asked.target} --augment 16", "average the scores of 16 views")]
        )
