"""What is a copy by its pixels, and what only looks like one from afar."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from veduta.select.pixels import same, small, turned


def photo(seed: int, size: tuple[int, int] = (240, 200)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)
    fine = rng.integers(-12, 13, (size[1], size[0], 1))
    return np.clip(cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC).astype(int) + fine, 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


CHANGES = {
    "jpeg 30": lambda image: jpeg(image, 30),
    "half": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "cropped by a tenth": lambda image: image[: int(len(image) * 0.9), : int(image.shape[1] * 0.9)],
    "brighter": lambda image: np.clip(image * 1.1, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_altered_copies_are_the_same(change: str) -> None:
    for seed in range(4):
        image = photo(seed)
        assert same(small(image), small(CHANGES[change](image)))
        assert not same(small(photo(seed + 10)), small(CHANGES[change](image)))


def flag(*colours: str) -> np.ndarray:
    image = Image.new("RGB", (120, 80))
    draw = ImageDraw.Draw(image)
    for i, colour in enumerate(colours):
        draw.rectangle([i * 40, 0, i * 40 + 39, 79], fill=colour)
    return np.asarray(image)


def face(happy: bool) -> np.ndarray:
    image = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse([8, 8, 120, 120], fill="gold", outline="black", width=3)
    for x in (44, 84):
        draw.ellipse([x - 6, 40, x + 6, 56], fill="black")
    draw.arc(
        [36, 60, 92, 100] if happy else [36, 84, 92, 124], *((10, 170) if happy else (190, 350)), fill="black", width=5
    )
    return np.asarray(image)


def test_flags_and_faces_differ() -> None:
    assert not same(small(flag("blue", "white", "red")), small(flag("green", "white", "red")))
    assert not same(small(flag("black", "yellow", "red")), small(flag("green", "yellow", "red")))
    assert not same(small(face(True)), small(face(False)))
    assert same(small(face(True)), small(jpeg(face(True), 60)))


def test_pictures_without_structure_need_equal_pixels() -> None:
    def plain(level: int) -> np.ndarray:
        return np.full((90, 120, 3), level, np.uint8)

    ramp = np.linspace(0, 1, 120)[None, :, None]
    shallow, steep = (
        np.tile(low + (high - low) * ramp, (90, 1, 3)).astype(np.uint8) for low, high in ((60, 200), (0, 255))
    )
    assert same(small(plain(200)), small(jpeg(plain(200), 80)))
    assert not same(small(plain(200)), small(plain(206)))
    assert not same(small(shallow), small(steep))
    assert same(small(shallow), small(shallow[::2, ::2]))


def test_turned_is_what_numpy_does() -> None:
    image = photo(3)
    assert same(turned(small(image), 1, True), small(np.ascontiguousarray(np.rot90(image[:, ::-1]))))
    assert not same(small(image), small(image[:, ::-1].copy()))
