"""What is not the picture: metadata of any size, damage of any kind, the ground under transparency."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin
from test_decode_kinds import CASES

from pictures import encoded, picture
from veduta.engine.decode import decode, ground, to_rgb
from veduta.errors import Undecodable


def _chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    right = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", right if checksum is None else checksum)


PLAIN = encoded(picture(1, (60, 40)), "PNG")
BIG = zlib.compress(bytes(3_000_000))
METADATA = {
    "zTXt": _chunk(b"zTXt", b"workflow\0\0" + BIG),
    "iTXt packed": _chunk(b"iTXt", b"workflow\0\1\0en\0arbeit\0" + BIG),
    "iTXt plain": _chunk(b"iTXt", b"workflow\0\0\0en\0arbeit\0" + b"x" * 3_000_000),
    "tEXt": _chunk(b"tEXt", b"workflow\0" + b"x" * 3_000_000),
    "iCCP": _chunk(b"iCCP", b"profile\0\0" + BIG),
    "a bomb of 1 GB": _chunk(b"zTXt", b"bomb\0\0" + zlib.compress(zlib.compress(bytes(1_000_000)) * 50)),
    "many small texts": b"".join(_chunk(b"zTXt", b"t\0\0" + zlib.compress(bytes(200_000))) for _ in range(400)),
    "a damaged text": _chunk(b"tEXt", b"workflow\0x", checksum=1),
    "an unknown chunk": _chunk(b"abCd", b"x" * 100_000),
    "a damaged packing": _chunk(b"iCCP", b"profile\0\0not packed"),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_of_a_png_never_costs_the_picture(name: str):
    at = PLAIN.index(b"IDAT") - 4
    seen = decode(PLAIN[:at] + METADATA[name] + PLAIN[at:])
    assert np.array_equal(seen.pixels, decode(PLAIN).pixels)
    late = decode(PLAIN[:-12] + METADATA[name] + PLAIN[-12:])
    assert np.array_equal(late.pixels, seen.pixels)


def test_orientation_stays_where_other_metadata_is_passed_over():
    exif, info = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112] = 6
    info.add_itxt("workflow", "x" * 3_000_000, zip=True)
    seen = decode(encoded(picture(1, (60, 40)), "PNG", pnginfo=info, exif=exif))
    assert (seen.orientation, seen.width, seen.height) == (6, 40, 60)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF", "PNG", "AVIF"])
def test_large_profiles_and_exif_are_passed_over(form: str):
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = 6, b"ASCII\0\0\0" + b"x" * 50_000
    seen = decode(encoded(picture(1, (60, 40)), form, exif=exif, icc_profile=bytes(2_000_000)))
    assert (seen.orientation, seen.width, seen.height) == (6, 40, 60)


def test_damaged_files_of_every_kind_are_undecodable_and_nothing_else():
    rng = random.Random(0)
    for name, (data, _, _) in CASES.items():
        for _ in range(6):
            broken = bytearray(data)
            for _ in range(rng.randrange(1, 9)):
                broken[rng.randrange(min(len(broken), rng.choice((64, 400, 1 << 20))))] = rng.choice(
                    (0, 1, 127, 128, 255)
                )
            cut = rng.randrange(len(broken)) if rng.random() < 0.3 else len(broken)
            with contextlib.suppress(Undecodable):
                assert decode(bytes(broken[:cut]), 16).pixels.dtype == np.uint8, name


def test_kinds_of_jpeg_that_are_not_read_are_named():
    data = bytearray(encoded(picture(1), "JPEG"))
    at = data.index(b"\xff\xc0")
    for marker, depth, name in ((0xC1, 12, "JPEG of 12 bits"), (0xC3, 8, "lossless JPEG"), (0xF7, 8, "JPEG-LS")):
        data[at + 1], data[at + 4] = marker, depth
        with pytest.raises(Undecodable, match=f"^unsupported: {name}"):
            decode(bytes(data))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"8BPS\0\1", "unsupported: Photoshop PSD"),
        (b"gimp xcf v011", "unsupported: GIMP XCF"),
        (b"v/1\x01", "unsupported: OpenEXR"),
        (b"\0\0\0\x18ftypisom", "not an image in a known format (MP4 video)"),
        (b"version https://git-lfs.github.com/spec/v1", "not an image in a known format (Git LFS pointer); run: git lfs pull"),
    ],
)  # fmt: skip
def test_what_is_known_and_not_read_is_named(start: bytes, words: str):
    with pytest.raises(Undecodable) as caught:
        decode(start + bytes(300))
    assert str(caught.value).startswith(words)


def _icon(colour: tuple[int, int, int], mode: str = "RGBA") -> Image.Image:
    icon = Image.new("RGBA", (64, 64), (*colour, 0))
    ImageDraw.Draw(icon).ellipse([10, 10, 50, 40], fill=(*colour, 255))
    return icon.convert(mode)


@pytest.mark.parametrize(
    ("colour", "dark"),
    [
        ((255, 255, 255), True), ((240, 240, 240), True), ((250, 255, 245), True),
        ((255, 255, 0), False), ((200, 200, 200), False), ((0, 0, 0), False), ((200, 255, 255), False),
    ],
)  # fmt: skip
def test_the_ground_is_black_only_where_white_would_hide_the_picture(colour: tuple[int, int, int], dark: bool):
    for form in ("PNG", "WEBP", "TIFF"):
        seen = decode(encoded(_icon(colour), form, **({"lossless": True, "exact": True} if form == "WEBP" else {})))
        assert seen.pixels[0, 0].tolist() == [0 if dark else 255] * 3
        assert seen.pixels[25, 30].tolist() == list(colour)
        assert (ground.DARK in seen.remarks) == dark
    assert np.array_equal(to_rgb(_icon(colour)), decode(encoded(_icon(colour), "PNG")).pixels)


def test_a_large_transparent_picture_is_laid_in_parts():
    values = np.random.default_rng(0).integers(0, 256, (1003, 1501, 4), np.uint8)
    data = encoded(Image.fromarray(values), "PNG")
    whole, small = decode(data), decode(data, side=120)
    alpha = values[..., 3:].astype(float) / 255
    assert np.abs(whole.pixels - (values[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    assert np.array_equal(small.pixels, np.asarray(Image.fromarray(whole.pixels).reduce(8)))


def test_the_ground_of_other_kinds_of_transparency():
    palette = _icon((255, 255, 255)).convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    grey = Image.new("L", (8, 8), 7)
    grey.paste(255, (2, 2, 6, 6))
    for data in (encoded(_icon((255, 255, 255), "LA"), "PNG"), encoded(grey, "PNG", transparency=7)):
        seen = decode(data)
        assert (seen.pixels[0, 0].tolist(), seen.remarks) == ([0, 0, 0], (ground.DARK,))
    assert (decode(encoded(Image.new("RGBA", (4, 4), (255, 255, 255, 0)), "PNG")).pixels == 255).all()
    outlined = _icon((255, 255, 255))
    ImageDraw.Draw(outlined).ellipse([10, 10, 50, 40], outline=(0, 0, 0, 255), width=2)
    assert decode(encoded(outlined, "PNG")).pixels[0, 0].tolist() == [255] * 3


def test_alpha_that_no_program_ever_set_hides_nothing():
    colours = picture(3, (40, 32))
    clear = colours.convert("RGBA")
    clear.putalpha(0)
    out = io.BytesIO()
    clear.save(out, "TGA")
    assert np.array_equal(decode(out.getvalue()).pixels, np.asarray(colours))
