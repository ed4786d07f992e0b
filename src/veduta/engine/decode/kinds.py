"""Kinds of files by their first bytes, and the sentence for what is not read."""

from __future__ import annotations

from collections.abc import Container

FORMATS_EXTRA = "pip install 'veduta[formats]'"

_STARTS = {
    b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
    b"II+\0": "TIFF", b"MM\0+": "TIFF", b"qoif": "QOI", b"\0\0\0\x0cjP  ": "JPEG2000", b"\xff\x4f\xff\x51": "JPEG2000",
    b"%PDF": "PDF", b"<svg": "SVG", b"<?xml": "XML", b"<!DO": "HTML", b"<!do": "HTML", b"<htm": "HTML",
    b"8BPS": "Photoshop PSD", b"gimp xcf": "GIMP XCF", b"%!PS": "EPS", b"\xc5\xd0\xd3\xc6": "EPS",
    b"v/1\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"#?RGBE": "Radiance HDR", b"DDS ": "DirectDraw DDS",
    b"SIMPLE  =": "FITS", b"\xd7\xcd\xc6\x9a": "WMF", b"\x1aE\xdf\xa3": "Matroska video", b"FLV": "Flash video",
    b"PK\x03\x04": "zip archive", b"\x1f\x8b": "gzip archive", b"\x89HDF": "HDF5", b"\x93NUMPY": "NumPy array",
    b"version https://git-lfs": "Git LFS pointer", b"icns": "Apple ICNS", b"AT&TFORM": "DjVu", b"BPG\xfb": "BPG",
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"farbfeld": "farbfeld", b"RIFF": "RIFF",
    b"\0\0\1\0": "ICO", b"\x01\xda": "SGI", b"\x0a\x05": "PCX", b"P4": "PPM", b"P5": "PPM", b"P6": "PPM",
}  # fmt: skip
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "camera RAW (CR3)", b"qt  ": "QuickTime video"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"), "HEIC")
_PICTURES = ("Photoshop PSD", "GIMP XCF", "OpenEXR", "Radiance HDR", "DirectDraw DDS", "FITS", "WMF", "Apple ICNS")
_PICTURES += ("DjVu", "BPG", "SVG", "EPS", "PDF", "farbfeld")
_MENDS = {"Git LFS pointer": "run: git lfs pull"}


def name_of(data: bytes) -> str:
    """The kind of a file by its first bytes; "starts with ..." where it is not known."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "AVI video"}.get(bytes(data[8:12]), "RIFF")
    if data[4:8] == b"ftyp":
        brand = bytes(data[8:12])
        if brand in (b"mif1", b"msf1") and b"avi" in data[16 : max(16, min(64, int.from_bytes(data[:4], "big")))]:
            return "AVIF"
        return _BRANDS.get(brand, "MP4 video")
    if data[128:132] == b"DICM":
        return "DICOM"
    return next((n for sign, n in _STARTS.items() if data.startswith(sign)), f"starts with {data[:8].hex(' ')}")


def unread(data: bytes, known: Container[str]) -> str:
    """Why a file that no decoder takes has no pixels. known: formats whose sound files are read."""
    name = name_of(data)
    if name in known:
        return f"corrupt {name}: its header cannot be read"
    if name in _PICTURES:
        return f"unsupported: {name} is not read; not an image in a known format ({name}); convert it to PNG or JPEG"
    mend = f"; {_MENDS[name]}" if name in _MENDS else ""
    return f"not an image in a known format ({name}){mend}"


def missing(name: str, package: str = FORMATS_EXTRA) -> str:
    """The reason for a format whose package is not installed."""
    return f"unsupported: {name}; {package}"


def words(error: BaseException) -> str:
    """The first line of a library's complaint, bounded."""
    lines = str(error).splitlines()
    return (lines[0] if lines and lines[0].strip() else type(error).__name__)[:160]
