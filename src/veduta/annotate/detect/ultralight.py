"""`ultralight:FILE`: faces by Ultra-Light-Fast-Generic-Face-Detector-1MB (github Linzaer/..., MIT), one megabyte.

The network takes RGB less 127 over 128, squeezed to 320 x 240, and gives for 4,420 places the chances of background and face,
and boxes in shares of width and height. About 4 ms an image on one core; finds few faces smaller than a tenth of the side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.detect.base import Boxes, Network, bgr, check, resized, suppressed

OVERLAP = 0.3


class UltraLight:
    """See the head of this file."""

    threshold = 0.8

    def __init__(self, file: str) -> None:
        self._net = Network("ultralight", file, outputs=2)
        self._height, self._width = (int(edge) for edge in self._net.size)
        self.name, self.side = self._net.name, self._width
        check(self, file)

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        rgb = bgr([resized(image, self._height, self._width) for image in images])[:, ::-1]
        scores, places = self._net(np.ascontiguousarray((rgb - 127) / 128))
        found = []
        for image, own, boxes in zip(images, scores[..., 1], places, strict=True):
            height, width = image.shape[:2]
            pixels = boxes * np.array([width, height, width, height], np.float32)
            found.append(suppressed(np.concatenate([pixels, own[:, None]], 1), image.shape, OVERLAP))
        return found


def load(file: str) -> UltraLight:
    """Opener of the kind `ultralight`."""
    return UltraLight(file)
