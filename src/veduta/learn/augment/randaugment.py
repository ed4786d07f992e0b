"""RandAugment: a few operations drawn from a fixed list, all at one strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment import checks
from veduta.learn.augment.affine import matrix, warped, warped_boxes, warped_mask, warped_origin
from veduta.learn.augment.base import SAME, Boxes, Image, Map, Params, after
from veduta.learn.augment.colour import ColourJitter, solarised

MOST = 30
OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "saturation", "contrast",
    "sharpness", "posterise", "solarise", "autocontrast", "equalise",
)  # fmt: skip
"""The list and ranges of torchvision's RandAugment, which are those of the paper's released code but for its Invert and Cutout."""

_JITTER = ColourJitter()


@dataclass(frozen=True)
class RandAugment:
    """`layers` operations drawn evenly from a list of 14, each at `magnitude` of 30 (Cubuk et al. 2020, arXiv 1909.13719).

    Signed operations go either way with equal chance. Geometric ones move boxes and masks along; after two of them a
    box is the box of a box, so it may be loose by some pixels. Unlike torchvision's, shears are about the centre of the
    image, not about its corner, and shifts are not rounded to pixels.
    """

    layers: int = 2
    magnitude: int = 10

    def __post_init__(self) -> None:
        checks.within(self, "layers", 0)
        checks.within(self, "magnitude", 0, MOST)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        steps = []
        for _ in range(self.layers):
            name = OPERATIONS[int(rng.integers(len(OPERATIONS)))]
            sign = 1 if rng.random() < 0.5 else -1
            steps.append([name, _value(name, self.magnitude / MOST, sign, height, width)])
        return {"steps": steps}

    def apply(self, image: Image, params: Params) -> Image:
        for name, value in params["steps"]:
            image = _applied(image, name, value)
        return image

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        for name, value in params["steps"]:
            moved = _matrix(name, value, height, width)
            boxes = boxes if moved is None else warped_boxes(boxes, moved, height, width)
        return boxes

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        for name, value in params["steps"]:
            moved = _matrix(name, value, *mask.shape)
            mask = mask if moved is None else warped_mask(mask, moved)
        return mask

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        back = SAME
        for name, value in params["steps"]:
            moved = _matrix(name, value, height, width)
            back = back if moved is None else after(back, warped_origin(moved))
        return back, height, width


def _value(name: str, strength: float, sign: int, height: int, width: int) -> float:
    """The argument of an operation at `strength` in [0, 1]."""
    if name in ("shear_x", "shear_y"):
        return sign * 0.3 * strength
    if name in ("translate_x", "translate_y"):
        return sign * 150 / 331 * strength * (width if name == "translate_x" else height)
    if name == "rotate":
        return sign * 30 * strength
    if name in ("brightness", "saturation", "contrast", "sharpness"):
        return 1 + sign * 0.9 * strength
    if name == "posterise":
        return 8 - round(4 * strength)
    return 255 * (1 - strength) if name == "solarise" else 0.0


def _matrix(name: str, value: float, height: int, width: int) -> NDArray[np.float64] | None:
    if name == "rotate":
        return matrix(height, width, angle=value)
    if name in ("translate_x", "translate_y"):
        return matrix(height, width, **{name[-1]: value})
    return matrix(height, width, **{name: value}) if name in ("shear_x", "shear_y") else None


def _applied(image: Image, name: str, value: float) -> Image:
    moved = _matrix(name, value, *image.shape[:2])
    if moved is not None:
        return warped(image, moved)
    if name in ("brightness", "saturation", "contrast"):
        plain = {"brightness": 1, "saturation": 1, "contrast": 1, "hue": 0, "order": [0, 1, 2]}
        return _JITTER.apply(image, {**plain, name: value})
    if name == "sharpness":
        return _sharpness(image, value)
    if name == "posterise":
        return image & np.uint8(256 - (1 << (8 - int(value))))
    if name == "solarise":
        return solarised(image, value)
    if name == "autocontrast":
        return _autocontrast(image)
    return _equalised(image) if name == "equalise" else image


def _sharpness(image: Image, factor: float) -> Image:
    import cv2

    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
    soft = image.copy()
    soft[1:-1, 1:-1] = np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)[1:-1, 1:-1]
    return np.asarray(cv2.addWeighted(image, factor, soft, 1 - factor, 0), np.uint8)


def _autocontrast(image: Image) -> Image:
    """Each channel's darkest value to 0 and its brightest to 255; a channel of one value stays."""
    import cv2

    table = np.empty((1, 256, 3), np.uint8)
    values = np.arange(256, dtype=np.float32)
    for number, channel in enumerate(cv2.split(image)):
        low, high = (np.float32(value) for value in cv2.minMaxLoc(channel)[:2])
        stretched = (values - low) * (np.float32(255) / (high - low)) if high > low else values
        table[0, :, number] = np.clip(stretched, 0, 255)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _equalised(image: Image) -> Image:
    """Each channel's histogram made flat, as in Pillow."""
    import cv2

    table = np.empty((1, 256, 3), np.uint8)
    for number, channel in enumerate(cv2.split(image)):
        counts = cv2.calcHist([channel], [0], None, [256], [0, 256]).reshape(-1).astype(np.int64)
        step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
        even = np.arange(256) if step == 0 else np.minimum((np.cumsum(counts) - counts + step // 2) // step, 255)
        table[0, :, number] = even
    return np.asarray(cv2.LUT(image, table), np.uint8)
