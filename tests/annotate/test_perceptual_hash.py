"""Hashes against a DCT from scipy, and how they change with the picture."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pictures import encoded, picture
from veduta.annotate.perceptual_hash import PerceptualHash, dhash, phash, thumbnails
from veduta.engine.decode import decode
from veduta.engine.operation import Batch


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.unpackbits(a ^ b).sum())


def test_phash_is_the_sign_of_low_dct_coefficients_about_their_median():
    scipy_fft = pytest.importorskip("scipy.fft")
    images = [np.asarray(picture(i)) for i in range(8)]
    luma = thumbnails(images, 32, 32)
    for image, code in zip(luma, phash(images), strict=True):
        low = scipy_fft.dctn(image.astype(np.float64), type=2)[:8, :8]
        assert distance(np.packbits(low > np.median(low)), code) <= 1  # the coefficient next to the median may tie


def test_phash_agrees_with_a_lanczos_reference_within_a_few_bits():
    scipy_fft = pytest.importorskip("scipy.fft")
    for seed in range(8):
        image = picture(seed, (300, 200))
        small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
        low = scipy_fft.dctn(small, type=2)[:8, :8]
        assert distance(np.packbits(low > np.median(low)), phash([np.asarray(image)])[0]) <= 6


def test_dhash_compares_neighbours():
    images = [np.asarray(picture(i)) for i in range(3)]
    for image, code in zip(thumbnails(images, 9, 8), dhash(images), strict=True):
        bits = [int(image[y, x + 1] > image[y, x]) for y in range(8) for x in range(8)]
        assert np.unpackbits(code).tolist() == bits


@pytest.mark.parametrize("function", [phash, dhash])
def test_copies_are_near_and_other_pictures_far(function):
    original = [picture(i, (400, 300)) for i in range(6)]
    codes = function([np.asarray(i) for i in original])
    scaled = function([np.asarray(i.resize((200, 150), Image.Resampling.BICUBIC)) for i in original])
    pressed = function([decode(encoded(i, quality=40)).pixels for i in original])
    for i in range(6):
        assert distance(codes[i], scaled[i]) <= 6
        assert distance(codes[i], pressed[i]) <= 8
        assert all(distance(codes[i], codes[j]) > 10 for j in range(i))


def test_orientation_counts_as_shown():
    image = picture(1, (200, 120))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = image.transpose(Image.Transpose.ROTATE_90)
    same = decode(encoded(turned, quality=95, exif=exif.tobytes())).pixels
    assert distance(phash([np.asarray(image)])[0], phash([same])[0]) <= 6


def test_the_column_is_eight_bytes_and_tiny_pictures_have_one_too():
    rows = pa.RecordBatch.from_pydict({"key": ["a", "b"]})
    images = [np.asarray(picture(0)), np.zeros((1, 1, 3), np.uint8)]
    made = PerceptualHash().annotate(Batch(images, rows))["hash"]
    assert made.type == pa.binary(8)
    assert made.null_count == 0
    assert made[0].as_py() == phash(images)[0].tobytes()
    other = PerceptualHash(algorithm="dhash", column="steps").annotate(Batch(images, rows))["steps"]
    assert other[0].as_py() == dhash(images)[0].tobytes()
