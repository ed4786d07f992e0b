"""The report of `judge label-maps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veduta.judge import words
from veduta.judge.drawn import SERIES
from veduta.judge.intervals import wilson
from veduta.judge.report import Card, Report, Section

if TYPE_CHECKING:
    from PIL import Image

    from veduta.judge.label_maps import LabelMaps, Maps
    from veduta.pool import View

SHOWN = 12
NAMED = 4
"""Classes that have a colour in a picture."""

VEIL = 0.45
SIDE, ACROSS, GAP, LINE = 300, 4, 14, 20
"""Of the figure, in pixels: the longer side of an image, images a line, the space after one, a line of words."""


def report(asked: LabelMaps, found: Maps, pool: View) -> Report:
    """Shares, classes, and maps over images."""
    page = Report(f"Label maps '{asked.maps}'", subtitle=str(getattr(pool, "path", "")))
    shape, known = found.shape, found.known
    judged = int(known.sum())
    about = (
        f"{words.count(len(found.rows), 'row')} with a map of {shape.width} x {shape.height} places by `{shape.model}` at {shape.size} "
        f"pixels, {shape.kept} of {len(shape.classes):,} classes kept a place; {words.count(found.without, 'row')} without."
    )
    figures = []
    if judged:
        hits = {"the whole map": found.whole == found.label, "at least one place": found.anywhere}
        for name, right in hits.items():
            count = int(right[known].sum())
            low, high = wilson(count, judged)
            figures.append({"the label is named by": name, "share": count / judged, "from": low, "to": high})
        page.verdict = (
            f"Of {words.count(judged, 'label')} that the classifier knows, the whole map names {figures[0]['share']:.1%} and some place "
            f"{figures[1]['share']:.1%}."
        )
        page.cards = [Card(f"{row['share']:.1%}", row["the label is named by"]) for row in figures]
    else:
        page.verdict = f"{words.count(len(found.rows), 'map')}; no row has a label that the classifier knows, so that nothing tells how often they are right."
    section = page.section("Figures")
    section.text(about)
    for note in found.notes:
        section.note(note, "warn")
    if judged:
        percent = dict.fromkeys(("share", "from", "to"), "percent")
        section.table(
            figures, columns=percent, note=f"{len(found.rows) - judged:,} rows have no label among the classes."
        )  # pyright: ignore[reportArgumentType]
    different = np.array([len(np.unique(each)) for each in found.top])
    section.histogram(different, title="Classes that are the strongest of some place, an image")
    share = np.bincount(found.top.ravel(), minlength=len(shape.classes)) / found.top.size
    order = np.argsort(-share, kind="stable")[:20]
    section.bars(
        "Share of all places, the commonest classes", [(shape.classes[i], float(share[i])) for i in order if share[i]]
    )
    spread = np.unique(np.linspace(0, len(found.rows) - 1, SHOWN).round().astype(int))
    _sheet(page.section("Maps over images"), found, pool, spread, "evenly spread over the pool")
    missed = np.flatnonzero(known & ~found.anywhere)
    if len(missed):
        some = missed[:: -(-len(missed) // SHOWN)]
        said = f"{len(some)} of {len(missed):,} for which the classifier errs, or the label does"
        _sheet(page.section("Labels that no place names"), found, pool, some, said)
    page.facts = {
        "parameters": asked.parameters(),
        "rows": len(found.rows),
        "without": found.without,
        "judged": judged,
        "figures": figures,
    }
    return page


def _sheet(section: Section, found: Maps, pool: View, some: np.ndarray, said: str) -> None:
    """One large figure: in a small picture of a grid the names of the colours could not be read."""
    from PIL import Image

    from veduta.judge.thumbnails import thumbnails

    rows, classes = found.rows[some], found.shape.classes
    drawn = []
    for i, made in zip(some, thumbnails(pool, rows, SIDE), strict=True):
        if made is not None:
            title = f"label: {classes[found.label[i]]}" if found.label[i] >= 0 else f"whole: {classes[found.whole[i]]}"
            drawn.append(overlay(made[0], found.top[i].reshape(found.shape.height, -1), classes, title))
    if not drawn:
        section.text("None of these images can be shown.")
        return
    lines = [drawn[at : at + ACROSS] for at in range(0, len(drawn), ACROSS)]
    heights = [max(page.height for page in line) + GAP for line in lines]
    sheet = Image.new("RGB", (ACROSS * (SIDE + GAP), sum(heights)), "white")
    for number, line in enumerate(lines):
        for place, page in enumerate(line):
            sheet.paste(page, (place * (SIDE + GAP), sum(heights[:number])))
    section.figure(
        sheet,
        alt=f"{len(drawn)} images under the strongest class of each place: rows {', '.join(map(str, rows))}",
        caption=f"The strongest class of each place, the commonest of an image in colour, with their share of it; images {said}.",
    )


def overlay(image: Image.Image, top: np.ndarray, classes: tuple[str, ...], title: str) -> Image.Image:
    """An image under the class numbers (h, w) of its map, the commonest in colour, with a title and their names below."""
    from PIL import Image, ImageColor, ImageDraw, ImageFont

    numbers, counts = np.unique(top, return_counts=True)
    named = numbers[np.argsort(-counts, kind="stable")][:NAMED]
    colours = [ImageColor.getrgb(colour)[:3] for colour in SERIES[:NAMED]]
    veil = np.full((*top.shape, 3), 128, np.uint8)
    for number, colour in zip(named, colours, strict=False):
        veil[top == number] = colour
    image = image.convert("RGB")
    if max(image.size) < SIDE:  # a small image would leave no room for the names
        scale = SIDE / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    shown = Image.blend(image, Image.fromarray(veil).resize(image.size, Image.Resampling.NEAREST), VEIL)
    page = Image.new("RGB", (SIDE, image.height + LINE * (len(named) + 1) + 4), "white")
    page.paste(shown, (0, 0))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    draw.text((2, image.height + 4), title, fill="black", font=font)
    for i, (number, colour) in enumerate(zip(named, colours, strict=False), 1):
        at = image.height + 4 + LINE * i
        draw.rectangle((2, at + 2, 14, at + 14), fill=colour)
        draw.text((20, at), f"{classes[number]} {(top == number).mean():.0%}", fill="black", font=font)
    return page
