"""Rotation, translation, scale and shear about the centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment import checks
from veduta.learn.augment.base import Boxes, Image, Map, Params, clipped

FILL = (128, 128, 128)


@dataclass(frozen=True)
class Affine:
    """With probability `p`, a rotation in [-degrees, degrees], a shift of at most `translate` of either side, a scale.

    What comes from outside the image is mid-grey (masks: 0). The image keeps its size. A box becomes the upright box around
    its moved corners.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    p: float = 1.0

    def __post_init__(self) -> None:
        checks.within(self, "degrees", 0)
        checks.within(self, "translate", 0, 1)
        checks.span(self, "scale", 0, above=True)
        checks.within(self, "p", 0, 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        if rng.random() >= self.p:
            return {}
        angle, x, y = (rng.uniform(-1, 1, 3) * [self.degrees, self.translate * width, self.translate * height]).tolist()
        return {"matrix": matrix(height, width, angle=angle, x=x, y=y, scale=rng.uniform(*self.scale)).tolist()}

    def apply(self, image: Image, params: Params) -> Image:
        return warped(image, params["matrix"]) if params else image

    def boxes(self, boxes: Boxes, params: Params, height: int, width: int) -> Boxes:
        return warped_boxes(boxes, params["matrix"], height, width) if params else boxes

    def masks(self, mask: NDArray[np.uint8], params: Params) -> NDArray[np.uint8]:
        return warped_mask(mask, params["matrix"]) if params else mask

    def origin(self, params: Params, height: int, width: int) -> tuple[Map, int, int]:
        return warped_origin(params["matrix"]), height, width


def matrix(
    height: int,
    width: int,
    *,
    angle: float = 0.0,
    x: float = 0.0,
    y: float = 0.0,
    scale: float = 1.0,
    shear_x: float = 0.0,
    shear_y: float = 0.0,
) -> NDArray[np.float64]:
    """(2, 3): where a point of the image goes. angle in degrees, clockwise as seen; x, y in pixels; shear as tangents."""
    turn = math.radians(angle)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.array([[1.0, shear_x], [shear_y, 1.0]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([linear, centre + np.array([x, y]) - linear @ centre])


def warped(image: Image, by: object) -> Image:
    """The image moved by a (2, 3) matrix, linear between pixels."""
    import cv2

    height, width = image.shape[:2]
    return np.asarray(
        cv2.warpAffine(image, np.asarray(by, np.float64), (width, height), flags=cv2.INTER_LINEAR, borderValue=FILL),
        np.uint8,
    )


def warped_mask(mask: NDArray[np.uint8], by: object) -> NDArray[np.uint8]:
    """The mask moved by a (2, 3) matrix, by the nearest pixel."""
    import cv2

    height, width = mask.shape
    return np.asarray(
        cv2.warpAffine(mask, np.asarray(by, np.float64), (width, height), flags=cv2.INTER_NEAREST), np.uint8
    )


def warped_boxes(boxes: Boxes, by: object, height: int, width: int) -> Boxes:
    """Boxes around the moved corners; pixel edges are half a pixel from their centres."""
    m = np.asarray(by, np.float64)
    corners = np.asarray(boxes, np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) - 0.5
    moved = corners @ m[:, :2].T + m[:, 2] + 0.5
    return clipped(np.concatenate([moved.min(1), moved.max(1)], axis=1), height, width)


def warped_origin(by: object) -> Map:
    """Where the pixels of an image come from that was moved by a (2, 3) matrix."""
    m = np.asarray(by, np.float64)
    back = np.linalg.inv(m[:, :2])
    (a, b), (d, e) = back.tolist()
    c, f = (0.5 - back @ (m[:, 2] + 0.5)).tolist()  # pixel edges are half a pixel from their centres
    return a, b, c, d, e, f
