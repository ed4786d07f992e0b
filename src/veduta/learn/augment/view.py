"""A chain of augmentations that ends in a square of fixed size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment import checks
from veduta.learn.augment.base import SAME, Augmentation, Boxes, Image, Map, Params, after, nearest, resized


@dataclass(frozen=True)
class View:
    """How an image is seen: `steps` in order, then (size, size, 3) uint8.

    The parameters of a step are drawn for the size that the step before leaves. margin: what of the short side a decoder
    should deliver, as a multiple of `size`: random crops see parts of the image, so a little more than `size`.
    """

    steps: tuple[Augmentation, ...]
    size: int
    margin: float = 1.15

    def __post_init__(self) -> None:
        checks.within(self, "size", 1)
        checks.within(self, "margin", 0)

    @property
    def side(self) -> int:
        """The short side in pixels that a decoder should deliver at least."""
        return round(self.size * self.margin)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Draw and apply: (h, w, 3) uint8 to (size, size, 3) uint8. Raises BadInput for other images."""
        return self.draw(image, rng)[0]

    def draw(self, image: Image, rng: np.random.Generator) -> tuple[Image, list[Params]]:
        """The same, and the parameters that were drawn."""
        checks.picture(image)
        found = []
        for step in self.steps:
            params = step.sample(rng, *image.shape[:2])
            if params:
                image = step.apply(image, params)
            found.append(params)
        return resized(image, self.size, self.size), found

    def sample(self, rng: np.random.Generator, height: int, width: int) -> list[Params]:
        """The parameters of all steps for an image of this size, as `__call__` would draw them."""
        found = []
        blank = np.zeros((height, width), np.uint8)  # a mask has the size of the image, and costs far less to move
        for step in self.steps:
            params = step.sample(rng, *blank.shape)
            if params:
                blank = step.masks(blank, params)
            found.append(params)
        return found

    def apply(self, image: Image, params: list[Params]) -> Image:
        """The image as seen with given parameters. Raises BadInput for anything but (h, w, 3) uint8."""
        checks.picture(image)
        for step, own in zip(self.steps, params, strict=True):
            if own:
                image = step.apply(image, own)
        return resized(image, self.size, self.size)

    def boxes(self, boxes: Boxes, params: list[Params], height: int, width: int) -> Boxes:
        """Boxes in the view of an image of this size; NaN for those that are not seen."""
        blank = np.zeros((height, width), np.uint8)
        for step, own in zip(self.steps, params, strict=True):
            if own:
                boxes = step.boxes(boxes, own, *blank.shape)
                blank = step.masks(blank, own)
        scale = self.size / np.array([blank.shape[1], blank.shape[0]] * 2)
        return np.asarray(boxes, np.float64) * scale

    def seen(self, params: list[Params], height: int, width: int) -> tuple[float, float, float, float]:
        """The part of an image of this size that the view shows: x0, y0, x1, y1 in [0, 1] of its width and height.

        The upright box around it where the view is turned; only what is inside the image. Relative, so it is the same part
        of the image at any other size. No area is left (x1 <= x0 or y1 <= y0) where the view shows nothing of the image.
        """
        back, x0, y0, x1, y1 = SAME, 0.0, 0.0, float(width), float(height)
        high, wide = height, width
        for step, own in zip(self.steps, params, strict=True):
            if own:
                origin, high, wide = step.origin(own, high, wide)
                if origin is not SAME:
                    back = after(back, origin)
                    left, top, right, bottom = _around(back, high, wide)
                    x0, y0, x1, y1 = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        return x0 / width, y0 / height, x1 / width, y1 / height

    def masks(self, mask: NDArray[np.uint8], params: list[Params]) -> NDArray[np.uint8]:
        """A mask (h, w) in the view: (size, size) uint8."""
        for step, own in zip(self.steps, params, strict=True):
            if own:
                mask = step.masks(mask, own)
        return nearest(mask, self.size, self.size)

    def config(self) -> dict[str, Any]:
        """Size, margin, and the steps with their fields, JSON-able: for the record of a run."""
        steps = [{type(step).__name__: asdict(step)} for step in self.steps]  # pyright: ignore[reportCallIssue]
        return {"size": self.size, "margin": self.margin, "steps": steps}


def _around(to: Map, height: int, width: int) -> tuple[float, float, float, float]:
    """The upright box around where a whole image of this size goes."""
    a, b, c, d, e, f = to
    xs, ys = sorted((0.0, a * width)), sorted((0.0, b * height))
    us, vs = sorted((0.0, d * width)), sorted((0.0, e * height))
    return xs[0] + ys[0] + c, us[0] + vs[0] + f, xs[1] + ys[1] + c, us[1] + vs[1] + f
