"""What is kept of pixels tells whether, and how far, others differ."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from veduta.learn.augment.witness import crc, sketch


def test_the_sketches_tell_how_far_images_have_moved() -> None:
    """Root mean square of noise, of a shift of all pixels, and of a change of one corner, from 400 pairs of sketches each."""
    rng = np.random.default_rng(0)
    for change in ("noise", "shift", "corner"):
        true, told = [], []
        for key in range(400):
            one = rng.integers(20, 230, (9, 11, 3), dtype=np.uint8)
            other = one.copy()
            if change == "noise":
                other = (one + rng.integers(-3, 4, one.shape)).astype(np.uint8)
            elif change == "shift":
                other = one + np.uint8(3)
            else:
                other[:2, :2] = 255
            true.append(((one.astype(int) - other) ** 2).sum())
            told.append((sketch(one, key) - sketch(other, key)) ** 2)
        assert np.mean(told) == pytest.approx(np.mean(true), rel=0.25), change


def test_the_marks_are_of_the_bytes_whatever_their_layout() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert crc(pixels) == zlib.crc32(pixels.tobytes())
    turned = np.asfortranarray(pixels)
    assert (crc(turned), sketch(turned, 7)) == (crc(pixels), sketch(pixels, 7))
    bits = [
        int(b)
        for word in np.random.Philox(key=7).random_raw(1)
        for b in np.unpackbits(np.array([word], "<u8").view(np.uint8))
    ]
    assert sketch(pixels, 7) == sum(int(v) * (1 if b else -1) for v, b in zip(pixels.reshape(-1), bits, strict=False))
