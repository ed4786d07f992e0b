"""Image links with alternative text from web archives: WAT metadata (Common Crawl) and WARC responses."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from veduta.errors import SourceError
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.web_clean import UNREADABLE_PAGE, Candidate, Tally
from veduta.pool.readers.web_html import licence_link, page_candidates

# A record beyond this is not parsed: no page of use needs it, and memory stays bounded.
MAX_RECORD = 64 << 20


def archive_candidates(path: Path, tally: Tally) -> Iterator[Candidate]:
    """Candidates of a .warc, .wat or gzipped archive in the order of its records. Cost: one record in memory.

    A record that cannot be read is counted and passed over. Raises SourceError if the file is not an archive.
    """
    for record, where, body in _records(path, tally.add):
        try:
            if record.rec_type == "metadata":
                yield from wat_candidates(json.loads(body))
            else:
                yield from page_candidates(body, where)
        except ValueError as error:
            tally.add(UNREADABLE_PAGE, f"{where}: {error}")


def pages(path: Path, notes: Notes) -> Iterator[tuple[str, bytes]]:
    """(address, body) of every HTML response of a WARC archive in the order of its records. Cost: one record in memory."""
    for record, where, body in _records(path, lambda _, what: notes.problem(path.name, what, hides="all")):
        if record.rec_type == "response":
            yield where, body


def _records(path: Path, tell: Callable[[str, str], None]) -> Iterator[tuple[Any, str, bytes]]:
    """(record, its address, its body) of every record that may hold links; `tell` hears of an archive that is cut off."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    if not _is_archive(path):
        raise SourceError(f"{path} is not a web archive (WARC or WAT): it does not begin with a WARC record")
    with open(path, "rb") as stream:
        records = ArchiveIterator(stream)
        read = 0
        while True:
            try:
                record = next(records)
                read += 1
                where = record.rec_headers.get_header("WARC-Target-URI") or ""
                body = record.content_stream().read(MAX_RECORD) if _holds_links(record) else None
            except StopIteration:
                return
            except (ArchiveLoadFailed, EOFError, OSError, ValueError, AttributeError) as error:
                tell(UNREADABLE_PAGE, f"{path.name}: the archive is cut off or damaged after record {read}: {error}")
                return
            if body is not None:
                yield record, where, body


def wat_candidates(record: dict[str, Any]) -> Iterator[Candidate]:
    """Candidates of one WAT record (its JSON): links with path "IMG@/src" that have an `alt`."""
    envelope = _dig(record, "Envelope")
    page = str(_dig(envelope, "WARC-Header-Metadata").get("WARC-Target-URI") or "")
    html = _dig(envelope, "Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
    links = [link for link in html.get("Links") or [] if isinstance(link, dict)]
    try:
        base = urljoin(page, str(_dig(html, "Head").get("Base") or ""))
    except ValueError:
        base = page
    head = _dig(html, "Head").get("Link") or []
    hrefs = (str(link.get("url", "")) for link in [*links, *(each for each in head if isinstance(each, dict))])
    licence = next((found for found in map(licence_link, hrefs) if found), None)
    for link in links:
        if link.get("path") == "IMG@/src" and isinstance(link.get("alt"), str) and link.get("url"):
            try:
                resolved = urljoin(base, str(link["url"]).strip())
            except ValueError:
                resolved = str(link["url"])
            yield Candidate(resolved, link["alt"], page, licence)


def _is_archive(path: Path) -> bool:
    """Whether the file begins with a WARC record (the library would read on through anything)."""
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as stream:
            return stream.read(5) == b"WARC/"
    except (OSError, EOFError, zlib.error):
        return False


def _holds_links(record: Any) -> bool:
    if record.rec_type == "metadata":
        return (record.rec_headers.get_header("Content-Type") or "").startswith("application/json")
    kind = record.http_headers.get_header("Content-Type") if record.http_headers else ""
    return record.rec_type == "response" and "html" in (kind or "")


def _dig(value: Any, *path: str) -> dict[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
