"""Several views of one image, whose scores are averaged.

Sharif Razavian et al. 2014 (arXiv 1403.6382), CNNaug: each image is shown as itself, five crops (the corners and the
centre), two small rotations, and the mirror image of each: 16 views. The first 8 are those without mirrors. The size
of the crops and the angle are as we recall them: 4/9 of the area, 15 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from veduta.encode.base import Encoder

Views = Literal[1, 8, 16]
CROP = 2 / 3
ANGLE = 15.0


def views(image: NDArray[np.uint8], count: Views) -> list[NDArray[np.uint8]]:
    """`count` views of one image (h, w, 3) uint8, the image itself first; crops are smaller, rotations of its size."""
    if count == 1:
        return [image]
    shown = [image, *_crops(image), _rotated(image, ANGLE), _rotated(image, -ANGLE)]
    if count == 16:
        shown += [np.ascontiguousarray(view[:, ::-1]) for view in shown]
    return shown


def embed(image: NDArray[np.uint8], count: Views, model: Encoder, *, whole: bool = False) -> NDArray[np.float32]:
    """One image (h, w, 3) uint8 to the unit vectors (count, d) of its views.

    whole: each view is squeezed into the encoder's square, as in the paper, so that no border is lost to its crop.
    """
    return model.image(
        np.stack([squeezed(view, model) if whole else model.prepare(view) for view in views(image, count)])
    )


def squeezed(image: NDArray[np.uint8], model: Encoder) -> NDArray[np.uint8]:
    """The whole image (h, w, 3) uint8 at the encoder's (side, side, 3), whatever its aspect."""
    from veduta.encode.base import resized

    return resized(image, model.side, "bilinear")


def _crops(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = image.shape[:2]
    h, w = max(1, round(height * CROP)), max(1, round(width * CROP))
    corners = [(0, 0), (0, width - w), (height - h, 0), (height - h, width - w)]
    places = [*corners, ((height - h) // 2, (width - w) // 2)]
    return [np.ascontiguousarray(image[top : top + h, left : left + w]) for top, left in places]


def _rotated(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """Rotated about its centre; what turns in from outside is the mirrored border, not an artificial black corner."""
    import cv2

    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(
        np.ascontiguousarray(image), turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(turned, np.uint8)
