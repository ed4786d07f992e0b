"""The report of `judge reinforcement`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veduta.judge import words
from veduta.judge.intervals import bootstrap
from veduta.judge.report import Card, Group, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.reinforcement import Answers, Reinforcement
    from veduta.pool import View

SHOWN, VIEWS = 8, 5
"""Images in the picture part, and replayed views of each."""

WORST = 30
"""Classes that are listed."""

FLAT = 0.02
"""Mean entropy, as a share of the largest possible, below which answers are next to labels."""

SIDE = 128


def report(asked: Reinforcement, found: Answers, pool: View) -> Report:
    """Key figures, distributions, classes, and replayed views with the teachers' words."""
    page = Report("Dataset reinforcement", subtitle=str(getattr(pool, "path", "")))
    recipe, most = found.recipe, float(np.log(len(found.classes)))
    share = float(found.entropy.mean()) / most if most else 0.0
    _headline(page, found, share)
    about = page.section("What is stored")
    teachers = ", ".join(teacher["uri"] for teacher in recipe.teachers)
    about.text(
        f"{words.count(recipe.samples, 'view')} of each image by the recipe **{recipe.name}** at {recipe.size} pixels, with the "
        f"{recipe.topk} likeliest of {len(found.classes):,} classes. Asked: {teachers}. Looked at: "
        f"{words.count(len(found.rows), 'row')}, evenly spread. Pixels made with "
        f"{', '.join(f'{name} {version}' for name, version in recipe.libraries.items())}."
    )
    for tone, text in _remarks(found, share):
        about.note(text, tone)
    _pictures(page, asked, found, pool)
    said = page.section("What the teachers said")
    said.histogram(found.mass.reshape(-1), title="Probability that the kept classes hold")
    said.histogram(found.entropy.reshape(-1), title=f"Entropy of an answer, in nats (at most {most:.2f})")
    said.histogram(found.agreement, title="Share of an image's views about which the teachers say the same")
    classes = _classes(found)
    if classes:
        said.table(
            classes, title="By class", limit=WORST,
            note="The classes on which the teachers are least often right come first.",
        )  # fmt: skip
    page.facts = {
        "parameters": asked.parameters(), "recipe": recipe.name, "size": recipe.size, "samples": recipe.samples,
        "topk": recipe.topk, "rows": len(found.rows), "rows_with_records": found.with_records,
        "rows_without_records": found.without, "bytes_a_row": found.bytes_a_row, "pixel_bytes_a_row": found.pixels_a_row,
        "mass_kept": float(found.mass.mean()), "accuracy": found.accuracy, "agreement": float(found.agreement.mean()),
        "entropy": float(found.entropy.mean()), "largest_entropy": most, "replayed": found.replayed, "replayed_same": found.same,
    }  # fmt: skip
    return page


def _headline(page: Report, found: Answers, share: float) -> None:
    rows = found.with_records + found.without
    page.verdict = (
        f"{found.with_records:,} of {words.count(rows, 'row')} have {words.count(found.recipe.samples, 'record')} each; "
        f"{found.same} of {found.replayed} replayed give the very pixels that the teachers saw."
    )
    page.tone = "good" if found.same == found.replayed and not found.without else "warn"
    size = found.bytes_a_row / found.pixels_a_row
    page.cards += [
        Card(f"{found.bytes_a_row:,.0f} B", "a row", f"{size:.1%} of its pixels"),
        Card(
            f"{found.mass.mean():.1%}", "probability kept", f"by {found.recipe.topk} of {len(found.classes):,} classes"
        ),
        Card(f"{found.agreement.mean():.1%}", "agreement", "of an image's views with their most frequent class"),
        Card(f"{found.entropy.mean():.2f}", "entropy in nats", f"{share:.0%} of the largest possible"),
    ]
    known = np.flatnonzero(np.isfinite(found.right[:, 0]))
    if len(known):
        each = found.right[known].mean(1)
        low, high = bootstrap(lambda rows: float(each[rows].mean()), len(each), np.random.default_rng(0))
        card = Card(
            f"{found.accuracy:.1%}",
            "of the answers name the label",
            f"95 %: {low:.1%} to {high:.1%}, {len(known):,} rows",
        )
        page.cards.insert(0, card)


