"""`yunet:FILE`: faces by YuNet (Wu, Peng and Yu 2023, Machine Intelligence Research 20; github ShiqiYu/libfacedetection.train).

The network takes BGR in [0, 255] of any size whose sides are multiples of 32, and gives at strides 8, 16 and 32 a class chance
c and an objectness o for each cell, and a box: offset of its centre from the cell's corner and logarithm of its size, in
strides. A box scores sqrt(c o). Images are looked at with the long side at most 640 pixels, never enlarged: faces from about
10 pixels there. OpenCV's FaceDetectorYN gives the same boxes; here the network runs in ONNX Runtime as the others do.
About 9 ms an image of 640 x 480 pixels on one core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.detect.base import FLOOR, Boxes, Network, bgr, check, fit, suppressed

STRIDES = (8, 16, 32)
LONG_SIDE = 640
OVERLAP = 0.3


class YuNet:
    """See the head of this file."""

    threshold = 0.7
    side = LONG_SIDE

    def __init__(self, file: str) -> None:
        self._net = Network("yunet", file, outputs=4 * len(STRIDES))
        self.name = self._net.name
        check(self, file)

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        return [self._find(image) for image in images]  # of different sizes, so that there is no batch to be had

    def _find(self, image: NDArray[np.uint8]) -> Boxes:
        scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
        inner = [max(1, round(edge * scale)) for edge in image.shape[:2]]
        padded = np.zeros((*(-(-edge // 32) * 32 for edge in inner), 3), np.uint8)
        padded[: inner[0], : inner[1]] = fit(image, inner[0], inner[1])[0]
        width = padded.shape[1]
        outputs = dict(zip(self._net.names(), self._net(bgr([padded])), strict=True))
        found = []
        for stride in STRIDES:
            chances = outputs[f"cls_{stride}"][0, :, 0].clip(0, 1) * outputs[f"obj_{stride}"][0, :, 0].clip(0, 1)
            if not np.isfinite(chances).all():
                raise ValueError("the network's answer is not finite")
            scores = np.sqrt(chances)
            some = np.flatnonzero(scores >= FLOOR)
            offset = outputs[f"bbox_{stride}"][0, some]
            y, x = np.divmod(some, width // stride)
            centre = (np.stack([x, y], 1) + offset[:, :2]) * stride
            half = np.exp(offset[:, 2:].clip(max=10)) * stride / 2
            found.append(np.concatenate([centre - half, centre + half, scores[some, None]], 1))
        boxes = np.concatenate(found).astype(np.float32) / np.array([scale] * 4 + [1], np.float32)
        return suppressed(boxes, image.shape, OVERLAP)


def load(file: str) -> YuNet:
    """Opener of the kind `yunet`."""
    return YuNet(file)
