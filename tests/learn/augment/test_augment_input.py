"""Parameters that mean nothing, and images that are not images, get a sentence; odd sizes do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from veduta.errors import BadInput
from veduta.learn import augment

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: augment.RandomResizedCrop(0), "size of RandomResizedCrop must be at least 1, got 0"),
    (
        lambda: augment.RandomResizedCrop(32, (0.9, 0.1)),
        "scale of RandomResizedCrop must be two rising numbers from 0 to 1",
    ),
    (lambda: augment.RandomResizedCrop(32, ratio=(0.0, 1.0)), "ratio of RandomResizedCrop .* above 0"),
    (lambda: augment.CentreCrop(32, 1.5), "share of CentreCrop must be at least 0 and at most 1, got 1.5"),
    (lambda: augment.PadCrop(32, 32), "pad of PadCrop must be at least 0 and at most 31, got 32"),
    (lambda: augment.PadCrop(32, 4, "wrap"), "border of PadCrop must be zero or reflect, got 'wrap'"),
    (lambda: augment.HorizontalFlip(2.0), "p of HorizontalFlip"),
    (lambda: augment.ColourJitter(-1.0), "brightness of ColourJitter must be at least 0, got -1"),
    (lambda: augment.ColourJitter(contrast=(1.4, 0.6)), "contrast of ColourJitter"),
    (lambda: augment.ColourJitter(hue=0.9), "hue of ColourJitter"),
    (lambda: augment.Greyscale(float("nan")), "p of Greyscale"),
    (lambda: augment.Solarise(threshold=300), "threshold of Solarise"),
    (lambda: augment.GaussianBlur(sigma=(-1.0, 2.0)), "sigma of GaussianBlur"),
    (lambda: augment.Affine(scale=(0.0, 1.0)), "scale of Affine"),
    (lambda: augment.Erasing(area=(0.1, 1.5)), "area of Erasing"),
    (lambda: augment.RandAugment(2, 99), "magnitude of RandAugment must be at least 0 and at most 30, got 99"),
    (lambda: augment.Mixup(-1.0), "alpha of Mixup must be above 0"),
    (lambda: augment.CutMix(float("inf")), "alpha of CutMix must be above 0"),
    (lambda: augment.view("train", 0), "size of RandomResizedCrop"),
    (lambda: augment.View((), 0), "size of View"),
]


@pytest.mark.parametrize(("make", "sentence"), WRONG, ids=[sentence[:30] for _, sentence in WRONG])
def test_parameters_out_of_range_get_a_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        make()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3), np.float32),
        np.zeros((0, 9, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_only_rgb_of_8_bits_is_seen(image: np.ndarray) -> None:
    view = augment.view("train", 32)
    params = view.sample(np.random.default_rng(0), 9, 9)
    for see in (lambda: view(image, np.random.default_rng(0)), lambda: view.apply(image, params)):
        with pytest.raises(BadInput, match=r"must be \(h, w, 3\) uint8 .* got .*; convert it"):
            see()


@pytest.mark.parametrize("name", augment.names())
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_images_of_a_pixel_or_a_line_are_seen(name: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    view = augment.view(name, 32)
    for seed in range(3):
        seen = view(image, np.random.default_rng(seed))
        params = view.sample(np.random.default_rng(seed), *shape)
        assert seen.shape == (32, 32, 3)
        assert (view.apply(image, params) == seen).all()
        assert view.boxes(np.zeros((0, 4)), params, *shape).shape == (0, 4)
        assert view.masks(np.zeros(shape, np.uint8), params).shape == (32, 32)
