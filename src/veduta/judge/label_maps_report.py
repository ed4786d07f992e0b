"""The report of `judge label-maps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veduta.judge import words
from veduta.judge.drawn import SERIES
from veduta.judge.intervals import wilson
from veduta.judge.report import Card, Picture, Report

if TYPE_CHECKING:
    from PIL import Image

    from veduta.judge.label_maps import LabelMaps, Maps
    from veduta.pool import View

SHOWN = 12
NAMED = 4
"""Classes that have a colour in a picture."""

VEIL, SIDE = 0.5, 320


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
    pictures = _pictures(found, pool, spread)
    page.section("Maps over images").images(
        pictures, note="Evenly spread over the pool; each colour is the strongest class of a place."
    )
    missed = np.flatnonzero(known & ~found.anywhere)
    if len(missed):
        some = missed[:: -(-len(missed) // SHOWN)]
        title = page.section("Labels that no place names")
        title.images(
            _pictures(found, pool, some),
            note=f"{len(some)} of {len(missed):,}: the classifier errs, or the label does.",
        )
    page.facts = {
        "parameters": asked.parameters(),
        "rows": len(found.rows),
        "without": found.without,
        "judged": judged,
        "figures": figures,
    }
    return page


def _pictures(found: Maps, pool: View, some: np.ndarray) -> list[Picture]:
    from veduta.judge.thumbnails import data_uri, fill

    pictures = []
    for i in some:
        label = found.shape.classes[found.label[i]] if found.label[i] >= 0 else "no known label"
        pictures.append(Picture(label, lines=[f"whole: {found.shape.classes[found.whole[i]]}"], row=int(found.rows[i])))
    images = fill(pool, pictures, SIDE)
    for i, picture in zip(some, pictures, strict=True):
        if picture.row in images:
            drawn = overlay(images[picture.row], found.top[i].reshape(found.shape.height, -1), found.shape.classes)
            picture.src, (picture.width, picture.height) = data_uri(drawn), drawn.size
    return pictures


def overlay(image: Image.Image, top: np.ndarray, classes: tuple[str, ...]) -> Image.Image:
    """An image under the class numbers (h, w) of its map, the commonest in colour, with their names below."""
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
    line = 20
    page = Image.new("RGB", (image.width, image.height + line * len(named) + 4), "white")
    page.paste(shown, (0, 0))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for i, (number, colour) in enumerate(zip(named, colours, strict=False)):
        at = image.height + 4 + line * i
        draw.rectangle((2, at + 2, 14, at + 14), fill=colour)
        draw.text((20, at), f"{classes[number]} {(top == number).mean():.0%}", fill="black", font=font)
    return page
