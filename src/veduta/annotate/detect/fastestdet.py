"""`fastestdet:FILE`: persons by FastestDet (github dog-qiuqiu/FastestDet, BSD-3), 80 COCO classes in 0.24 million weights.

The network takes BGR in [0, 1], squeezed to a square, and gives for each of 22 x 22 cells an objectness o, a box (tanh of
the offset from the cell's corner, sigmoid of width and height) and class scores c; a box scores o^0.6 c^0.4. Its outputs
are already between 0 and 1 where they are chances. About 4 ms an image on one core at 352 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.detect.base import Boxes, Network, bgr, check, resized, suppressed

PERSON = 0
OVERLAP = 0.45


class FastestDet:
    """See the head of this file."""

    threshold = 0.55

    def __init__(self, file: str) -> None:
        self._net = Network("fastestdet", file, outputs=1)
        self.name, self.side = self._net.name, int(self._net.size[0])
        check(self, file)

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        pixels = bgr([resized(image, self.side, self.side) for image in images]) / 255
        (outputs,) = self._net(pixels)
        return [
            suppressed(_boxes(cells, *image.shape[:2]), image.shape, OVERLAP)
            for image, cells in zip(images, outputs, strict=True)
        ]


def _boxes(cells: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """One image's output (5 + classes, rows, columns) to (cells, 5) boxes in an image of height x width."""
    _, rows, columns = cells.shape
    y, x = np.mgrid[:rows, :columns]
    centre_x, centre_y = (np.tanh(cells[1]) + x) / columns, (np.tanh(cells[2]) + y) / rows
    wide, high = (1 / (1 + np.exp(-cells[3:5]))) / 2
    scores = cells[0].clip(0) ** 0.6 * cells[5 + PERSON].clip(0) ** 0.4
    # The class must be the cell's likeliest: a strong object of another class is not a weak person.
    scores = np.where(cells[5:].argmax(0) == PERSON, scores, 0)
    corners = [
        (centre_x - wide) * width,
        (centre_y - high) * height,
        (centre_x + wide) * width,
        (centre_y + high) * height,
    ]
    return np.stack([*corners, scores], -1).reshape(-1, 5).astype(np.float32)


def load(file: str) -> FastestDet:
    """Opener of the kind `fastestdet`."""
    return FastestDet(file)
