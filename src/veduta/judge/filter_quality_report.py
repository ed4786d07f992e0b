"""The report of `judge filter-quality`."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import shared
from veduta.judge import drawn, words
from veduta.judge.intervals import over_draws
from veduta.judge.report import Card, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.filter_quality import FilterQuality, Quality
    from veduta.pool import View

EXAMPLES = 12
SAID = {"filter": "what the filter keeps", "random": "as many at random", "everything": "the whole pool"}
WHY = """\
A filter is there to choose training data, so three questions are kept apart.

- **Induced models**: is a model that was trained from scratch on what the filter keeps better than one trained on as many random \
pairs? This alone says whether the filter is good.
- **Planted mismatches**: does its score tell right pairs from pairs whose captions were exchanged?
- **Its own retrieval**: how good is the filter itself as a model? This does **not** predict the first: Fang et al. (2024, figure 3) \
found filters that were 30 points worse on ImageNet than OpenAI's CLIP and chose as well."""


def report(asked: FilterQuality, found: Quality, pool: View) -> Report:
    """The verdict from the induced models, then the three measurements, what is kept, and what was left out."""
    page = Report(f"The filter '{asked.encoder}'", subtitle=str(getattr(pool, "path", "")))
    gap, low, high = found.gap("random")
    filtered, random = (float(np.mean(found.arm(name).values)) for name in ("filter", "random"))
    page.verdict = (
        f"Models trained on the {asked.keep:.0%} that the filter keeps reach {filtered:.1%} R@{asked.k}, on as many random pairs "
        f"{random:.1%}: {_difference(gap, low, high, asked.seeds)}."
    )
    page.tone = "good" if low > 0 else "bad" if high < 0 else "warn"
    there, back = found.own.text_to_image, found.own.image_to_text
    mean = (there.recall(asked.k) + back.recall(asked.k)) / 2
    page.cards = [
        Card(f"{100 * gap:+.1f}", f"points of R@{asked.k} over random pairs", f"95 %: {_points(low, high)}, {asked.seeds} seeds"),
        Card(_figure(found.auroc), "AUROC on planted mismatches", f"95 %: {_figure(found.interval[0])} to {_figure(found.interval[1])}"),
        Card(f"{mean:.1%}", f"R@{asked.k} of the filter itself", "says little about the choice"),
        Card(words.number(len(found.arm("filter").rows)), "pairs kept", f"of {len(found.pairs.rows):,}"),
    ]  # fmt: skip
    page.section("What is measured").text(WHY)
    arms = _arms(asked, found)
    page.section("Induced models").table(
        arms,
        columns={f"R@{asked.k}": "percent", "from": "percent", "to": "percent", "filter minus this": "percent", "at least": "percent",
                 "at most": "percent"},
        note=f"R@{asked.k} on {len(found.test.rows):,} test pairs ({found.facts['test']}), mean of both directions. Every model sees the "
        f"same {found.steps * found.batch:,} pairs, so a small set is seen more often. Heads on '{asked.features}' and on MiniLM's "
        f"text vectors, {asked.seeds} seeds; differences seed by seed; 95 % by Student's t.",
    ).figure(
        _seeds(asked, found), alt=f"R@{asked.k} of each induced model, by what it was trained on", caption="One dot a seed."
    )  # fmt: skip
    section = page.section("Planted mismatches")
    score, wrong = found.planted
    section.figure(
        _histogram(score, wrong),
        alt="Scores of right pairs and of pairs with exchanged captions",
        caption=f"{int((~wrong).sum()):,} right pairs, {int(wrong.sum()):,} with another one's captions.",
    )
    if found.known is not None:
        section.text(f"Against the column `{asked.truth}` of the pool itself the AUROC is **{found.known:.3f}**.")
    page.section("The filter as a retriever").table(
        [
            {"direction": name, f"R@{asked.k}": side.recall(asked.k), "by chance": side.by_chance(asked.k), "median rank": side.median()}
            for name, side in (("text to image", there), ("image to text", back))
        ],
        columns={f"R@{asked.k}": "percent", "by chance": "percent"},
        note="Not a measure of the filter; see above.",
    )  # fmt: skip
    _pictures(page, asked, found, pool)
    _rest(page, asked, found, pool)
    page.facts = {
        "parameters": asked.parameters(), "arms": arms, "auroc": found.auroc, "auroc_interval": found.interval, "auroc_known": found.known,
        "own": {"text_to_image": there.recall(asked.k), "image_to_text": back.recall(asked.k)}, "steps": found.steps, "batch": found.batch,
        **found.facts,
    }  # fmt: skip
    return page


def _difference(gap: float, low: float, high: float, seeds: int) -> str:
    said = f"{abs(100 * gap):.1f} points {'more' if gap >= 0 else 'less'} (95 %: {_points(low, high)})"
    return said if low > 0 or high < 0 else f"{said}, which {words.count(seeds, 'seed')} cannot tell from chance"


