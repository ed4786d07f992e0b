"""Pools of generated pictures in two classes that a small network can tell apart, with captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import veduta
from items import Given
from pictures import encoded
from veduta.engine.progress import Silent
from veduta.pool import Pool

COLOURS = ("red", "green", "blue", "yellow")


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, message: str) -> None:
        self.words.append(message)


def shape(number: int, side: int = 32) -> Image.Image:
    """Even numbers: a disc, odd ones: a cross, of one of four colours on noise."""
    rng = np.random.default_rng(number)
    image = Image.fromarray(rng.integers(60, 120, (side, side, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, r = (int(v) for v in rng.integers([10, 10, 6], [side - 10, side - 10, 9]))
    colour = COLOURS[number // 2 % 4]
    if number % 2 == 0:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.line((x - r, y, x + r, y), fill=colour, width=4)
        draw.line((x, y - r, x, y + r), fill=colour, width=4)
    return image


def pool_of(path: Path, count: int, *, damaged: int = 0, annotators: tuple = ()) -> Pool:
    """`count` shapes with label and two captions, the last quarter in the split test, and damaged files."""
    content = {f"s{i:04d}": encoded(shape(i), "PNG") for i in range(count)}
    fields = {
        f"s{i:04d}": {
            "label": ("disc", "cross")[i % 2],
            "split": "test" if i >= count * 3 // 4 else "train",
            "captions": [
                f"a {COLOURS[i // 2 % 4]} {('disc', 'cross')[i % 2]}",
                f"{COLOURS[i // 2 % 4]} shape, number {i}",
            ],
        }
        for i in range(count)
    }
    content |= {f"z{i}": b"\xff\xd8\xffbroken" for i in range(damaged)}
    pool = veduta.create(path)
    pool.ingest(Given(content, fields), annotators=list(annotators))
    return pool
