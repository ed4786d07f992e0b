"""The report of `judge label-efficiency`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from veduta.judge import drawn, words
from veduta.judge.label_efficiency import as_facts
from veduta.judge.report import Card, Report

if TYPE_CHECKING:
    from veduta.judge.efficiency import Point
    from veduta.judge.label_efficiency import Curves, LabelEfficiency
    from veduta.pool import View

SAID = {"accuracy": "accuracy", "auc": "area under the ROC curve"}


def report(asked: LabelEfficiency, curves: Curves, pool: View) -> Report:
    """The curves, the figures behind them, and from how many labels on one column reaches what another needs all for."""
    page = Report(f"Labels needed for '{asked.target}'", subtitle=str(getattr(pool, "path", "")))
    what = SAID[curves.metric]
    best = max(curves.points, key=lambda name: curves.points[name][-1].mean)
    first, last = curves.points[best][0], curves.points[best][-1]
    page.verdict = f"'{best}' reaches {last.mean:.1%} {what} with {last.labels:,} labels" + (
        f" and {first.mean:.1%} with {first.labels:,}." if first is not last else "."
    )
    page.cards = [
        Card(f"{points[-1].mean:.1%}", f"{name}, {points[-1].labels:,} labels", _interval(points[-1]))
        for name, points in curves.points.items()
    ]
    section = page.section("Curves")
    section.figure(
        picture(curves.points, what),
        alt=f"{what} on test rows against the number of labels; '{best}' is best with the most",
        caption="Bands: 95 % intervals.",
    )
    saved = savings(curves.points)
    if saved:
        section.text("\n".join(f"- {line}" for line in saved))
    page.section("Figures").table(
        [
            {
                "features": name, "share": point.fraction, "labels": point.labels, what: point.mean, "from": point.low,
                "to": point.high, "interval over": point.over, "draws": len(point.values),
                "C": ", ".join(f"{c:g}" for c in sorted(set(point.C))),
            }
            for name, points in curves.points.items()
            for point in points
        ],
        columns={"share": "percent", what: "percent", "from": "percent", "to": "percent"},
        note=f"{asked.classifier} on frozen features; C chosen on the drawn rows alone. Split: {curves.facts['split']}; "
        f"{words.count(curves.facts['test'], 'test row')}, {words.count(curves.facts['classes'], 'class', 'classes')}; "
        f"{words.count(curves.facts['skipped'], 'row')} without a label or one of the columns left out.",
    )  # fmt: skip
    page.facts = {
        **curves.facts, "parameters": asked.parameters(), "metric": curves.metric, "curves": as_facts(curves),
    }  # fmt: skip
    return page


def savings(curves: dict[str, list[Point]]) -> list[str]:
    """For each two columns, from how many labels on the first reaches what the second has with the most; if fewer."""
    lines = []
    for name, points in curves.items():
        for other, theirs in curves.items():
            goal = theirs[-1]
            enough = next((point for point in points if point.mean >= goal.mean), None)
            if name != other and enough is not None and enough.labels < goal.labels:
                lines.append(
                    f"**{name}** reaches with {enough.labels:,} labels ({enough.mean:.1%}) what **{other}** needs "
                    f"{goal.labels:,} for ({goal.mean:.1%})."
                )
    return lines


def picture(curves: dict[str, list[Point]], what: str) -> Any:
    """The curves over a logarithmic axis of labels."""
    made, axes = drawn.figure(6.0, 3.8)
    for i, (name, points) in enumerate(curves.items()):
        colour, labels = drawn.SERIES[i % len(drawn.SERIES)], [point.labels for point in points]
        axes.fill_between(
            labels, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.15, linewidth=0
        )
        axes.plot(labels, [p.mean for p in points], color=colour, marker="o", markersize=5, label=name)
        for point in points:
            axes.plot([point.labels] * len(point.values), point.values, ".", color=colour, alpha=0.35, markersize=4)
    axes.set(xscale="log", xlabel="labels", ylabel=what)
    ticks = sorted({point.labels for points in curves.values() for point in points})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return made


def _interval(point: Point) -> str:
    return f"95 %: {point.low:.1%} to {point.high:.1%}, over {point.over}"
