"""One product as a page or a feed tells it, and whether it can become rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from veduta.pool.readers import product_text as words
from veduta.pool.readers.web_clean import is_web_link

Spoke = Literal["json-ld", "microdata", "open-graph", "page", "feed"]
MOST_IMAGES = 20


@dataclass(slots=True)
class Raw:
    """What a source says of a product, not cleaned. images: links as they stand; bullets: texts; identity: sku or the like."""

    title: Any = None
    brand: Any = None
    description: Any = None
    bullets: list[Any] = field(default_factory=list)
    price: Any = None
    currency: Any = None
    category: Any = None
    images: list[str] = field(default_factory=list)
    variant_of: str | None = None
    identity: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A cleaned product. reject: why it cannot be used, or None; images: absolute links, or paths where the page has none."""

    title: str
    brand: str | None
    description: str | None
    bullets: list[str]
    price: float | None
    currency: str | None
    category_path: list[str]
    images: list[str]
    variant_of: str | None
    identity: str
    page: str
    spoke: Spoke
    reject: str | None

    @property
    def captions(self) -> list[str]:
        """Title with brand, and the description."""
        return words.captions_of(self.title, self.brand, self.description, self.bullets) if self.title else []

    def key(self, image: str) -> str:
        """Hex MD5 of page, product and image: stays the same when text or price change."""
        said = "\n".join((self.page, self.identity, image))
        return hashlib.md5(said.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def product(raw: Raw, page: str, base: str, spoke: Spoke, shop: str = "") -> Product:
    """Clean and test one product (LGS, section 3.1: price a number, title there and without unexpected characters, image).

    page: where it was found; base: what its links count from; shop: the site's own name. A product whose source gives no
    price at all keeps its row without one; the paper drops it, but sold-out products have none and are as good pictures.
    """
    host = urlsplit(page).hostname or ""
    fault = words.title_fault(raw.title)
    title = words.clean_title(raw.title, shop or host.removeprefix("www.").rpartition(".")[0]) if raw.title else ""
    price = words.price_of(raw.price)
    given = raw.price is not None and str(raw.price).strip() != ""
    if fault is None and given and price is None:
        fault = f"price is not a number: {words.plain(raw.price)[:40]!r}"
    images = list(dict.fromkeys(link for link in (_resolved(base, each) for each in raw.images) if link))[:MOST_IMAGES]
    if fault is None and not images:
        fault = "no image"
    brand = words.plain(raw.brand)[:100] if raw.brand is not None else ""
    identity = words.plain(raw.identity)[:200] if raw.identity else title
    return Product(
        title, brand or None, words.clean_description(raw.description, title),
        words.clean_bullets([*raw.bullets, *words.bullets_of(raw.description)]), price,
        words.currency_of(raw.currency) or words.currency_of(raw.price) if price is not None else None,
        words.path_of(raw.category, title), images, words.plain(raw.variant_of)[:200] or None if raw.variant_of else None,
        identity, _page(raw.url, base, page), spoke, fault,
    )  # fmt: skip


def _page(own: str | None, base: str, page: str) -> str:
    """The product's own address where it gives one on the same host: a page cannot speak for another shop."""
    if not own:
        return page
    link = _resolved(base, own) or ""
    if not is_web_link(link) or (is_web_link(page) and urlsplit(link).hostname != urlsplit(page).hostname):
        return page
    return link.partition("#")[0]


def _resolved(base: str, link: str) -> str | None:
    """The link made absolute; None for what is neither a web link nor a relative path (data:, javascript:, file:)."""
    link = link.strip()
    if not link or len(link) > 4096:
        return None
    try:
        found = urljoin(base, link) if base else ("https:" + link if link.startswith("//") else link)
        scheme = urlsplit(found).scheme
    except ValueError:
        return None
    if scheme in ("http", "https"):
        return found if is_web_link(found) else None
    return None if scheme else found
