"""XML of strangers: no document type, so that no entity can expand or open anything; bounded in size."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MOST_BYTES = 64 << 20


def parse(data: bytes, most: int = MOST_BYTES) -> Element:
    """The root element; ValueError with a reason for anything that is not plain, sound XML."""
    if len(data) > most:
        raise ValueError(f"more than {most >> 20} MiB of XML")
    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, LookupError) as error:
        raise ValueError(f"not sound XML: {error}") from None


def _refuse(*_: Any) -> None:
    raise ValueError("it declares a document type, which is not read")


def text(element: Element | None, path: str) -> str:
    """The stripped text of the first element at `path` below; "" if there is none."""
    return ((element.findtext(path) if element is not None else None) or "").strip()
