"""Formats of optional packages, against those packages' own reading; a package that is missing skips its tests."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pictures import picture
from veduta.engine.decode import decode, orient, plugins
from veduta.engine.decode.raster import Raster
from veduta.errors import Undecodable

RGB = np.asarray(picture(21, (48, 32)))
HEIC_HEADER = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(600)


def _heif(form: str = "HEIF", **how: object) -> bytes:
    library = pytest.importorskip("pillow_heif")
    library.register_heif_opener()
    out = io.BytesIO()
    Image.fromarray(RGB).save(out, form, quality=-1, chroma=444, **how)
    return out.getvalue()


@pytest.mark.parametrize("tag", range(1, 9))
def test_heic_is_upright_like_its_library_shows_it(tag: int):
    exif = Image.Exif()
    exif[0x0112] = tag
    seen = decode(_heif(exif=exif.tobytes()))
    upright = orient(RGB, tag)
    assert (seen.format, seen.orientation, seen.height, seen.width) == ("HEIC", tag, *upright.shape[:2])
    assert np.abs(seen.pixels.astype(int) - upright).max() <= 6


def test_heic_of_several_pictures_is_counted():
    data = _heif(save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    assert decode(data).frames == 2


def test_heic_of_ten_bits():
    library = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    library.encode("RGB;16", (48, 32), (RGB.astype(np.uint16) * 257).tobytes(), out, quality=-1, chroma=444)
    assert np.abs(decode(out.getvalue()).pixels.astype(int) - RGB).max() <= 6


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA", "16 bits", "container"])
def test_jpeg_xl(kind: str):
    codecs = pytest.importorskip("imagecodecs")
    values = {"L": RGB[..., 0], "RGBA": np.dstack([RGB, RGB[..., :1]]), "16 bits": RGB.astype(np.uint16) * 257}.get(
        kind, RGB
    )
    data = codecs.jpegxl_encode(values, lossless=True, usecontainer=kind == "container")
    seen = decode(data)
    expected = np.repeat(RGB[..., :1], 3, 2) if kind == "L" else RGB.astype(float)
    if kind == "RGBA":
        share = RGB[..., :1] / 255
        expected = RGB * share + 255 * (1 - share)
    assert (seen.width, seen.height, seen.format, seen.frames) == (48, 32, "JPEG XL", 1)
    assert np.abs(seen.pixels - expected).max() <= 1


def test_a_huge_jpeg_xl_is_refused_by_its_header():
    pytest.importorskip("imagecodecs")
    fields = ((0, 1), (3, 2), (99_999, 30), (0, 3), (3, 2), (99_999, 30))  # value and bits, the lowest first
    sides = at = 0
    for value, size in fields:
        sides |= value << at
        at += size
    with pytest.raises(Undecodable, match="too large: 100000 x 100000"):
        decode(b"\xff\x0a" + sides.to_bytes(9, "little") + bytes(64))


def _samples() -> list[Path]:
    library = pytest.importorskip("pydicom")
    return sorted((Path(library.__file__).parent / "data" / "test_files").glob("*.dcm"))


def test_dicom_pictures_are_what_pydicom_shows():
    """Each of the library's own sample files: rescaled, windowed and in the right sense by its own functions."""
    pytest.importorskip("pydicom")
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

    compared = 0
    for path in _samples():
        try:
            file = dcmread(path)
            values = pixel_array(file, index=0)
        except Exception:  # noqa: BLE001 - no picture, or a package that unpacks it is missing
            with pytest.raises(Undecodable):
                decode(path.read_bytes())
            continue
        seen = decode(path.read_bytes())
        assert seen.frames == int(file.get("NumberOfFrames", 1)), path.name
        if values.ndim == 3:
            expected = values / ((1 << file.BitsStored) - 1) * 255
        elif file.PhotometricInterpretation == "PALETTE COLOR":
            continue
        else:
            real = apply_modality_lut(values, file).astype(float)
            low, high = real.min(), real.max()
            if "WindowCenter" in file:
                ends = np.array([0, 1 << file.BitsStored]) - (file.PixelRepresentation << file.BitsStored - 1) - [0, 1]
                low, high = ends * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))
                real = apply_voi_lut(real, file)
            elif file.BitsStored == 8:
                low, high = 0, 255
            expected = np.repeat(((real - low) / (high - low or 1) * 255)[..., None], 3, 2)
            expected = 255 - expected if file.PhotometricInterpretation == "MONOCHROME1" else expected
        assert np.abs(seen.pixels - expected).max() <= 1.01, path.name
        compared += 1
    assert compared > 20


