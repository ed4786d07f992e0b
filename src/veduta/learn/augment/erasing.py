"""Rectangles painted over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from veduta.learn.augment import checks
from veduta.learn.augment.base import Image, Params, Still


@dataclass(frozen=True)
class Erasing(Still):
    """With probability `p`, a rectangle of the colour `fill` (Zhong et al. 2020, arXiv 1708.04896; Cutout, arXiv 1708.04552).

    area: range of its share of the image; ratio: range of height / width, even in the logarithm. It may hang over the
    border, as Cutout's square does, if `over` is set; else it lies inside.
    """

    p: float = 0.5
    area: tuple[float, float] = (0.02, 1 / 3)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: int = 128
    over: bool = False

    def __post_init__(self) -> None:
        checks.within(self, "p", 0, 1)
        checks.span(self, "area", 0, 1)
        checks.span(self, "ratio", 0, above=True)
        checks.within(self, "fill", 0, 255)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        if rng.random() >= self.p:
            return {}
        area = height * width * rng.uniform(*self.area)
        ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if self.over:
            y, x = int(rng.integers(height)), int(rng.integers(width))
            top, left = y - tall // 2, x - wide // 2
            bottom, right = min(height, top + tall), min(width, left + wide)
            top, left = max(0, top), max(0, left)
        else:
            tall, wide = max(1, min(tall, height)), max(1, min(wide, width))
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            bottom, right = top + tall, left + wide
        return {"window": [top, left, bottom, right]}

    def apply(self, image: Image, params: Params) -> Image:
        if not params:
            return image
        top, left, bottom, right = params["window"]
        found = image.copy()
        found[top:bottom, left:right] = self.fill
        return found
