from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, picture
from veduta.engine.decode import MAX_PIXELS, decode, orient
from veduta.errors import Undecodable


def test_a_plain_jpeg_is_what_pillow_says():
    data = encoded(picture(1), quality=92)
    seen = decode(data)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert (seen.width, seen.height, seen.format) == (160, 120, "JPEG")
    assert np.abs(seen.pixels.astype(int) - reference).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied_like_pillows(orientation: int, form: str):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(2, (64, 40)), form, exif=exif)
    seen = decode(data)
    with Image.open(io.BytesIO(data)) as image:
        reference = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert seen.pixels.shape == reference.shape
    assert (seen.height, seen.width) == reference.shape[:2]
    assert np.abs(seen.pixels.astype(int) - reference).max() <= 4


def test_orient_inverts_itself_where_it_must():
    pixels = np.arange(24).reshape(2, 4, 3)
    for orientation in (1, 2, 3, 4, 5, 7):
        assert np.array_equal(orient(orient(pixels, orientation), orientation), pixels)
    assert np.array_equal(orient(orient(pixels, 6), 8), pixels)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_reduced_decode_keeps_the_asked_side(form: str):
    data = encoded(picture(3, (1000, 700)), form)
    seen = decode(data, side=160)
    assert (seen.width, seen.height) == (1000, 700)
    assert 160 <= min(seen.pixels.shape[:2]) < 320
    whole = np.asarray(Image.fromarray(decode(data).pixels).resize(seen.pixels.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(seen.pixels.astype(float) - whole).mean() < 4


def test_meanings_of_unusual_modes():
    grey16 = Image.fromarray((np.linspace(0, 65535, 64 * 64).reshape(64, 64)).astype(np.uint16))
    seen = decode(encoded(grey16, "PNG")).pixels
    assert seen[0, 0, 0] == 0
    assert seen[-1, -1, 0] == 255
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decode(encoded(clear, "PNG")).pixels == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.info["transparency"] = 1
    assert (decode(encoded(palette, "PNG", transparency=1)).pixels == 255).all()
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode(encoded(cmyk, "JPEG", quality=95)).pixels[0, 0]
    assert red[0] > 200
    assert red[1] < 60
    frames = [Image.new("RGB", (8, 8), c) for c in ((255, 0, 0), (0, 255, 0))]
    first = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).pixels[0, 0]
    assert tuple(first) == (255, 0, 0)
    floating = Image.fromarray(np.full((4, 4), 0.5, np.float32))
    assert decode(encoded(floating, "TIFF")).pixels[0, 0, 0] == 128


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_file_is_never_taken_for_whole(form: str, tenth: int):
    data = encoded(picture(4), form)
    with pytest.raises(Undecodable, match=r"\w"):
        decode(data[: len(data) * tenth // 10])


def test_flipped_bytes_never_raise_anything_else():
    rng = np.random.default_rng(0)
    for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF"):
        data = bytearray(encoded(picture(5, (48, 40)), form))
        for _ in range(40):
            broken = bytearray(data)
            for at in rng.integers(0, len(data), 3):
                broken[at] = int(rng.integers(0, 256))
            with contextlib.suppress(Undecodable):
                assert decode(bytes(broken), 32).pixels.dtype == np.uint8


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_a_huge_header_is_refused_before_memory_is_taken():
    assert MAX_PIXELS < 50_000 * 50_000
    with pytest.raises(Undecodable, match="too large: 50000 x 50000"):
        decode(_png_header(50_000, 50_000))
    jpeg = bytearray(encoded(picture(6)))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 50_000, 50_000)
    with pytest.raises(Undecodable, match="too large"):
        decode(bytes(jpeg))


def test_odd_shapes_and_non_images():
    assert decode(encoded(Image.new("RGB", (1, 1)), "PNG")).pixels.shape == (1, 1, 3)
    assert decode(encoded(Image.new("RGB", (1, 30_000)), "PNG"), 256).pixels.shape == (30_000, 1, 3)
    for content, words in ((b"", "empty"), (b"%PDF-1.4", "PDF"), (b"hello world", "known format")):
        with pytest.raises(Undecodable, match=words):
            decode(content)


def test_broken_exif_loses_nothing():
    data = encoded(picture(7))
    broken = data[:2] + b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff" + data[2:]
    assert decode(broken).pixels.shape == (120, 160, 3)
