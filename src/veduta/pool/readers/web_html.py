"""Image links with alternative text from one HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from veduta.pool.readers.web_clean import Candidate

_LICENCE = re.compile(r"^(https?:)?//(www\.)?creativecommons\.org/(licenses|publicdomain)/", re.IGNORECASE)
_SAVED_FROM = re.compile(rb"<!--\s*saved from url=\(\d+\)(\S+?)\s*-->", re.IGNORECASE)
# Attributes in which pages that load images late keep the true link.
_SOURCES = ("src", "data-src", "data-original", "data-lazy-src")
# Pages beyond this are cut: their `img` elements up to here still count.
MAX_PAGE = 16 << 20


def page_candidates(html: bytes, url: str = "", encoding: str | None = None) -> Iterator[Candidate]:
    """Every `img` element of the page that has an `alt` attribute, its link resolved against the page's base.

    url: the page's own address; where it is "", the page's <base>, canonical link or "saved from" comment serves.
    Text is not cleaned yet. Raises ValueError for bytes that hold no HTML at all.
    """
    from lxml import etree
    from lxml import html as parser

    try:
        root = parser.document_fromstring(
            html[:MAX_PAGE], parser=parser.HTMLParser(encoding=encoding or encoding_of(html), no_network=True)
        )
    except etree.ParserError as error:
        raise ValueError(f"no HTML: {error}") from None
    page = url or own_address(root, html)
    base = next((urljoin(page, href.strip()) for href in root.xpath("//base/@href") if href.strip()), page)
    licence = next((licence_link(href) for href in root.xpath("//a/@href | //link/@href") if licence_link(href)), None)
    for image in root.iter("img"):
        text, link = image.get("alt"), _link(image)
        if text is None or not link:
            continue
        try:
            resolved = urljoin(base, link)
        except ValueError:
            resolved = link
        yield Candidate(resolved, text, page, licence)


def licence_link(href: str) -> str | None:
    """`href` with a scheme if it points to a licence or a public-domain mark of Creative Commons, else None."""
    href = href.strip()
    if not _LICENCE.match(href):
        return None
    return href if href[:4].lower() == "http" else f"https:{href}"


def own_address(root: object, html: bytes) -> str:
    """The address a saved page gives for itself: canonical link, og:url, or the browser's "saved from" comment; or ""."""
    said = root.xpath("//link[@rel='canonical']/@href | //meta[@property='og:url']/@content")  # pyright: ignore
    saved = _SAVED_FROM.search(html[:4096])
    said = [*said, *([saved.group(1).decode("utf-8", "replace")] if saved else [])]
    return next((link.strip() for link in said if link.strip().startswith(("http://", "https://"))), "")


def _link(image: object) -> str:
    for name in _SOURCES:
        value = (image.get(name) or "").strip()  # pyright: ignore
        if value and not value.startswith("data:"):
            return value
    return ""


def encoding_of(html: bytes) -> str | None:
    """UTF-8 if the bytes are valid UTF-8 (lxml would guess Latin-1 where no charset is declared), else the page's own word."""
    try:
        html[:MAX_PAGE].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"