def test_dicom_where_zero_is_white_and_a_window_is_given():
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    ramp = np.tile(np.arange(256, dtype=np.uint16) * 8, (16, 1))
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.Rows, file.Columns, file.SamplesPerPixel = 16, 256, 1
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PhotometricInterpretation, file.PixelData = "MONOCHROME1", ramp.tobytes()
    file.RescaleSlope, file.RescaleIntercept = "2", "-1000"
    file.WindowCenter, file.WindowWidth = ["500", "40"], ["1001", "400"]
    out = io.BytesIO()
    file.save_as(out, enforce_file_format=False, implicit_vr=False, little_endian=True)
    data = bytes(128) + b"DICM" + out.getvalue() if b"DICM" not in out.getvalue()[:140] else out.getvalue()
    seen = decode(data).pixels[0, :, 0].astype(float)
    real = ramp[0] * 2.0 - 1000
    assert np.abs(seen - (255 - np.clip((real - 499.5) / 1000 + 0.5, 0, 1) * 255)).max() <= 1


def test_a_digital_negative_is_developed():
    pytest.importorskip("rawpy")
    mosaic = np.zeros((64, 96), np.uint16)
    mosaic[::2, ::2], mosaic[1::2, 1::2], mosaic[::2, 1::2], mosaic[1::2, ::2] = 3000, 200, 200, 200  # red
    rational = tuple(v for n in (1, 0, 0, 0, 1, 0, 0, 0, 1) for v in (n * 10000, 10000))
    tags = [
        *((50706, 1, 4, (1, 4, 0, 0), True), (33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True)),
        *((50721, 10, 9, rational, True), (50717, 4, 1, 4095, True), (50708, 2, 0, "Veduta", True)),
        *((271, 2, 0, "Veduta", True), (272, 2, 0, "Test", True), (50778, 3, 1, 21, True)),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
    ]
    out = io.BytesIO()
    tifffile.imwrite(out, mosaic, photometric=32803, metadata=None, extratags=tags)
    seen = decode(out.getvalue())
    assert (seen.width, seen.height, seen.format) == (96, 64, "RAW")
    red, green, blue = seen.pixels[20:40, 20:60].reshape(-1, 3).mean(0)
    assert red > 100
    assert red > 3 * max(green, blue)


@pytest.mark.parametrize(
    ("package", "name", "data"),
    [
        ("pillow_heif", "HEIC", HEIC_HEADER),
        ("imagecodecs", "JPEG XL", b"\xff\x0a" + bytes(100)),
        ("pydicom", "DICOM", bytes(128) + b"DICM" + bytes(100)),
        ("rawpy", "camera RAW", b"II*\0\x10\0\0\0CR\x02\0" + bytes(100)),
        ("rawpy", "camera RAW", struct.pack(">I", 24) + b"ftypcrx " + bytes(100)),
    ],
)
def test_a_format_without_its_package_says_what_to_install(
    package: str, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(Undecodable) as caught:
        decode(data)
    assert str(caught.value) == f"unsupported: {name}; pip install 'veduta[formats]'"


def test_a_format_of_somebody_elses_package(monkeypatch: pytest.MonkeyPatch):
    class Stripes:
        name = "Stripes"

        def claims(self, head: bytes) -> bool:
            return head.startswith(b"STRIPES")

        def decode(self, data: bytes, limit: int) -> Raster:
            if len(data) < 8:
                raise RuntimeError("no stripes\nat all")
            return Raster(np.full((2, data[7], 4), 4095, np.uint16), "Stripes", orientation=6, frames=3)

    monkeypatch.setattr(plugins, "decoders", lambda: (Stripes(),))
    seen = decode(b"STRIPES\x05")
    assert (seen.width, seen.height, seen.frames, seen.format) == (2, 5, 3, "Stripes")
    assert (seen.pixels == 255).all()
    with pytest.raises(Undecodable, match=r"^corrupt Stripes: no stripes$"):
        decode(b"STRIPES")
