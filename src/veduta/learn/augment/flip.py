"""Left and right exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment import checks
from veduta.learn.augment.base import Boxes, Image, Map, Params


@dataclass(frozen=True)
class HorizontalFlip:
    """With probability `p`, the mirror image."""

    p: float = 0.5

    def __post_init__(self) -> None:
        checks.within(self, "p", 0, 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        return {"flip": 1} if rng.random() < self.p else {}

    def apply(self, image: Image, params: Params) -> Image:
        if not params:
            return image
        import cv2

        return np.asarray(cv2.flip(image, 1), np.uint8)

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        return (
            np.asarray(boxes, np.float64)[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0] if params else boxes
        )

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        return np.ascontiguousarray(mask[:, ::-1]) if params else mask

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        return (-1.0, 0.0, width, 0.0, 1.0, 0.0), height, width