def _points(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _arms(asked: FilterQuality, found: Quality) -> list[dict[str, Any]]:
    rows = []
    for arm in found.arms:
        low, high = over_draws(arm.values)
        row: dict[str, Any] = {
            "trained on": SAID[arm.name], "pairs": len(arm.rows), "passes": round(arm.passes, 1), f"R@{asked.k}": float(np.mean(arm.values)),
            "from": max(0.0, low), "to": min(1.0, high),
        }  # fmt: skip
        if arm.name != "filter":
            row["filter minus this"], row["at least"], row["at most"] = found.gap(arm.name)
        rows.append(row)
    return rows


def _seeds(asked: FilterQuality, found: Quality) -> Any:
    made, axes = drawn.figure(5.6, 2.0)
    for i, arm in enumerate(reversed(found.arms)):
        colour = drawn.ACCENT if arm.name == "filter" else drawn.QUIET
        axes.plot(arm.values, [i] * len(arm.values), "o", color=colour, alpha=0.7)
        axes.plot([float(np.mean(arm.values))], [i], "|", color=colour, markersize=18)
    axes.set_yticks(range(len(found.arms)), [SAID[arm.name] for arm in reversed(found.arms)])
    axes.set(xlabel=f"R@{asked.k}", ylim=(-0.6, len(found.arms) - 0.4))
    return made


def _histogram(score: NDArray[np.float32], wrong: NDArray[np.bool_]) -> Any:
    made, axes = drawn.figure(5.6, 2.6)
    told = score[np.isfinite(score)]
    edges = np.linspace(float(told.min()), float(told.max()) + 1e-6, 31) if len(told) else np.linspace(-1, 1, 31)
    for part, name, colour in ((~wrong, "right", drawn.ACCENT), (wrong, "exchanged", drawn.BAD)):
        axes.hist(score[part & np.isfinite(score)], edges, color=colour, alpha=0.55, label=name)
    axes.set(xlabel="score", ylabel="pairs")
    axes.legend(frameon=False, fontsize=8)
    return made


def _pictures(page: Report, asked: FilterQuality, found: Quality, pool: View) -> None:
    """The best pairs, those on both sides of the cut, and the worst, with their texts."""
    order = np.argsort(-found.scores, kind="stable")
    kept, shown, section = len(found.arm("filter").rows), [], page.section("What it keeps and leaves out")
    parts = {
        "Kept: the highest scores": order[: min(EXAMPLES, kept)],
        "Kept: the last": order[max(0, kept - EXAMPLES // 2) : kept],
        "Left out: the first": order[kept : kept + EXAMPLES // 2],
        "Left out: the lowest scores": order[max(kept, len(order) - EXAMPLES) :][::-1],
    }
    for title, places in parts.items():
        pictures = []
        for i in places.tolist():
            text = found.pairs.texts[i][0]
            pictures.append(
                Picture(
                    text if len(text) <= 60 else text[:59] + "…",
                    lines=[f"score {found.scores[i]:.3f}"],
                    facts={"texts": found.pairs.texts[i]},
                    row=int(found.pairs.rows[i]),
                    tone="good" if title.startswith("Kept") else "",
                )
            )
        if pictures:
            section.images(pictures, title=title)
        shown += pictures
    if shown:
        from veduta.judge.thumbnails import fill

        fill(pool, shown)


def _rest(page: Report, asked: FilterQuality, found: Quality, pool: View) -> None:
    section = page.section("What was left out")
    left = {name: count for name, count in found.facts["left out"].items() if count}
    if left:
        section.table([{"what": name, "rows": count} for name, count in left.items()])
    else:
        section.text("Nothing.")
    about = getattr(shared(asked.encoder), "about", {})
    sets = about.get("evaluation_sets", [])
    if sets:
        section.note(
            "Training rows of these evaluation sets went into the filter, so what it keeps leans towards their classes, and "
            f"results on them flatter it: {', '.join(sets)}.",
            "warn",
        )
    if getattr(shared(asked.encoder), "trained_on", None) is None:
        section.note("What this encoder was trained on is not known, so pairs that it has seen may be among these.")
    path = shlex.quote(str(getattr(pool, "path", "POOL")))
    text = "" if asked.text == "captions" else f" --text {asked.text}"
    embedding = "" if asked.embedding == "embedding" else f" --embedding {asked.embedding}"
    page.section("Next").commands(
        [
            (f"veduta annotate align {path} --encoder {shlex.quote(asked.encoder)}{text}{embedding}", "the score of every pair"),
            (f"veduta select top {path} --column alignment --keep {asked.keep:g} --as filtered", "the share that is kept"),
        ]
    )  # fmt: skip
