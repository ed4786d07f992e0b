"""The report of `judge difficulty`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.judge import drawn, words
from veduta.judge.difficulty_found import compared
from veduta.judge.report import Card, Group, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.difficulty import Difficulty
    from veduta.judge.difficulty_found import Found
    from veduta.pool import View

FACTORS = (2, 4, 10, 100, 1000)
PAIRS, CONFLICTS, OF_A_CONFLICT = 8, 8, 4
NEAR, WITHIN = 0.25, 1.0
"""Shares of half the distance of the sharp pairs from which an attack of 2/255 is called near, and within reach."""


def report(asked: Difficulty, found: list[Found], pool: View) -> Report:
    """Dimension, sharpness with its pairs, the loss to expect, and other pools beside it; `found` begins with this pool's."""
    own = found[0]
    page = Report("Difficulty before training", subtitle=own.name)
    order = compared(found)
    low, high = own.dimension.interval
    page.verdict = (
        f"The images vary in about {own.dimension.value:.1f} independent ways (95 %: {low:.1f} to {high:.1f}), so the bound on "
        f"the loss falls to {own.loss_after(10):.0%} with ten times as many. {_vulnerable(own)[0]}"
    )
    page.cards = _cards(own)
    about = page.section("What was measured")
    about.text(
        f"Of {words.count(own.rows, 'row')} with a label, {own.drawn:,} were drawn; the dimension is of {own.setup.n:,} different ones, "
        f"{own.setup.k} neighbours each, the sharpness of all pairs of {own.setup.m:,}. A point is: {own.setup.space}."
    )
    if own.unreadable:
        about.note(f"{words.count(own.unreadable, 'row')} have no image or vector and were left out.", "warn")
    if own.duplicates:
        about.note(
            f"{words.count(own.duplicates, 'row')} equal another one and were counted once: a distance of 0 has no logarithm. "
            "Copies that were encoded again are not equal, and draw the estimate down: de-duplicate first.",
            "warn",
        )
    _dimension(page, own)
    pictures = _sharpness(page, own, pool, asked.target)
    _loss(page, own)
    if len(order) > 1:
        _others(page, own, order)
    page.section("What to do next").commands(
        [
            (
                f"veduta annotate sharp-pairs {own.name}",
                "put such pairs on the list of labels to review, from the embedding",
            ),
            (f"veduta view {own.name}", "review them"),
            (f"veduta select deduplicate {own.name}", "before comparing pools, if there are copies"),
        ]
    )
    if pictures:
        from veduta.judge.thumbnails import fill

        fill(pool, pictures)
    page.facts = {"parameters": asked.parameters(), "found": [_facts(one) for one in found]}
    return page


def _cards(own: Found) -> list[Card]:
    low, high = own.dimension.interval
    cards = [Card(f"{own.dimension.value:.1f}", "dimension of the images", f"95 %: {low:.1f} to {high:.1f}")]
    if own.represented is not None:
        low, high = own.represented.interval
        cards.append(
            Card(f"{own.represented.value:.1f}", "dimension of the representation", f"95 %: {low:.1f} to {high:.1f}")
        )
    sharp = "infinite" if own.conflicts else f"{own.highest:.3g}"
    note = f"{own.sharpness.q:g} quantile {own.sharpness.quantile:.3g}"
    return [
        *cards,
        Card(sharp, "label sharpness", note, "warn" if own.conflicts else ""),
        Card(_many(own.images_to_halve), "images to halve the loss", f"now {own.rows:,}; an upper-bound argument"),
    ]


