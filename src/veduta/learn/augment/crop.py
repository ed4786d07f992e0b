"""Cutting and scaling: random and central crops, padding, resizing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.learn.augment import checks
from veduta.learn.augment.base import Boxes, Image, Map, Params, clipped, nearest, resized


class _Window:
    """A window (top, left, height, width) of the image, scaled to (size, size)."""

    size: int

    def __post_init__(self) -> None:
        checks.within(self, "size", 1)

    def apply(self, image: Image, params: Params) -> Image:
        top, left, height, width = params["window"]
        if top >= image.shape[0] or left >= image.shape[1]:
            raise BadInput(
                f"a window at {top}, {left} is outside of an image of {image.shape[0]} x {image.shape[1]} pixels; was it drawn for "
                "another image?"
            )
        return resized(np.ascontiguousarray(image[top : top + height, left : left + width]), self.size, self.size)

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        top, left, high, wide = params["window"]
        moved = (np.asarray(boxes, np.float64) - [left, top, left, top]) * (self.size / np.array([wide, high] * 2))
        return clipped(moved, self.size, self.size)

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        top, left, height, width = params["window"]
        return nearest(mask[top : top + height, left : left + width], self.size, self.size)

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        top, left, high, wide = params["window"]
        return (wide / self.size, 0.0, left, 0.0, high / self.size, top), self.size, self.size


@dataclass(frozen=True)
class RandomResizedCrop(_Window):
    """A window of random area and shape, scaled to (size, size) (Szegedy et al. 2015, arXiv 1409.4842).

    scale: range of the window's share of the area. ratio: range of width / height, drawn evenly in its logarithm. Ten
    tries; if none fits, the largest central window within the range of shapes.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.span(self, "scale", 0, 1)
        checks.span(self, "ratio", 0, above=True)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        draws = rng.random((10, 2))
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for area_draw, ratio_draw in draws.tolist():
            area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * area_draw)
            ratio = math.exp(low + (high - low) * ratio_draw)
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
                return {"window": [top, left, tall, wide]}
        wide, tall = width, height
        if width / height < self.ratio[0]:
            tall = max(1, min(height, round(width / self.ratio[0])))
        elif width / height > self.ratio[1]:
            wide = max(1, min(width, round(height * self.ratio[1])))
        return {"window": [(height - tall) // 2, (width - wide) // 2, tall, wide]}


@dataclass(frozen=True)
class SquareCrop(_Window):
    """A random square of the full short side, scaled to (size, size): CLIP's only augmentation."""

    size: int

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        side = min(height, width)
        return {"window": [int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side, side]}


@dataclass(frozen=True)
class CentreCrop(_Window):
    """The central square, `share` of the short side, scaled to (size, size)."""

    size: int
    share: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.within(self, "share", 0, 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        side = max(1, round(min(height, width) * self.share))
        return {"window": [(height - side) // 2, (width - side) // 2, side, side]}


@dataclass(frozen=True)
class Resize(_Window):
    """The whole image squeezed into (size, size)."""

    size: int

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        return {"window": [0, 0, height, width]}


@dataclass(frozen=True)
class PadCrop:
    """The image scaled to (size, size) if it has another size, padded by `pad` pixels, cut at a random place.

    border: what the padding shows: "zero" (black), or "reflect", the image mirrored about its outermost pixels. A mask
    is 0 there either way, and a box ends at the image: a mirrored piece is not annotated.
    """

    size: int
    pad: int = 4
    border: Literal["zero", "reflect"] = "zero"

    def __post_init__(self) -> None:
        checks.within(self, "size", 1)
        checks.within(self, "pad", 0, self.size - 1)  # more, and a cut may miss the image
        if self.border not in ("zero", "reflect"):
            raise BadInput(f"border of PadCrop must be zero or reflect, got '{self.border}'")

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        top, left = rng.integers(2 * self.pad + 1, size=2).tolist()
        return {"top": top, "left": left}

    def apply(self, image: Image, params: Params) -> Image:
        image = resized(image, self.size, self.size)
        if self.border == "zero":
            return self._shifted(image, params)
        import cv2

        top, left = params["top"], params["left"]
        padded = np.asarray(cv2.copyMakeBorder(image, *[self.pad] * 4, borderType=cv2.BORDER_REFLECT_101), np.uint8)
        return np.ascontiguousarray(padded[top : top + self.size, left : left + self.size])

    def _shifted(self, pixels: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        """(size, size) or (size, size, 3) moved, with zeros where nothing is."""
        out = np.zeros_like(pixels)
        (to_y, from_y, high), (to_x, from_x, wide) = (self._span(params[name]) for name in ("top", "left"))
        out[to_y : to_y + high, to_x : to_x + wide] = pixels[from_y : from_y + high, from_x : from_x + wide]
        return out

    def _span(self, start: int) -> tuple[int, int, int]:
        """Where the part of the image that is seen goes to, where it comes from, and its length."""
        shift = start - self.pad
        return max(0, -shift), max(0, shift), self.size - abs(shift)

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        scaled = np.asarray(boxes, np.float64) * (self.size / np.array([width, height] * 2))
        shift = np.array([params["left"], params["top"]] * 2) - self.pad
        return clipped(scaled - shift, self.size, self.size)

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        return self._shifted(nearest(mask, self.size, self.size), params)

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        x, y = width / self.size, height / self.size
        return (x, 0.0, x * (params["left"] - self.pad), 0.0, y, y * (params["top"] - self.pad)), self.size, self.size
