"""`nanodet:FILE`: persons by NanoDet (RangiLyu 2020, github RangiLyu/nanodet, Apache-2.0), an 80-class COCO detector.

The network takes BGR less (103.53, 116.28, 123.675) over (57.375, 57.12, 58.395), and gives at strides 8, 16 and 32 class
scores in [0, 1] and, for each side of a box, a distribution over 0 ... 7 strides from the cell's centre (generalised focal
loss, Li et al. 2020, arXiv 2006.04388, section 3.2): its mean is the distance. The image lies whole in the input, its
proportions kept. About 18 ms an image on one core at 416 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.detect.base import FLOOR, Boxes, Network, bgr, check, fit, suppressed

PERSON = 0
STRIDES = (8, 16, 32)
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
OVERLAP = 0.6


class NanoDet:
    """See the head of this file."""

    threshold = 0.35

    def __init__(self, file: str) -> None:
        self._net = Network("nanodet", file, outputs=2 * len(STRIDES))
        self.name, self.side = self._net.name, int(self._net.size[0])
        self._cells = [_cells(self.side, stride) for stride in STRIDES]
        check(self, file)

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        fitted = [fit(image, self.side, self.side) for image in images]
        pixels = bgr([square for square, _ in fitted])
        pixels -= np.array(MEAN, np.float32)[:, None, None]
        pixels /= np.array(STD, np.float32)[:, None, None]
        outputs = self._net(pixels)
        return [
            suppressed(self._boxes([out[i] for out in outputs]) / [scale, scale, scale, scale, 1], image.shape, OVERLAP)
            for i, (image, (_, scale)) in enumerate(zip(images, fitted, strict=True))
        ]

    def _boxes(self, outputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """One image's outputs, (cells, classes) and (cells, 4 * bins) by stride, to (m, 5) boxes in the square."""
        found = []
        levels = zip(outputs[: len(STRIDES)], outputs[len(STRIDES) :], self._cells, STRIDES, strict=True)
        for classes, sides, centres, stride in levels:
            scores = classes[:, PERSON]
            if not np.isfinite(scores).all():
                raise ValueError("the network's answer is not finite")
            some = scores >= FLOOR
            shares = np.exp(sides[some].reshape(int(some.sum()), 4, sides.shape[1] // 4))
            shares /= shares.sum(-1, keepdims=True)
            far = shares @ np.arange(shares.shape[-1], dtype=np.float32) * stride
            own = centres[some]
            found.append(np.concatenate([own - far[:, :2], own + far[:, 2:], scores[some, None]], 1))
        return np.concatenate(found)


def _cells(side: int, stride: int) -> NDArray[np.float32]:
    """(cells, 2) x, y of the cells' centres in pixels, row by row."""
    y, x = np.mgrid[: side // stride, : side // stride].reshape(2, -1)
    return (np.stack([x, y], 1).astype(np.float32) + 0.5) * stride


def load(file: str) -> NanoDet:
    """Opener of the kind `nanodet`."""
    return NanoDet(file)
