"""Small text files beside images: read, decoded, told apart from numbers."""

from __future__ import annotations

import codecs
import re

from veduta.errors import SourceError
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import File

# A longer file is not a caption.
MOST_BYTES = 1 << 16
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NUMBERS = re.compile(r"[-+\d.,eE:;\s]*")


def decode(data: bytes, notes: Notes | None = None) -> str:
    """Text of any of the usual encodings; Windows-1252, the last of them, is noted."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if notes is not None:
            notes.count("text files that are not UTF-8, read as Windows-1252")
        return data.decode("cp1252", "replace")


def read(file: File, notes: Notes, most: int = MOST_BYTES) -> str:
    """The text of a file; "" with a note if it cannot be read or is too long."""
    try:
        data = file.read()
    except (OSError, SourceError) as error:
        notes.problem(file.path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return ""
    if len(data) > most:
        notes.skip(
            file.path, f"too long for a text beside an image: {len(data):,} bytes", "texts too long for captions"
        )
        return ""
    return decode(data, notes)


def lines(text: str) -> list[str]:
    """The lines that hold anything, without the white space around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_numbers(text: str) -> bool:
    """Whether a text holds nothing but numbers, as files of boxes do."""
    return bool(_NUMBERS.fullmatch(text))