def _remarks(found: Answers, share: float) -> list[tuple[str, str]]:
    said = []
    if found.same < found.replayed:
        said.append(
            (
                "bad",
                f"{found.replayed - found.same} of {found.replayed} records do not replay: images, libraries or the processor are "
                "others than when the teachers saw them. Training refuses them, and says what to do.",
            )
        )
    if found.without:
        said.append(("warn", f"{words.count(found.without, 'row')} have no records: training uses their plain label."))
    if share < FLAT:
        said.append(
            (
                "warn",
                f"The answers are next to one-hot ({share:.1%} of the largest entropy), so they teach little more than labels. "
                "A teacher that was fitted on these very images does that; fit it on augmented views.",
            )
        )
    if found.mass.mean() < 0.9:
        said.append(
            ("warn", f"The kept classes hold {found.mass.mean():.0%} of the probability; a larger --topk keeps more.")
        )
    if not np.isfinite(found.right).any():
        said.append(
            (
                "info",
                "No row has a label that is one of the teachers' classes, so nothing tells how often they are right.",
            )
        )
    return said


def _classes(found: Answers) -> list[dict[str, object]]:
    """A row for each label: how often the answers name it, agree and hesitate."""
    place: dict[str, list[int]] = {}
    for i, label in enumerate(found.labels):
        if label is not None and np.isfinite(found.right[i, 0]):
            place.setdefault(label, []).append(i)
    table = [
        {
            "class": label, "images": len(own), "right": float(found.right[own].mean()),
            "agreement": float(found.agreement[own].mean()), "entropy": float(found.entropy[own].mean()),
        }
        for label, own in place.items()
    ]  # fmt: skip
    return sorted(table, key=lambda row: (row["right"], row["class"]))


def _pictures(page: Report, asked: Reinforcement, found: Answers, pool: View) -> None:
    """The images about whose views the teachers agree least, and some at random, each with replayed views."""
    doubtful = np.argsort(found.agreement, kind="stable")[: SHOWN // 2]
    others = np.setdiff1d(np.arange(len(found.rows)), doubtful)
    drawn = np.random.default_rng(asked.seed).permutation(others)[: SHOWN - len(doubtful)]
    section = page.section("Views, replayed")
    section.text(
        "Each image, and views of it as they are stored and as training will see them, with the teachers' first three words. "
        "Red: the first word is not the label."
    )
    for title, places in (("The teachers disagree most with themselves", doubtful), ("At random", np.sort(drawn))):
        groups = [_group(found, int(place), pool) for place in places]
        if groups:
            section.heading(title)
            section.groups(groups, fit="contain")


def _group(found: Answers, place: int, pool: View) -> Group:
    from PIL import Image

    from veduta.engine.fused import try_decode
    from veduta.errors import BadInput
    from veduta.judge.thumbnails import data_uri
    from veduta.learn.augment.records import unpack

    row, label, recipe = int(found.rows[place]), found.labels[place], found.recipe
    key = pool.take([row], ["key"]).column(0)[0].as_py()
    pixels = try_decode(pool.read_images([row])[0], recipe.side)[0]
    pictures = []

    def picture(shown: np.ndarray | None, caption: str, lines: list[str], tone: str = "") -> None:
        made = Picture(caption, lines=list(lines), row=row, tone=tone)  # pyright: ignore[reportArgumentType]
        if shown is not None:
            image = Image.fromarray(shown)
            scale = SIDE / max(image.size)
            kernel = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.HAMMING
            image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), kernel)
            made.src, (made.width, made.height) = data_uri(image), image.size
        pictures.append(made)

    picture(pixels, label or "no label", ["the image"])
    for number in range(min(VIEWS, recipe.samples)):
        at = place * recipe.samples + number
        try:
            shown = None if pixels is None else recipe.view.apply(pixels, unpack(recipe.view, found.arrays, at))
        except BadInput:
            shown = None
        said = [
            f"{found.classes[int(c)]} {float(p):.0%}"
            for c, p in zip(found.arrays["cls"][at][:3], found.arrays["p"][at][:3], strict=True)
        ]
        picture(shown, said[0], said[1:], "bad" if found.right[place, number] == 0 else "")
    return Group(
        key, pictures, note=f"agreement {found.agreement[place]:.0%}, entropy {found.entropy[place].mean():.2f}"
    )