def _dimension(page: Report, own: Found) -> None:
    section = page.section("Intrinsic dimension")
    section.text(
        "In how many independent ways the images vary near each other, by maximum likelihood from the distances to the "
        "nearest ones. It reads too low where it is high and where rows are few, so compare it only at equal rows and neighbours; "
        "the interval (bootstrap) does not know of that."
    )
    section.table(
        [
            {"neighbours": k, "images": value, **({"representation": own.represented.by_k.get(k)} if own.represented else {})}
            for k, value in own.dimension.by_k.items()
        ]
        + [
            {
                "neighbours": "2 (TwoNN)", "images": own.dimension.two_nn,
                **({"representation": own.represented.two_nn} if own.represented else {}),
            }
        ],
        columns={"neighbours": "text"},
        note="The estimates agree if the set looks like one surface at every scale; few neighbours see noise as well.",
    )  # fmt: skip
    finite = own.dimension.local[np.isfinite(own.dimension.local)]
    section.histogram(
        np.minimum(finite, np.quantile(finite, 0.995)),
        title="Dimension around each image",
        note="veduta annotate local-dimension writes it as a column",
    )
    if own.represented is not None:
        ratio = own.represented.value / own.dimension.value
        section.text(
            f"The representation of {own.setup.model}{f', layer {own.setup.layer}' if own.setup.layer else ''} has "
            f"{ratio:.2f} times the dimension of the images ({own.represented.n:,} different points). A network that was trained on this "
            "set to fit has at most about as many; one trained elsewhere may have more."
        )


def _sharpness(page: Report, own: Found, pool: View, target: str) -> list[Picture]:
    """The pairs that attain the sharpness, and equal images with different labels; their pictures."""
    section = page.section("Label sharpness")
    section.text(
        "One over the least distance of two images with different labels: how steep a function must be that tells them "
        "apart. The maximum is set by a single pair, so look at it: it may be a wrong label."
    )
    rows = sorted({*own.pairs.ravel().tolist(), *(row for group in own.conflicts for row in group)})
    values = pool.take(rows, ["key", target])
    names, told = (dict(zip(rows, map(str, values[column].to_pylist()), strict=True)) for column in ("key", target))
    pictures: list[Picture] = []
    groups = []
    for (a, b), distance in zip(own.pairs[:PAIRS].tolist(), own.sharpness.distances, strict=False):
        pair = [Picture(names[row], row=row, lines=[told[row]]) for row in (a, b)]
        pictures += pair
        groups.append(Group(f"{told[a]} | {told[b]}", pair, f"distance {distance:.3g}, sharpness {1 / distance:.3g}"))
    section.heading("The sharpest pairs", f"of {own.sharpness.count:,} with different labels")
    section.groups(groups, fit="contain", narrow=True)
    if own.conflicts:
        section.note(
            f"{words.count(len(own.conflicts), 'group')} of equal images have different labels: no function can tell them apart, "
            "and the sharpness is infinite. The figures above leave them out.",
            "bad",
        )
        shown = []
        for group in own.conflicts[:CONFLICTS]:
            some = [Picture(names[row], row=row, lines=[told[row]]) for row in group[:OF_A_CONFLICT]]
            pictures += some
            shown.append(Group(", ".join(sorted({told[row] for row in group})), some, words.count(len(group), "image")))
        section.groups(shown, fit="contain", narrow=True)
        section.table(
            [
                {"images": [names[row] for row in group], "labels": [told[row] for row in group]}
                for group in own.conflicts
            ],
            title="Label conflicts",
        )
    return pictures


def _loss(page: Report, own: Found) -> None:
    section = page.section("What to expect of training")
    section.text(
        f"On N images the loss of a network that is trained to fit is at most of the order of N^(-1/d). With d = "
        f"{own.dimension.value:.1f}, {_many(own.images_to_halve)} images halve that bound. It is an upper bound for many images: "
        "augmentation, pretraining and early stopping do better than it, and it tells no loss, only how it may fall."
    )
    section.figure(_curve(own), alt="The bound on the loss against the number of images, now = 1")
    section.table(
        [
            {"times as many": factor, "images": _many(own.rows * factor), "bound on the loss": own.loss_after(factor)}
            for factor in FACTORS
        ],
        columns={"bound on the loss": "percent"},
        note=f"As a share of the bound at {own.rows:,} images.",
    )
    section.heading("How easy to attack")
    section.text(" ".join(_vulnerable(own)))


