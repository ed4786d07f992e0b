"""Every kind of sample in every format that holds it, against the very array that the file was written from.

The reference is arithmetic on that array, not another decoder; files are written by Pillow, tifffile or by hand.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from pictures import picture
from veduta.engine.decode import FORMATS, decode
from veduta.errors import Undecodable

WIDTH, HEIGHT = 48, 32
RGB = np.asarray(picture(11, (WIDTH, HEIGHT)))
GREY = np.asarray(picture(12, (WIDTH, HEIGHT)).convert("L"))
ALPHA = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
BITS = GREY > 128


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(values, float)[..., None], 3, axis=2)


def _over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def _pil(mode_array: Image.Image, form: str, **how: object) -> bytes:
    out = io.BytesIO()
    mode_array.save(out, form, **how)
    return out.getvalue()


def _tiff(values: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    how = {"photometric": "minisblack", "metadata": None, **how}
    tifffile.imwrite(out, values, **how)  # pyright: ignore[reportArgumentType]
    return out.getvalue()


def _png16(values: np.ndarray) -> bytes:
    """(h, w) or (h, w, c) uint16 as PNG of 1, 2, 3 or 4 channels, by hand."""
    values = values[..., None] if values.ndim == 2 else values
    height, width, bands = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*c) for c in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _palette(transparent: bool) -> tuple[bytes, np.ndarray, dict[str, object]]:
    indexed = Image.fromarray(RGB).quantize(32)
    table = np.array(indexed.getpalette() or [], np.uint8).reshape(-1, 3)
    index = np.asarray(indexed)
    shown = table[index].astype(float)
    if transparent:
        shown[index == 3] = 255
    return index.tobytes(), shown, {"image": indexed, "how": {"transparency": 3} if transparent else {}}


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB as CIE Lab under D50, the white of TIFF, in 8 bits (a and b signed)."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_d50 = [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    x, y, z = np.moveaxis(linear @ np.array(to_d50).T / [0.96422, 1.0, 0.82521], -1, 0)
    fx, fy, fz = (np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in (x, y, z))
    lab = np.stack([(116 * fy - 16) * 2.55, 500 * (fx - fy), 200 * (fy - fz)], -1)
    return lab.round().astype(np.int16).astype(np.uint8)


def _inked() -> tuple[np.ndarray, np.ndarray]:
    inks = np.dstack([RGB, GREY // 2])
    rest = 255 - inks.astype(float)
    return inks, rest[..., :3] * rest[..., 3:] / 255


W = GREY.astype(np.uint16)
DEEP, DEEP_RGB = W * 257, RGB.astype(np.uint16) * 257


def _cases() -> dict[str, tuple[bytes, np.ndarray, float]]:
    """Name: file, expected RGB as float, tolerance in levels."""
    rgba = np.dstack([RGB, ALPHA])
    la = np.dstack([GREY, ALPHA])
    inks, from_inks = _inked()
    over, grey_over = _over_white(RGB.astype(float), ALPHA), _over_white(_grey(GREY), ALPHA)
    cases: dict[str, tuple[bytes, np.ndarray, float]] = {}

    def add(name: str, data: bytes, expected: np.ndarray, within: float = 1) -> None:
        cases[name] = (data, np.asarray(expected, float), within)

    for form in (
        "PNG",
        "WEBP",
        "TIFF",
        "BMP",
        "TGA",
        "PCX",
        "SGI",
        "PPM",
        "JPEG2000",
        "GIF",
        "QOI",
        "ICO",
        "AVIF",
        "JPEG",
    ):
        lossy = {"AVIF": 8, "JPEG": 6, "GIF": 60}.get(form, 0)
        how: dict[str, object] = {
            "WEBP": {"lossless": True},
            "JPEG": {"quality": 100, "subsampling": 0},
            "AVIF": {"quality": 100, "subsampling": "4:4:4"},
        }.get(form, {})
        if form not in ("ICO", "GIF"):
            add(f"{form} RGB", _pil(Image.fromarray(RGB), form, **how), RGB, lossy)
        if form not in ("ICO", "QOI", "AVIF"):
            add(f"{form} L", _pil(Image.fromarray(GREY), form, **how), _grey(GREY), 0 if form == "GIF" else lossy)
        if form in ("PNG", "TIFF", "BMP", "PCX", "GIF", "PPM"):
            add(f"{form} 1", _pil(Image.fromarray(BITS), form), _grey(BITS * 255), 0)
        if form in ("PNG", "WEBP", "TIFF", "TGA", "JPEG2000", "QOI", "SGI"):
            add(
                f"{form} RGBA",
                _pil(Image.fromarray(rgba), form, **({**how, "exact": True} if form == "WEBP" else how)),
                over,
            )
        if form in ("PNG", "TIFF", "TGA", "JPEG2000"):
            add(f"{form} LA", _pil(Image.fromarray(la), form), grey_over)
        if form in ("PNG", "TIFF", "GIF", "BMP", "TGA", "PCX"):
            _, shown, made = _palette(False)
            add(f"{form} P", _pil(made["image"], form), shown, 0)
    _, shown, made = _palette(True)
    for form in ("PNG", "GIF"):
        add(f"{form} P with a transparent index", _pil(made["image"], form, **made["how"]), shown, 0)

    add("ICO RGBA", _pil(Image.fromarray(rgba), "ICO", sizes=[(WIDTH, HEIGHT)]), over)
    keyed = RGB.copy()
    keyed[4:9, 5:20] = (0, 255, 52)
    clear = keyed.astype(float)
    clear[4:9, 5:20] = 255
    add("PNG RGB with a colour key", _pil(Image.fromarray(keyed), "PNG", transparency=(0, 255, 52)), clear, 0)
    add("JPEG CMYK by Adobe", _pil(Image.fromarray(inks, "CMYK"), "JPEG", quality=100, subsampling=0), from_inks, 8)
    add("TIFF CMYK", _pil(Image.fromarray(inks, "CMYK"), "TIFF"), from_inks)
    add("TIFF CMYK of 16 bits", _tiff(inks.astype(np.uint16) * 257, photometric="separated"), from_inks)
    add("TIFF YCbCr in JPEG", _pil(Image.fromarray(RGB), "TIFF", compression="jpeg", quality=100), RGB, 60)

    add("TIFF Lab", _pil(Image.fromarray(_lab(RGB), "LAB"), "TIFF"), RGB, 24)

    for order in ("<", ">"):
        end = "little" if order == "<" else "big"
        add(f"TIFF 16 bits, {end} endian", _tiff(DEEP, byteorder=order), _grey(GREY))
        add(f"TIFF RGB of 16 bits, {end} endian", _tiff(DEEP_RGB, byteorder=order, photometric="rgb"), RGB)
        add(f"TIFF float, {end} endian", _tiff((GREY / 255).astype(np.float32), byteorder=order), _grey(GREY))
        add(f"TIFF 32 bits, {end} endian", _tiff(W.astype(np.uint32) * 16843009, byteorder=order), _grey(GREY))
    for kind in (np.uint8, np.uint16, np.uint32):
        top = np.iinfo(kind).max
        scaled = W.astype(kind) * (top // 255)
        add(f"TIFF {kind.__name__}, white is zero", _tiff(top - scaled, photometric="miniswhite"), _grey(GREY))
    add("TIFF 1 bit, white is zero", _tiff(~BITS, photometric="miniswhite"), _grey(BITS * 255), 0)
    add("TIFF 1 bit", _tiff(BITS), _grey(BITS * 255), 0)
    for kind in (np.float16, np.float32, np.float64):
        add(f"TIFF {kind.__name__} in [0, 1]", _tiff((GREY / 255).astype(kind)), _grey(GREY))
        add(f"TIFF {kind.__name__} in [0, 255]", _tiff(np.maximum(GREY, 2).astype(kind)), _grey(np.maximum(GREY, 2)))
        add(f"TIFF RGB {kind.__name__}", _tiff((RGB / 255).astype(kind), photometric="rgb"), RGB)
    low, high = float(GREY.min()), float(GREY.max())
    own = _grey((GREY - low) * 255 / (high - low))
    for kind in (np.int16, np.int32, np.float32, np.float64):
        add(f"TIFF {kind.__name__} below zero", _tiff(GREY.astype(kind) * 16 - 1000), own)
    add("TIFF heights beyond 255", _tiff(GREY.astype(np.float32) * 10), own)
    holes = (GREY / 255).astype(np.float32)
    holes[:3] = np.nan
    add(
        "TIFF float with NaN",
        _tiff(holes)[:],
        np.where(np.isnan(holes)[..., None], np.nanmin(holes) * 255, _grey(GREY)),
    )

    for depth, by in ((10, 4), (12, 16), (14, 64)):
        small, small_rgb = W * by, RGB.astype(np.uint16) * by
        near = 255 * by / ((1 << depth) - 1)
        add(f"TIFF {depth} bits in 16", _tiff(small), _grey(GREY * near))
        add(f"TIFF RGB {depth} bits in 16", _tiff(small_rgb, photometric="rgb"), RGB * near)
        add(f"PNG {depth} bits in 16", _png16(small), _grey(GREY * near))
        add(f"PNG RGB {depth} bits in 16", _png16(small_rgb), RGB * near)
        deep = np.dstack([small_rgb, ALPHA.astype(np.uint16) * by])
        add(f"PNG RGBA {depth} bits in 16", _png16(deep), _over_white(RGB * near, ALPHA * near), 2)
        add(
            f"PNG LA {depth} bits in 16",
            _png16(np.dstack([small, deep[..., 3]])),
            _over_white(_grey(GREY * near), ALPHA * near),
            2,
        )
    add("PNG 16 bits", _png16(DEEP), _grey(GREY))
    add("PNG RGB of 16 bits", _png16(DEEP_RGB), RGB)
    add("PNG RGBA of 16 bits", _png16(np.dstack([DEEP_RGB, ALPHA.astype(np.uint16) * 257])), over)
    add("PNG LA of 16 bits", _png16(np.dstack([DEEP, ALPHA.astype(np.uint16) * 257])), grey_over)
    add("PGM 16 bits", b"P5 48 32 65535\n" + DEEP.astype(">u2").tobytes(), _grey(GREY))
    add("PGM 12 bits", b"P5 48 32 4095\n" + (W * 16).astype(">u2").tobytes(), _grey(GREY * (4080 / 4095)))
    add("PPM 16 bits", b"P6 48 32 65535\n" + DEEP_RGB.astype(">u2").tobytes(), RGB)
    add("PFM", b"Pf\n48 32\n-1.0\n" + (GREY[::-1] / 255).astype("<f4").tobytes(), _grey(GREY))

    add("TIFF 12 bits packed", _twelve_bits(W * 16), _grey(GREY * (4080 / 4095)))
    add(
        "TIFF premultiplied",
        _tiff(
            np.dstack([(over - 255 + ALPHA[..., None]).round().clip(0, 255).astype(np.uint8), ALPHA]),
            photometric="rgb",
            extrasamples=["assocalpha"],
        ),
        over,
        2,
    )
    add(
        "TIFF premultiplied, 16 bits",
        _tiff(
            np.dstack(
                [
                    ((over - 255 + ALPHA[..., None]) * 257).round().clip(0, 65535).astype(np.uint16),
                    ALPHA.astype(np.uint16) * 257,
                ]
            ),
            photometric="rgb",
            extrasamples=["assocalpha"],
        ),
        over,
        2,
    )
    add(
        "TIFF RGBA of 16 bits",
        _tiff(np.dstack([DEEP_RGB, ALPHA.astype(np.uint16) * 257]), photometric="rgb", extrasamples=["unassalpha"]),
        over,
    )
    for name, how in {
        "planar": {"planarconfig": "separate"}, "tiled": {"tile": (16, 16)}, "deflate": {"compression": "zlib"},
        "deflate, predictor": {"compression": "zlib", "predictor": 2}, "big": {"bigtiff": True}, "strips": {"rowsperstrip": 5},
        "planar, tiled": {"planarconfig": "separate", "tile": (16, 16)},
    }.items():  # fmt: skip
        for values, expected in ((RGB, RGB), (DEEP_RGB, RGB)):
            given = np.moveaxis(values, -1, 0) if "planar" in name else values
            add(f"TIFF RGB {values.dtype}, {name}", _tiff(given, photometric="rgb", **how), expected)
        if "planar" not in name:
            for values in (GREY, DEEP):
                add(f"TIFF {values.dtype}, {name}", _tiff(values, **how), _grey(GREY))
    for packing in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "group4"):
        if packing == "group4":
            add("TIFF 1 bit in G4", _pil(Image.fromarray(BITS), "TIFF", compression=packing), _grey(BITS * 255), 0)
            continue
        add(f"TIFF RGB, {packing}", _pil(Image.fromarray(RGB), "TIFF", compression=packing), RGB, 0)
        add(f"TIFF 16 bits, {packing}", _pil(Image.fromarray(DEEP), "TIFF", compression=packing), _grey(GREY))
    for bands in (4, 5, 13):
        many = np.dstack([RGB] + [GREY] * (bands - 3))
        for kind, by in ((np.uint8, 1), (np.uint16, 257)):
            wide = many.astype(kind) * by
            add(
                f"TIFF of {bands} bands {kind.__name__}",
                _tiff(wide, planarconfig="contig", extrasamples=["unspecified"] * (bands - 1)),
                RGB,
            )
            add(
                f"TIFF of {bands} planes {kind.__name__}",
                _tiff(np.moveaxis(wide, -1, 0), planarconfig="separate", extrasamples=["unspecified"] * (bands - 1)),
                RGB,
            )
        add(
            f"TIFF RGB and {bands - 3} more",
            _tiff(many, photometric="rgb", extrasamples=["unspecified"] * (bands - 3)),
            RGB,
        )
    add(
        "TIFF of 2 bands",
        _tiff(np.dstack([GREY, ALPHA]), planarconfig="contig", extrasamples=["unspecified"]),
        _grey(GREY),
    )
    return cases


def _twelve_bits(values: np.ndarray) -> bytes:
    pairs = values.reshape(-1, 2)
    packed = (
        np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
        .astype(np.uint8)
        .tobytes()
    )
    tags = [(256, 4, WIDTH), (257, 4, HEIGHT), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, HEIGHT), (279, 4, len(packed))]  # fmt: skip
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + body


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_a_file_shows_the_array_that_it_was_written_from(name: str):
    data, expected, within = CASES[name]
    seen = decode(data)
    assert (seen.width, seen.height) == (expected.shape[1], expected.shape[0])
    assert np.abs(seen.pixels - expected).max() <= within + 0.51


_TURNS = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: np.rot90,
}  # fmt: skip


def _turned(kind: str, tag: int) -> tuple[bytes, np.ndarray]:
    """A file of one kind whose orientation is `tag`, and the array that it holds."""
    exif = Image.Exif()
    exif[0x0112] = tag
    form, _, mode = kind.partition(" ")
    values = {"L": GREY, "RGBA": np.dstack([RGB, ALPHA])}.get(mode, RGB)
    shown = {"L": _grey(GREY), "RGBA": _over_white(RGB.astype(float), ALPHA)}.get(mode, RGB)
    extra = [(274, 3, 1, tag, True)]
    if kind == "TIFF by tifffile, 16 bits":
        return _tiff(DEEP_RGB, photometric="rgb", extratags=extra), RGB
    if kind == "TIFF of bands":
        many = np.dstack([RGB, GREY, GREY])
        return _tiff(many, planarconfig="contig", extrasamples=["unspecified"] * 4, extratags=extra), RGB
    if kind == "TIFF float64":
        return _tiff(GREY / 255, extratags=extra), _grey(GREY)
    if kind == "TIFF tiled":
        return _tiff(RGB, photometric="rgb", tile=(16, 16), extratags=extra), RGB
    if kind == "TIFF LZW":
        return _pil(Image.fromarray(RGB), "TIFF", compression="tiff_lzw", tiffinfo={274: tag}), RGB
    if form == "TIFF":
        return _pil(Image.fromarray(values), "TIFF", tiffinfo={274: tag}), shown
    how = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    how = {"AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(form, how)
    return _pil(Image.fromarray(values), form, exif=exif, **how), shown


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize(
    "kind",
    [
        *("JPEG RGB", "JPEG L", "PNG RGB", "PNG L", "PNG RGBA", "WEBP RGB", "WEBP RGBA", "AVIF RGB", "TIFF RGB"),
        *(
            "TIFF L",
            "TIFF RGBA",
            "TIFF LZW",
            "TIFF tiled",
            "TIFF by tifffile, 16 bits",
            "TIFF of bands",
            "TIFF float64",
        ),
    ],
)
def test_every_format_is_turned_upright_once(kind: str, tag: int):
    data, stored = _turned(kind, tag)
    upright = _TURNS[tag](stored)
    seen = decode(data)
    assert (seen.orientation, seen.width, seen.height) == (tag, upright.shape[1], upright.shape[0])
    assert np.abs(seen.pixels - upright.astype(float)).max() <= (8 if kind[:4] in ("JPEG", "AVIF") else 1.51)
    small = decode(data, side=16)
    assert (small.width, small.height) == (seen.width, seen.height)
    assert small.pixels.shape == (seen.height // 2, seen.width // 2, 3)


def test_unread_kinds_of_tiff_are_named_and_never_called_corrupt():
    sound = _tiff(GREY)
    for tag, value in ((262, 32844), (262, 32845), (259, 34677)):
        at = sound.index(struct.pack("<HHI", tag, 3, 1))
        with pytest.raises(Undecodable, match=r"^unsupported: a TIFF of"):
            decode(sound[: at + 8] + struct.pack("<H", value) + sound[at + 10 :])
    with pytest.raises(Undecodable, match=r"^unsupported: a TIFF of 1 band of 64-bit complex samples"):
        decode(_tiff(GREY.astype(np.complex64)))


def test_pages_and_frames_are_counted():
    pages = [Image.fromarray(np.roll(RGB, shift, 1)) for shift in range(0, 15, 5)]
    for form, how in (("TIFF", {}), ("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("AVIF", {}), ("MPO", {})):
        seen = decode(_pil(pages[0], form, save_all=True, append_images=pages[1:], **how))
        assert seen.frames == 3, form
        assert any("the first is read" in remark for remark in seen.remarks), form
        alone = decode(_pil(pages[0], "JPEG" if form == "MPO" else form))
        assert (alone.frames, alone.remarks) == (1, ()), form
    overview = io.BytesIO()
    with tifffile.TiffWriter(overview) as writer:
        writer.write(RGB, photometric="rgb", metadata=None)
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert decode(overview.getvalue()).frames == 1


def test_formats_are_those_of_the_table():
    assert {name.split()[0] for name in CASES} >= set(FORMATS) - {"PPM", "DIB"}
