"""Which files are offered as images, told by their names and, where a name has no suffix, by their first bytes."""

from __future__ import annotations

import posixpath

_RAW = (".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".kdc", ".mef", ".mos")
_RAW += (".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f")

# Suffixes of the formats that `veduta.engine.decode` reads, some of them with the extra `formats`: where that is
# missing, their rows say what to install instead of missing silently.
SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".avif", ".avifs", ".ico", ".tga", ".icb", ".vda", ".vst", ".pcx"),
        *(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c", ".sgi", ".bw", ".rgb", ".rgba", ".qoi", ".tf8", ".btf"),
        *(".heic", ".heif", ".hif", ".heics", ".heifs", ".jxl", ".dcm", ".dicom", *_RAW),
    }
)

# Bytes from the start of a file that are enough for `has_image_magic`.
MAGIC_BYTES = 132

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"qoif")
_STARTS += (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"FUJIFILMCCD-RAW")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ")

# The suffix that a file of a Pillow format gets when its name has none.
SUFFIX_OF = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "JPEG XL": ".jxl", "DICOM": ".dcm"}
SUFFIX_OF |= {"RAW": ".dng"}

_COMMON = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}


def suffix(name: str) -> str:
    """The lower-case suffix of a file name, with its dot; "" if there is none."""
    return posixpath.splitext(name)[1].lower()


def is_image(name: str) -> bool:
    """Whether the name says image."""
    return suffix(name) in SUFFIXES


def is_hidden(path: str) -> bool:
    """Whether a part of the path is hidden, or litter that operating systems leave behind."""
    parts = path.split("/")
    return any(p.startswith(".") or p in ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir") for p in parts)


def has_image_magic(start: bytes) -> bool:
    """Whether the first bytes of a file are those of an image."""
    if start.startswith(_STARTS) or start[128:132] == b"DICM":
        return True
    return (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or (start[4:8] == b"ftyp" and start[8:12] in _BRANDS)


def suffix_for(form: str | None) -> str:
    """The usual suffix of a Pillow format name ("PNG" -> ".png")."""
    if not form:
        return ".img"
    return SUFFIX_OF.get(form, "." + form.lower())


def is_misnamed(name: str, form: str) -> bool:
    """Whether a file name ends like another of the common formats than the one that its bytes are in ("a.png", "JPEG")."""
    said = next((form_ for form_, ends in _COMMON.items() if suffix(name) in ends), form)
    return form in _COMMON and said != form
