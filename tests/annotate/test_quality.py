"""Quality measures against slow references, and the verdicts on degraded pictures."""

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from pictures import picture
from veduta.annotate.measures import canonical_grey, colour, measure, percentiles, sharpness, structure
from veduta.annotate.quality import ISSUES, Quality, scores
from veduta.engine.operation import Batch
from veduta.errors import BadInput


def found(image: np.ndarray) -> set[str]:
    result = scores(measure(image), image.shape[1], image.shape[0])
    return {issue for issue, score in zip(ISSUES, result, strict=True) if score >= 0.5}


def photo(seed: int = 0, size=(320, 256)) -> np.ndarray:
    return np.asarray(picture(seed, size))


def test_sharpness_is_the_structure_function_ratio_of_the_worst_direction():
    grey = np.random.default_rng(0).integers(0, 256, (20, 27), dtype=np.uint8)
    grey[:, 5:] //= 3
    ratios = []
    for dx, dy in ((1, 0), (0, 1), (1, 1), (-1, 1)):
        energy = {}
        for lag in (1, 3):
            squares = []
            for y in range(20):
                for x in range(27):
                    y2, x2 = y + lag * dy, x + lag * dx
                    if 0 <= y2 < 20 and 0 <= x2 < 27:
                        squares.append((int(grey[y, x]) - int(grey[y2, x2])) ** 2)
            energy[lag] = sum(squares) / len(squares) + 0.02
        ratios.append((energy[1] / energy[3]) ** 0.5)
    assert sharpness(grey) == pytest.approx(min(ratios), rel=1e-6)


def test_sharpness_of_a_ramp_is_a_third_and_of_noise_one():
    ramp = np.add.outer(np.arange(64), np.arange(64) * 2).astype(np.uint8)
    assert sharpness(ramp) == pytest.approx(1 / 3, abs=0.01)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    assert sharpness(noise) == pytest.approx(1, abs=0.02)
    assert sharpness(np.full((64, 64), 7, np.uint8)) == 1


def test_structure_removes_the_plane_of_each_tile():
    grey = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    deviations = []
    ys, xs = np.mgrid[:16, :16]
    design = np.stack([np.ones(256), xs.ravel(), ys.ravel()], 1)
    for top in range(0, 64, 16):
        for left in range(0, 64, 16):
            tile = grey[top : top + 16, left : left + 16].astype(float).ravel()
            fit = design @ np.linalg.lstsq(design, tile, rcond=None)[0]
            deviations.append(np.sqrt(np.mean((tile - fit) ** 2)))
    assert structure(grey) == pytest.approx(sorted(deviations)[-2], rel=1e-4)


def test_percentiles_agree_with_numpy():
    grey = np.random.default_rng(2).integers(0, 256, (50, 61), dtype=np.uint8)
    at = (0.01, 0.05, 0.5, 0.95, 0.99)
    assert percentiles(grey, at) == [np.percentile(grey, 100 * q, method="inverted_cdf") for q in at]


def test_colour_is_the_channel_spread():
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 0], image[..., 2] = 90, 30
    assert colour(image) == 90
    assert colour(np.repeat(image[..., :1], 3, axis=2)) == 0


def test_canonical_size():
    assert canonical_grey(np.zeros((512, 700, 3), np.uint8)).shape == (256, 350)
    assert canonical_grey(np.zeros((32, 32, 3), np.uint8)).shape == (32, 32)
    assert canonical_grey(np.zeros((1, 30_000, 3), np.uint8)).shape == (1, 1024)


def natural(seed: int, side: int = 512) -> np.ndarray:
    """A coloured random field whose amplitude falls as one over the frequency, as that of photographs does."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    planes = []
    for _ in range(3):
        plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / frequency, s=(side, side))
        planes.append((plane - plane.mean()) / plane.std() * 50 + 120)
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", [512, 256, 128, 64, 32])
def test_sound_pictures_have_no_issue_at_any_size(seed, side):
    image = Image.fromarray(natural(seed)).resize((side, side), Image.Resampling.BOX)
    assert found(np.asarray(image)) == set()
    assert "blurry" in found(np.asarray(image.filter(ImageFilter.GaussianBlur(2 * max(1, side / 256)))))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("change", "issue"),
    [
        (lambda x: x * 0.2, "dark"),
        (lambda x: 255 - (255 - x) * 0.2, "bright"),
        (lambda x: x.mean() + (x - x.mean()) * 0.15, "low_contrast"),
        (lambda x: np.repeat(x.mean(2, keepdims=True), 3, 2), "grayscale"),
    ],
)
def test_degraded_pictures_are_found(change, issue, seed):
    changed = np.clip(change(photo(seed).astype(np.float32)), 0, 255).astype(np.uint8)
    assert issue in found(changed)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_blur_is_judged_at_the_canonical_size(scale):
    size = (320 * scale, 256 * scale)
    image = Image.fromarray(photo(3)).resize(size, Image.Resampling.BICUBIC)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(2 * scale)))
    assert "blurry" in found(blurred)
    moved = np.zeros((256 * scale, 320 * scale, 3), np.float32)
    for shift in range(9 * scale):
        moved += np.roll(np.asarray(image), shift, axis=1)
    moved = (moved / (9 * scale)).astype(np.uint8)
    assert "blurry" in found(moved)


def test_empty_pictures_are_low_in_information():
    rng = np.random.default_rng(0)
    blank = np.full((200, 300, 3), 240, np.uint8)
    noise = np.clip(128 + rng.normal(0, 2, (200, 300, 3)), 0, 255).astype(np.uint8)
    ramp = np.broadcast_to(np.linspace(20, 230, 300)[None, :, None], (200, 300, 3)).astype(np.uint8)
    dot = blank.copy()
    dot[60:66, 60:66] = 0
    for image in (blank, noise, ramp, dot):
        assert "low_information" in found(image)


def test_an_object_on_white_is_neither_bright_nor_empty():
    image = np.full((256, 256, 3), 255, np.uint8)
    image[70:200, 80:180] = photo(1)[70:200, 80:180]
    assert found(image) == set()


def test_long_pictures_are_odd():
    assert "odd_aspect" in found(photo(0, (640, 200)))
    assert scores(measure(photo(0)), 300, 100)[ISSUES.index("odd_aspect")] == pytest.approx(0.5)


def batch_of(images: list[np.ndarray]) -> Batch:
    sizes = {"width": [i.shape[1] for i in images], "height": [i.shape[0] for i in images]}
    return Batch(
        images, pa.RecordBatch.from_pydict(sizes, schema=pa.schema([("width", pa.int32()), ("height", pa.int32())]))
    )


def test_the_annotator_writes_scores_and_names_by_its_thresholds():
    images = [photo(0), np.zeros((50, 50, 3), np.uint8)]
    made = Quality().annotate(batch_of(images))
    assert set(made) == set(Quality().adds().names)
    assert made["quality_issues"].to_pylist() == [[], ["dark", "low_contrast", "low_information", "grayscale"]]
    strict = Quality(grayscale=1e-9).annotate(batch_of(images))
    assert strict["quality_issues"].to_pylist()[0] == ["grayscale"]
    with pytest.raises(BadInput, match="blurry of quality"):
        Quality(blurry=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_has_scores_between_0_and_1(height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = scores(measure(image), width, height)
    assert np.isfinite(result).all()
    assert (result >= 0).all()
    assert (result <= 1).all()


def test_jpeg_compression_is_no_fault():
    stream = io.BytesIO()
    picture(5, (320, 256)).save(stream, "JPEG", quality=50)
    assert found(np.asarray(Image.open(stream))) == set()
