"""A chain of augmentations that ends in a square of fixed size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment.base import Augmentation, Boxes, Image, Params, resized


@dataclass(frozen=True)
class View:
    """How an image is seen: `steps` in order, then (size, size, 3) uint8.

    The parameters of a step are drawn for the size that the step before leaves. margin: what of the short side a decoder
    should deliver, as a multiple of `size`: random crops see parts of the image, so a little more than `size`.
    """

    steps: tuple[Augmentation, ...]
    size: int
    margin: float = 1.15

    @property
    def side(self) -> int:
        """The short side in pixels that a decoder should deliver at least."""
        return round(self.size * self.margin)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Draw and apply: (h, w, 3) uint8 to (size, size, 3) uint8."""
        for step in self.steps:
            params = step.sample(rng, *image.shape[:2])
            if params:
                image = step.apply(image, params)
        return resized(image, self.size, self.size)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> list[Params]:
        """The parameters of all steps for an image of this size, as `__call__` would draw them."""
        found = []
        blank = np.zeros((height, width, 3), np.uint8)
        for step in self.steps:
            params = step.sample(rng, *blank.shape[:2])
            if params:
                blank = step.apply(blank, params)
            found.append(params)
        return found

    def apply(self, image: Image, params: list[Params]) -> Image:
        """The image as seen with given parameters."""
        for step, own in zip(self.steps, params, strict=True):
            if own:
                image = step.apply(image, own)
        return resized(image, self.size, self.size)

    def boxes(self, boxes: Boxes, params: list[Params], height: int, width: int) -> Boxes:
        """Boxes in the view of an image of this size; NaN for those that are not seen."""
        blank = np.zeros((height, width, 3), np.uint8)
        for step, own in zip(self.steps, params, strict=True):
            if own:
                boxes = step.boxes(boxes, own, *blank.shape[:2])
                blank = step.apply(blank, own)
        scale = self.size / np.array([blank.shape[1], blank.shape[0]] * 2)
        return np.asarray(boxes, np.float64) * scale

    def masks(self, mask: NDArray[np.uint8], params: list[Params]) -> NDArray[np.uint8]:
        """A mask (h, w) in the view; the last step must leave (size, size)."""
        for step, own in zip(self.steps, params, strict=True):
            if own:
                mask = step.masks(mask, own)
        return mask

    def config(self) -> list[dict[str, Any]]:
        """The steps with their fields, JSON-able."""
        return [{type(step).__name__: asdict(step)} for step in self.steps]  # pyright: ignore[reportCallIssue]
