"""Shops as a source: product pages, feeds or lists of links, to rows of image, title, brand, description, price, category.

"Let's Go Shopping" (Bai et al. 2024, arXiv 2401.04575, section 3.1): pages of products told from others, the product
extracted, three quality tests, all variants kept, nothing read that robots.txt forbids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from veduta.errors import BadInput, MissingPackage, SourceError
from veduta.pool.fetch import Fetcher, Policy
from veduta.pool.item import Item
from veduta.pool.readers import product_crawl, product_feed
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.product import Product, product
from veduta.pool.readers.product_page import Found, page_products
from veduta.pool.readers.web_archives import pages as archived_pages
from veduta.pool.readers.web_clean import is_web_link
from veduta.pool.readers.web_fetch import Offered, saved_body, saved_stamp

Kind = Literal["page", "archive", "feed", "links"]
PAGES = (".html", ".htm", ".xhtml", ".mhtml.html")
ARCHIVES = (".warc", ".warc.gz")

# A product on plain ground packs into few bytes; the web reader's bound would take it for a spacer.
MIN_BYTES = 1000

COLUMNS: dict[str, pa.DataType] = {
    "title": pa.string(),
    "brand": pa.string(),
    "description": pa.string(),
    "bullets": pa.list_(pa.string()),
    "price": pa.float64(),
    "currency": pa.string(),
    "category_path": pa.list_(pa.string()),
    "variant_of": pa.string(),
    "product": pa.string(),
    "page_url": pa.string(),
    "source": pa.string(),
    "reject": pa.string(),
}


class Products:
    """One row for every picture of every product, for `pool.ingest`.

    source: a file, a folder (searched through), a link, or a list of them: saved pages (.html), WARC archives, feeds (CSV,
    TSV, JSON lines, XML with the fields of Google Merchant), lists of links to pages (.txt, .urls, one a line) to crawl.
    policy: limits and manners of fetching. allow_private: hosts of one's own network that links may name. delay: seconds between two pages of one host. keep: the folder for fetched
    pages, by default `<list>.pages` beside the list; a crawl goes on where it was ended and asks for no page twice.

    Columns: `captions` (title with brand; description), `source_url` (the picture's link), and COLUMNS: price float64,
    currency ISO 4217, category_path from the top, variant_of (the group whose variant it is), product (its sku or name),
    source (json-ld, microdata, open-graph, page or feed: who spoke), reject (null, or why the product cannot be used).
    A rejected product keeps its row; its picture is not fetched, and `error` says why, so that no operation reads it. A
    page without any product ends in `problems` or, if it is just another page, in `skipped`, each with a reason;
    `notes.counts` counts all outcomes. Rows are read again when what is said of the product changes.
    """

    partial = True
    """What it offers depends on what can be fetched now: nothing that it does not offer is known to be gone."""

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        *,
        policy: Policy | None = None,
        allow_private: Sequence[str] = (),
        delay: float = 1.0,
        keep: str | Path | None = None,
    ) -> None:
        for package in ("ftfy", "lxml", "warcio"):
            if find_spec(package) is None:
                raise MissingPackage(package, needed_by="the products reader", extra="web")
        if not 0 <= delay < 3600:
            raise BadInput(f"delay of the products reader must be between 0 and 3600 seconds, got {delay}")
        many = [source] if isinstance(source, (str, Path)) else list(source)
        self.name = ", ".join(str(each) for each in many[:3]) + (", ..." if len(many) > 3 else "")
        self.policy = (policy or Policy(min_bytes=MIN_BYTES)).trusting(allow_private)
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._links = [str(each) for each in many if is_web_link(str(each))]
        self._files = _files([each for each in many if not is_web_link(str(each))], bool(self._links))
        # What was named must be readable; what only lies in a folder of pages may be anything, and is told of.
        self._named = {Path(each).resolve() for each in many if not is_web_link(str(each))}
        self._delay, self._keep = delay, Path(keep) if keep is not None else None
        self._fetcher = Fetcher(self.policy)
        self._offered = Offered(self._fetcher)

    def columns(self) -> dict[str, pa.DataType]:
        return dict(COLUMNS)

    def items(self) -> Iterator[Item]:
        self.notes.clear()
        self._offered.clear()
        seen: set[str] = set()
        for made, folder, root in self.products():
            self.notes.count("products")
            if made.reject:
                self.notes.count(f"rejected: {made.reject.partition(':')[0]}")
            for image in made.images or [""]:
                key = made.key(image)
                if key in seen:
                    self.notes.count("same picture of the same product once more")
                    continue
                seen.add(key)
                yield self._item(made, key, image, folder, root)

    def products(self) -> Iterator[tuple[Product, Path | None, Path | None]]:
        """All products, rejected ones too, in the order of the sorted files; with the folder that relative pictures count
        from and the folder that they must stay in, where they lie on this machine.
        """
        for kind, path, root in self._files:
            try:
                yield from self._file(kind, path, root)
            except (BadInput, SourceError) as error:
                if path in self._named:
                    raise
                self.notes.problem(path.relative_to(root).as_posix(), str(error), hides="all")
        yield from ((made, None, None) for made in self._crawl(self._links, self._keep))

    def _file(self, kind: Kind, path: Path, root: Path) -> Iterator[tuple[Product, Path | None, Path | None]]:
        if kind == "page":
            yield from ((made, path.parent, root) for made in self._page(path, root))
        elif kind == "archive":
            for url, content in archived_pages(path, self.notes):
                yield from ((made, None, None) for made in self._told(page_products(content, url), url))
        elif kind == "feed":
            yield from ((made, path.parent, root) for made in self._feed(path, root))
        else:
            keep = self._keep or path.with_name(f"{path.name}.pages")
            yield from ((made, None, None) for made in self._crawl(product_crawl.links_of(path), keep))

    def close(self) -> None:
        """End all connections."""
        self._fetcher.close()

    def _page(self, path: Path, root: Path) -> list[Product]:
        place = path.relative_to(root).as_posix()
        try:
            content = path.read_bytes()
        except OSError as error:
            self.notes.problem(place, f"cannot be read: {error.strerror}", hides="all")
            return []
        return self._told(page_products(content, place=place), place)

    def _feed(self, path: Path, root: Path) -> Iterator[Product]:
        place = path.relative_to(root).as_posix()
        for number, raw in product_feed.feed_products(path, self.notes):
            raw.identity = raw.identity or f"record {number}"
            yield product(raw, raw.url if raw.url and is_web_link(raw.url) else place, "", "feed")

    def _crawl(self, links: Sequence[str], keep: Path | None) -> Iterator[Product]:
        if keep is not None and links:
            try:
                keep.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                self.notes.warn(
                    str(keep), f"pages cannot be kept here, and are fetched anew each time: {error.strerror}"
                )
                keep = None
        for page in product_crawl.crawl(links, keep, self.policy, self._delay):
            if page.reason:
                self.notes.count(page.reason.partition(":")[0])
                self.notes.problem(page.asked, page.reason, hides="all")
            else:
                yield from self._told(page_products(page.content, page.url), page.asked)

    def _told(self, found: Found, place: str) -> list[Product]:
        """The page's products; what was odd and what it ended in is noted."""
        self.notes.count("pages")
        for remark in found.remarks:
            self.notes.warn(place, remark)
        if found.reason:
            self.notes.count(found.reason.partition(":")[0])
            tell = self.notes.skip if found.reason.startswith("not a product page") else self.notes.problem
            tell(place, found.reason)
        return found.products

    def _item(self, made: Product, key: str, image: str, folder: Path | None, root: Path | None) -> Item:
        fields: dict[str, Any] = {
            "captions": made.captions, "source_url": image if is_web_link(image) else None, "title": made.title or None,
            "brand": made.brand, "description": made.description, "bullets": made.bullets or None, "price": made.price,
            "currency": made.currency, "category_path": made.category_path or None, "variant_of": made.variant_of,
            "product": made.identity or None, "page_url": made.page, "source": made.spoke, "reject": made.reject,
        }  # fmt: skip
        stamp = _digest(fields)
        if made.reject:
            return Item(key, image, stamp, _refusing(f"rejected: {made.reject}"), fields)
        if is_web_link(image):
            return Item(key, image, stamp, self._offered.reading(image), fields)
        file = _inside(image, folder, root)
        if file is None:
            fields["reject"] = "image is neither a web link nor a file saved with the page"
            return Item(key, image, stamp, _refusing(f"rejected: {fields['reject']}"), fields)
        return Item(key, str(file), f"{saved_stamp(file)}:{stamp}", lambda: saved_body(file, self.policy), fields)


def _files(sources: Sequence[str | Path], others: bool) -> list[tuple[Kind, Path, Path]]:
    """(kind, file, the folder that its pictures must stay in) of every file to be read, sorted by path."""
    found: dict[Path, tuple[Kind, Path, Path]] = {}
    for source in sources:
        path = Path(source).resolve()
        if not path.exists():
            raise SourceError(f"the source {source} does not exist; name saved pages, a feed, or a list of links")
        if path.is_file():
            kind = _kind(path)
            if kind is None:
                known = ", ".join((*PAGES[:2], *ARCHIVES, ".csv", ".tsv", ".jsonl", ".xml", *product_crawl.LISTS))
                raise BadInput(
                    f"{source} is not a page, archive, feed or list of links; its name must end in one of {known}"
                )
            found.setdefault(path, (kind, path, path.parent))
        else:
            for each in path.rglob("*"):
                kind = _kind(each)
                # A list of links in a folder of pages may be anything; it is crawled only where it is named.
                if kind and kind != "links" and each.is_file() and each.resolve().is_relative_to(path):
                    found.setdefault(each, (kind, each, path))
    if not found and not others:
        raise SourceError(f"no page, archive or feed in {', '.join(map(str, sources)) or 'an empty list'}")
    return [found[path] for path in sorted(found)]


def _kind(path: Path) -> Kind | None:
    name = path.name.lower()
    if name.endswith(PAGES):
        return "page"
    if name.endswith(ARCHIVES):
        return "archive"
    if product_feed.is_feed(path):
        return "feed"
    return "links" if name.endswith(product_crawl.LISTS) else None


def _inside(image: str, folder: Path | None, root: Path | None) -> Path | None:
    """The file that a relative link names, if it was saved with its page; never anything outside the source's folder."""
    if folder is None or root is None or not image:
        return None
    try:
        file = (folder / unquote(urlsplit(image).path)).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None


def _refusing(reason: str) -> Any:
    def read() -> bytes:
        raise SourceError(reason)

    return read


def _digest(fields: dict[str, Any]) -> str:
    said = json.dumps(fields, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
