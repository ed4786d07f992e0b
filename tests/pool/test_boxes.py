from __future__ import annotations

import numpy as np
import pytest

from veduta.engine.decode import orient
from veduta.pool.boxes import orient_objects


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_follows_its_pixels(orientation: int):
    stored = np.zeros((20, 30, 3), np.uint8)
    stored[4:9, 10:22] = 255
    seen = orient(stored, orientation)
    height, width = seen.shape[:2]
    (moved,) = orient_objects(
        [{"box": [10, 4, 12, 5], "keypoints": [10.0, 4.0, 2.0], "mask": None}], orientation, width, height
    )
    x, y, w, h = (int(v) for v in moved["box"])
    assert (seen[y : y + h, x : x + w] == 255).all()
    assert seen.sum() == 255 * 3 * w * h
    kx, ky, visible = moved["keypoints"]
    assert visible == 2
    assert x <= kx <= x + w
    assert y <= ky <= y + h
