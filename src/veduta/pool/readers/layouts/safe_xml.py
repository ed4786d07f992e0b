"""XML of strangers: no document type, so that no entity can expand or open anything; bounded in size."""

from __future__ import annotations

import codecs
import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from veduta.pool.readers.layouts import texts
from veduta.pool.readers.notes import Notes

MOST_BYTES = 64 << 20
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
# Encodings of which expat has no table: it reads UTF-8, UTF-16 and those of one byte a letter.
_WIDE = re.compile(r"gb|hz|big5|cp9\d\d$|shift_jis|euc_|iso2022|johab|utf-32")
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))


def parse(data: bytes, most: int = MOST_BYTES, notes: Notes | None = None) -> Element:
    """The root element; ValueError with a reason for anything that is not plain, sound XML.

    notes: told where the bytes are not in the encoding that they should be in, so that they are read as Windows-1252.
    """
    if len(data) > most:
        raise ValueError(f"more than {most >> 20} MiB of XML")
    wide = _wide(data)
    try:
        if wide:
            return _parse(data.decode(wide).encode(), "utf-8")
        if _is_single_byte(data):
            return _parse(texts.decode(data, notes).encode(), "utf-8")
        return _parse(data, None)
    except UnicodeError:
        raise ValueError(f"not sound XML: its bytes are not in the encoding {wide} that it declares") from None
    except LookupError:
        raise ValueError("the encoding that it declares is not known") from None
    except (expat.ExpatError, AssertionError) as error:
        raise ValueError(f"not sound XML: {error}") from None


def _parse(data: bytes, encoding: str | None) -> Element:
    builder, parser = TreeBuilder(), expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(data, True)
    return builder.close()


def _wide(data: bytes) -> str:
    """The encoding of the data where it is one that expat does not read; else ""."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    declared = _DECLARED.match(data[:300])
    try:
        name = marked or (codecs.lookup(declared[1].decode()).name if declared else "")
    except LookupError:
        return ""
    return name if _WIDE.match(name) else ""


def _is_single_byte(data: bytes) -> bool:
    """Whether the data is not UTF-8, though it has to be: it declares that, or nothing."""
    declared = _DECLARED.match(data[:300])
    if b"\0" in data or (declared and declared[1].lower() not in (b"utf-8", b"utf8")):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _refuse(*_: Any) -> None:
    raise ValueError("it declares a document type, which is not read")


def text(element: Element | None, path: str) -> str:
    """The stripped text of the first element at `path` below; "" if there is none."""
    return ((element.findtext(path) if element is not None else None) or "").strip()