def _vulnerable(own: Found) -> tuple[str, str]:
    """What the sharpness says of attacks: the verdict, and what it rests on."""
    if not own.length:
        return (
            "What the labels say of attacks is told for pixels only.",
            "A change of pixels has no known length among vectors; judge the column image.",
        )
    if own.reach >= WITHIN:
        said = (
            "Expect a model that is easy to attack: images of different labels lie within reach of a change of 2/255."
        )
    elif own.reach >= NEAR:
        said = "Expect a model that can be attacked: a change of 2/255 goes a good part of the way between labels."
    else:
        said = "The labels alone do not make a model easy to attack: a change of 2/255 goes a small part of the way between them."
    return (
        said,
        f"Changing every value by 2/255 moves an image by {own.length:.3g}, {own.reach:.0%} of half the distance between the "
        f"sharp pairs (the {own.sharpness.q:g} quantile). The radius inside which a prediction can be right is of that order, so of two "
        "pools the one with the higher share is the easier to attack. A network is often more sensitive than its labels ask: "
        "only an attack on it tells.",
    )


def _others(page: Report, own: Found, order: list[Found]) -> None:
    section = page.section("Beside other pools")
    section.text(
        f"All measured on {own.setup.n:,} different rows and {own.setup.m:,} for the sharpness, the hardest first: log K_F - log(N) / d at "
        "equal N, with the quantile for K_F. Across kinds of images (photos and X-rays, say) the constant differs, so compare within one."
    )
    section.table(
        [
            {
                "pool": one.name, "dimension": one.dimension.value, "from": one.dimension.interval[0],
                "to": one.dimension.interval[1], "sharpness": one.sharpness.quantile, "highest": one.highest,
                "log loss, up to a constant": one.log_loss, "loss at 10 x": one.loss_after(10),
                "2/255 of the way": one.reach, "classes": one.classes, "rows": one.rows, "duplicates": one.duplicates,
            }
            for one in order
        ],
        columns={"loss at 10 x": "percent", "2/255 of the way": "percent"},
    )  # fmt: skip


def _curve(own: Found) -> Any:
    made, axes = drawn.figure(6, 3)
    factors = np.geomspace(1, 1000, 50)
    low, high = own.dimension.interval
    axes.fill_between(
        own.rows * factors, factors ** (-1 / low), factors ** (-1 / high), color=drawn.ACCENT, alpha=0.2, linewidth=0
    )
    axes.plot(own.rows * factors, factors ** (-1 / own.dimension.value), color=drawn.ACCENT)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("images")
    axes.set_ylabel("bound on the loss, now = 1")
    return made


def _many(number: float) -> str:
    """A number of images, short enough for a card."""
    for size, word in ((1e6, "million"), (1e9, "billion"), (1e12, "trillion")):
        if size <= number < 1000 * size:
            return f"{number / size:.3g} {word}"
    return f"{number:,.0f}" if number < 1e6 else f"{number:.0e}"


def _facts(one: Found) -> dict[str, Any]:
    def dimension(found: Any) -> dict[str, Any]:
        return {key: value for key, value in asdict(found).items() if key != "local"}

    return {
        "pool": one.name, "setup": asdict(one.setup), "dimension": dimension(one.dimension),
        "represented": dimension(one.represented) if one.represented else None,
        "sharpness": {
            "highest": one.highest, "without conflicts": one.sharpness.highest, "quantile": one.sharpness.quantile,
            "q": one.sharpness.q, "pairs": one.pairs, "distances": one.sharpness.distances,
        },
        "rows": one.rows, "drawn": one.drawn, "unreadable": one.unreadable, "duplicates": one.duplicates,
        "classes": one.classes, "conflicts": one.conflicts, "images to halve the loss": one.images_to_halve,
        "log loss up to a constant": one.log_loss, "2/255 of the way": one.reach,
    }  # fmt: skip
