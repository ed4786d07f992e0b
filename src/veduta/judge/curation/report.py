"""The report of `judge curation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import words
from veduta.judge.curation.arms import EVERYTHING, RANDOM, Arm
from veduta.judge.curation.axes import as_facts
from veduta.judge.curation.measure import BATCH, facts
from veduta.judge.curation.pictures import forest, kept_and_left
from veduta.judge.curation.words import TO, against, brief, left, verdict
from veduta.judge.report import Card, Report, Section

if TYPE_CHECKING:
    from veduta.judge.curation.axes import Axis
    from veduta.judge.curation.measure import Judged
    from veduta.judge.curation.operation import Curation
    from veduta.pool import View

MOST_CLASSES = 30


def report(asked: Curation, judged: Judged, pool: View) -> Report:
    """Verdicts, the chart, the axes, what each arm kept and left out, and what it cost."""
    page = Report(f"Ways of curating, by {judged.metric}", subtitle=str(getattr(pool, "path", "")))
    page.verdict = verdict(judged)
    shown = [each for each in judged.differences.get(RANDOM, []) if each.shown]
    page.tone = "good" if any(each.value > 0 for each in shown) else "bad" if shown else "warn"
    page.cards = _cards(judged)
    _verdicts(page, judged)
    _done(page, asked, judged)
    if judged.axes.axes or judged.axes.missing:
        _axes(page, asked, judged)
    if judged.axes.stats:
        _statistics(page, asked, judged)
    kept_and_left(page, judged, pool)
    _cost(page, judged)
    page.facts = {
        "parameters": asked.parameters(), "arms": facts(judged), "metric": judged.metric, "chance": judged.chance,
        "test_rows": len(judged.exam.rows), "classes": len(judged.exam.names), "batch": judged.batch, "leaks": judged.leaked,
        "axes": as_facts(judged.axes), "folder": str(judged.folder), "bytes": judged.bytes,
    }  # fmt: skip
    return page


def _cards(judged: Judged) -> list[Card]:
    cards = []
    for arm in judged.arms:
        if arm.name in judged.outcome:
            cards.append(Card("–", arm.name, judged.outcome[arm.name][:80], "bad"))
            continue
        found = judged.difference(arm.name, RANDOM)
        tone = ("good" if found.value > 0 else "bad") if found is not None and found.shown else ""
        note = f"{len(arm):,} rows" + (f"; {brief(found)} against random" if found is not None else "")
        cards.append(Card(f"{judged.scores.mean(arm.name):.1%}", arm.name, note, tone))
    return cards


def _verdicts(page: Report, judged: Judged) -> None:
    section = page.section("Verdicts")
    lines, rows = [], []
    for arm in judged.arms:
        if arm.name in judged.outcome:
            lines.append(f"- **{arm.name}** {judged.outcome[arm.name]}.")
            rows.append({"arm": arm.name, "rows": len(arm), "verdict": judged.outcome[arm.name]})
            continue
        low, high = judged.scores.interval(arm.name)
        mean = judged.scores.mean(arm.name)
        row: dict[str, Any] = {
            "arm": arm.name, "rows": len(arm),
            f"{judged.metric} (95 %)": f"{mean:.1%} ({max(0.0, low):.1%} to {min(1.0, high):.1%})",
        }  # fmt: skip
        said = []
        for to in judged.differences:
            found = judged.difference(arm.name, to)
            told = (
                None
                if found is None
                else f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
            )
            row[f"minus {to}"] = told if found is None or found.shown else f"{told}, not shown"
            if found is not None and to != "reference":
                said.append(against(found, TO[to]))
        if said:
            lines.append(f"- **{arm.name}**: {'; '.join(said)}.")
        rows.append(row)
    section.text("\n".join(lines))
    section.table(
        rows,
        note="Differences are in points. Better and worse are claimed where the adjusted p is at most 0.05 over all arms (Holm); "
        "the intervals are those of one difference.",
    )
    section.figure(
        forest(judged),
        alt="Score of each arm with its 95 % interval, and its difference to random selection of the same size",
        caption="Left: score; dots are single seeds. Right: difference to random selection of the same size, in points. Bars: 95 %.",
    )


def _done(page: Report, asked: Curation, judged: Judged) -> None:
    section = page.section("What was done")
    trained = {
        "classify": f"a network trained from scratch for {asked.steps:,} steps of {judged.batch:,} images",
        "pairs": f"two heads on stored vectors, trained for {asked.steps:,} steps of {judged.batch:,} pairs",
        "probe": "a linear classifier on stored vectors, fitted to its optimum",
    }[asked.task]
    classes = f" of {words.count(len(judged.exam.names), 'class', 'classes')}" if judged.exam.names else ""
    seeds = words.count(asked.seeds, "seed")
    section.text(
        f"Each arm got {trained}, with {seeds}, and was tested on the same {words.count(len(judged.exam.rows), 'row')}{classes} "
        f"({asked.test}). Guessing scores {judged.chance:.1%}. A random arm is drawn anew with each seed."
    )
    for note in judged.notes:
        section.note(note, "warn")
    if asked.seeds == 1:
        section.note(
            "One seed: the intervals know the test rows only, not how much another seed would have changed; say --seeds 3.",
            "warn",
        )
    wanted = int(asked.training.get("batch", BATCH))
    if asked.task != "probe" and judged.batch < wanted:
        section.note(
            f"The batch is {judged.batch:,} in the place of {wanted:,} for all arms, because the smallest arm has no more rows; leave "
            "that arm out to train with the larger one.",
            "warn",
        )
    total = {why: count for why, count in judged.leaked.items() if count}
    if total:
        section.note(f"Rows that show a test image were kept out of all arms: {left(total)}.", "warn")
    rows = [
        {"arm": arm.name, "rows left aside": count, "because": why}
        for arm in judged.arms
        for why, count in arm.left.items()
    ]
    if rows:
        section.table(rows, title="What arms contain and was not trained on")


def _axes(page: Report, asked: Curation, judged: Judged) -> None:
    section = page.section("Axes")
    base = {"base": judged.scores, **{axis.name: axis.scores for axis in judged.axes.axes if axis.scores is not None}}
    rows = []
    for arm in judged.arms:
        if arm.name in judged.right:
            rows.append({"arm": arm.name} | {name: scores.mean(arm.name) for name, scores in base.items()})
    kinds: Any = dict.fromkeys(base, "percent")
    section.table(rows, columns=kinds, title="Mean of each axis")
    if asked.reference in judged.scores.names:
        _against_reference(section, str(asked.reference), judged)
    for axis in judged.axes.axes:
        _tasks(section, axis)
    for name, why in judged.axes.missing.items():
        section.note(f"The axis {name} was not measured: {why}.", "warn")


def _against_reference(section: Section, reference: str, judged: Judged) -> None:
    differences = {"base": judged.differences.get("reference", [])}
    differences |= {axis.name: axis.against for axis in judged.axes.axes if axis.scores is not None}
    rows = []
    for arm in judged.arms:
        if arm.name not in judged.right or arm.name == reference:
            continue
        row: dict[str, Any] = {"arm": arm.name}
        for name, own in differences.items():
            found = next((each for each in own if each.arm == arm.name), None)
            if found is not None:
                mark = " *" if found.shown else ""
                row[name] = f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}){mark}"
        rows.append(row)
    section.table(
        rows,
        title=f"Minus '{reference}', in points",
        note="* shown, adjusted for the number of arms; in brackets 95 %.",
    )


def _tasks(section: Section, axis: Axis) -> None:
    said = {
        "ood": "Test images under corruptions, of which there are levels from 1 to 5 (Hendrycks and Dietterich 2019).",
        "transfer": "A linear classifier on what each network sees of another pool.",
        "knn": "Each arm as the memory of a weighted vote of nearest neighbours in the stored embedding.",
    }[axis.name]
    section.heading(axis.name, said)
    if axis.broken:
        lines = [f"- {name}: {why}." for name, why in axis.broken.items()]
        section.note("Left out of the mean:\n\n" + "\n".join(lines), "warn")
    rows = []
    for task in axis.tasks:
        own: dict[str, Any] = {"task": task.name + (" (left out)" if task.name in axis.broken else "")}
        rows.append(own | {arm: round(float(right.mean(0) @ task.weight), 9) for arm, right in task.right.items()})
    kinds: Any = dict.fromkeys([name for name in rows[0] if name != "task"], "percent")
    section.table(rows, columns=kinds)


def _statistics(page: Report, asked: Curation, judged: Judged) -> None:
    section = page.section("Statistics")
    rows = []
    for name, found in judged.axes.stats.items():
        row = {
            "arm": name, "rows": found["rows"], "classes covered": found.get("classes_covered"),
            f"classes below {asked.few}": found.get("few"), "rows in the largest 5 % of classes": found.get("top_share"),
            "labels that are wrong": found.get("label_noise"), "CMMD to the test rows": found.get("cmmd"),
        }  # fmt: skip
        rows.append({key: value for key, value in row.items() if any_known(judged, key, value)})
    kinds: Any = {"rows in the largest 5 % of classes": "percent", "labels that are wrong": "percent"}
    section.table(
        rows, columns=kinds,
        note="CMMD: maximum mean discrepancy in the stored embedding, times 1,000; the lower, the more alike. It compares within one "
        "embedding only.",
    )  # fmt: skip
    for name, found in judged.axes.stats.items():
        missing = found.get("missing", [])
        if missing:
            more = f" and {len(missing) - 12} more" if len(missing) > 12 else ""
            section.note(
                f"'{name}' has no row of {words.count(len(missing), 'class', 'classes')}, which count with recall 0: "
                f"{'; '.join(missing[:12])}{more}.",
                "warn",
            )
    counts = {name: found["counts"] for name, found in judged.axes.stats.items() if "counts" in found}
    if counts:
        _balance(section, counts)


def any_known(judged: Judged, key: str, value: Any) -> bool:
    """A column that no arm has a value for is left out."""
    of = {"labels that are wrong": "label_noise", "CMMD to the test rows": "cmmd", "classes covered": "classes_covered"}
    if key not in of:
        return value is not None
    return any(found.get(of[key]) is not None for found in judged.axes.stats.values())


def _balance(section: Section, counts: dict[str, dict[str, int]]) -> None:
    first = next(iter(counts.values()))
    names = list(first)
    if len(names) > MOST_CLASSES:
        spread = {name: np.ptp([own[name] / max(1, sum(own.values())) for own in counts.values()]) for name in names}
        names = sorted(names, key=lambda name: -spread[name])[:MOST_CLASSES]
    said = "" if len(names) == len(first) else f" (the {MOST_CLASSES} on which the arms differ most)"
    section.table(
        [{"class": name} | {arm: own[name] for arm, own in counts.items()} for name in names],
        title=f"Rows of each class{said}",
    )


def _cost(page: Report, judged: Judged) -> None:
    section = page.section("What it cost")
    rows = []
    for arm in judged.arms:
        made = arm.seconds if arm.kind not in (RANDOM, EVERYTHING) else 0.0
        rows.append(
            {
                "arm": arm.name, "rows to label and keep": len(arm), "curation": made,
                "one training": judged.seconds.get(arm.name), "decided by": _origin(arm),
            }
        )  # fmt: skip
    kinds: Any = {"curation": "seconds", "one training": "seconds"}
    section.table(
        rows, columns=kinds,
        note="Curation: wall time of the runs that made the selection and every column that it read, embeddings included, from the "
        "pool's records.",
    )  # fmt: skip
    section.text(
        f"The networks and outputs of this and earlier judgements are in `{judged.folder}` ({words.size(judged.bytes)}). With them "
        "the same command, or one with an arm more, makes nothing twice; remove the folder at any time."
    )
    section.commands([(f"rm -r {judged.folder}", "remove what judgements trained")])


def _origin(arm: Arm) -> str:
    return {"recipe": "its recipe", "selection": "a stored selection", RANDOM: "chance", EVERYTHING: "nobody"}[arm.kind]
