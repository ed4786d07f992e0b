from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from pictures import picture
from veduta.errors import BadInput
from veduta.judge.corruptions import LEVELS, NAMES, corrupted, strength

IMAGE = np.asarray(picture(3, (96, 80)))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", NAMES)
def test_every_level_is_worse_and_deterministic(name: str):
    before = IMAGE.copy()
    far = [float(np.abs(corrupted(IMAGE, name, level, rng()).astype(float) - IMAGE).mean()) for level in LEVELS]
    assert far == sorted(far)
    assert far[0] > 0
    made = corrupted(IMAGE, name, 3, rng())
    assert made.shape == IMAGE.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, corrupted(IMAGE, name, 3, rng()))
    assert np.array_equal(IMAGE, before)


def test_contrast_blur_and_jpeg_are_what_their_definitions_say():
    scaled = IMAGE / 255.0
    mean = scaled.mean((0, 1), keepdims=True)
    wanted = np.clip((scaled - mean) * 0.2 + mean, 0, 1) * 255
    assert np.abs(corrupted(IMAGE, "contrast", 3, rng()) - wanted).max() <= 1
    blurred = gaussian_filter(scaled, (2, 2, 0), mode="mirror", truncate=4) * 255
    assert np.abs(corrupted(IMAGE, "gaussian-blur", 2, rng()) - blurred).max() <= 2
    stream = io.BytesIO()
    Image.fromarray(IMAGE).save(stream, "JPEG", quality=15)
    again = np.asarray(Image.open(stream), float)
    assert np.abs(corrupted(IMAGE, "jpeg", 3, rng()) - again).mean() < 2


def test_noise_has_its_deviation():
    grey = np.full((128, 128, 3), 128, np.uint8)
    assert corrupted(grey, "gaussian-noise", 1, rng()).astype(float).std() / 255 == pytest.approx(0.08, rel=0.03)


def test_small_images_get_the_levels_of_small_images():
    assert strength("jpeg", 5, 32) == 40
    assert strength("jpeg", 5, 224) == 7


def test_unknown_names_and_levels():
    with pytest.raises(BadInput, match="one of gaussian-noise"):
        corrupted(IMAGE, "fog", 1, rng())
    with pytest.raises(BadInput, match="level from 1 to 5"):
        corrupted(IMAGE, "jpeg", 6, rng())
