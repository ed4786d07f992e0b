"""Gaussian blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veduta.learn.augment import checks
from veduta.learn.augment.base import Image, Params, Still


@dataclass(frozen=True)
class GaussianBlur(Still):
    """With probability `p`, a Gaussian of a standard deviation drawn evenly from `sigma`, in pixels of an image of side `at`.

    at: side of the image that `sigma` is meant for (224 in the papers); other sizes get as much blur as they would look
    to have. The kernel reaches three standard deviations; borders are mirrored.
    """

    p: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)
    at: int | None = 224

    def __post_init__(self) -> None:
        checks.within(self, "p", 0, 1)
        checks.span(self, "sigma", 0)
        if self.at is not None:
            checks.within(self, "at", 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        if rng.random() >= self.p:
            return {}
        sigma = rng.uniform(*self.sigma)
        return {"sigma": sigma if self.at is None else sigma * min(height, width) / self.at}

    def apply(self, image: Image, params: Params) -> Image:
        import cv2

        if not params or params["sigma"] < 0.15:  # narrower than a pixel can show
            return image
        reach = min(max(1, round(3 * params["sigma"])), min(image.shape[:2]) - 1)
        size = (2 * reach + 1, 2 * reach + 1)
        return np.asarray(cv2.GaussianBlur(image, size, params["sigma"], borderType=cv2.BORDER_REFLECT_101), np.uint8)
