from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from veduta.encode.base import Preprocess, checked, fingerprint, resized, unit
from veduta.errors import BadInput


def _smooth(height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (3_000, 2), (224, 224), (300, 200), (223, 1000)])
def test_every_shape_becomes_the_square(shape: tuple[int, int]) -> None:
    for resize in (224, 256):
        square = Preprocess(224, resize).prepare(np.zeros((*shape, 3), np.uint8))
        assert square.shape == (224, 224, 3)
        assert square.dtype == np.uint8
        assert square.flags.c_contiguous


def test_an_image_of_the_right_size_is_only_cropped() -> None:
    image = _smooth(256, 300)
    assert np.array_equal(Preprocess(224, 256).prepare(image), image[16:240, 38:262])


@pytest.mark.parametrize(("height", "width"), [(120, 160), (256, 340), (500, 400), (1024, 1400)])
def test_prepare_is_close_to_pillow(height: int, width: int) -> None:
    image = _smooth(height, width)
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(image[top : top + short, left : left + short])
    expected = np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC), float)
    assert np.abs(Preprocess(224, 224).prepare(image) - expected).mean() < 2.5


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((896, 896, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resized(stripes, 224, "bilinear").astype(float) - 127.5).max() <= 1


def test_what_is_no_image_is_refused() -> None:
    for wrong in (
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
    ):
        with pytest.raises(BadInput):
            Preprocess().prepare(wrong)
    with pytest.raises(BadInput, match="224"):
        checked(np.zeros((2, 256, 256, 3), np.uint8), 224)


@pytest.mark.parametrize(
    "wrong", [{"side": 0}, {"side": 224, "resize": 200}, {"std": (0.0, 1.0, 1.0)}, {"interpolation": "nearest"}]
)
def test_wrong_preprocessing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Preprocess(**wrong)  # type: ignore[arg-type]


def test_unit_keeps_zero_rows() -> None:
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert np.allclose(vectors, [[0.6, 0.8], [0, 0]])
    assert vectors.dtype == np.float32


def test_fingerprint_knows_values_not_order() -> None:
    assert fingerprint(a=1, b=[2]) == fingerprint(b=[2], a=1) != fingerprint(a=1, b=[3])
