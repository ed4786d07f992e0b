"""Products of one HTML page: from JSON-LD, else microdata, else Open Graph, else the page's own look."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from veduta.pool.readers import product_schema as schema
from veduta.pool.readers.product import Product, Raw, Spoke, product
from veduta.pool.readers.product_text import price_of
from veduta.pool.readers.web_html import MAX_PAGE, encoding_of, own_address

_CART = re.compile(
    r"add to (?:cart|basket|bag|trolley)|buy now|in den (?:warenkorb|einkaufswagen)|ajouter au panier|añadir (?:al carrito|a la cesta)|"
    r"aggiungi al carrello|in winkelwagen|do koszyka|adicionar ao carrinho|カートに入れる|加入购物车",
    re.IGNORECASE,
)
MAX_PIECES, MAX_BOXES = 2000, 200
_SIZE = re.compile(r"\d+")


@dataclass
class Found:
    """The products of a page and remarks on what was odd in it. reason: why there are none, or ""."""

    products: list[Product] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    reason: str = ""


def page_products(content: bytes, url: str = "", place: str = "") -> Found:
    """All products of a page, each with the source that spoke for it. The first source that names a product is believed.

    url: the page's address; where it is "", the page's own word serves (as for `page_candidates`). place: what stands for
    the address where there is none. Pages beyond 16 MiB are cut. Never raises for bad content.
    """
    fault = not_html(content)
    if fault:
        return Found(reason=f"wrong content: {fault}")
    from lxml import etree
    from lxml import html as parser

    try:
        encoding = encoding_of(content)
        given = parser.HTMLParser(encoding=encoding, no_network=True, huge_tree=False)
        root = parser.document_fromstring(content[:MAX_PAGE], parser=given)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        return Found(reason=f"broken HTML: {str(error)[:120]}")
    found = Found()
    address = url or own_address(root, content)
    base = next((_joined(address, href) for href in root.xpath("//base/@href") if href.strip()), address)
    shop = _meta(root, "og:site_name") or ""
    blocks: list[Any] = []
    for script in root.xpath("//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]"):
        values = schema.parse(script.text or "")
        if values is None:
            found.remarks.append("JSON-LD is not JSON")
        blocks += values or []
    # What nobody sees is not text of the page.
    etree.strip_elements(root, "script", "style", "noscript", with_tail=False)
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    sources: list[tuple[Spoke, Iterator[Raw]]] = [
        ("json-ld", schema.products(blocks)),
        ("microdata", schema.products(list(microdata(root)))),
        ("open-graph", open_graph(root)),
        ("page", look(root)),
    ]
    for spoke, raws in sources:
        made = [product(_filled(raw, root), address or place, base, spoke, shop) for raw in raws]
        if made:
            found.products = made
            return found
    listing = any("itemlist" in schema.kinds(node) for node in blocks)
    found.reason = "not a product page" + (": a list of products" if listing else "")
    return found


def not_html(content: bytes) -> str:
    """What the bytes are instead of HTML, whatever the server called them; "" for a text."""
    start = content[:1024].lstrip()
    if not start:
        return "an empty page"
    for magic, name in ((b"%PDF", "a PDF"), (b"PK\x03\x04", "a ZIP archive"), (b"\x1f\x8b", "gzip"), (b"\xff\xd8\xff", "a JPEG"),
                        (b"\x89PNG", "a PNG"), (b"GIF8", "a GIF"), (b"RIFF", "a RIFF file")):  # fmt: skip
        if content.startswith(magic):
            return name
    if content[:2] not in (b"\xff\xfe", b"\xfe\xff") and content[:4096].count(0) > 8:
        return "binary data"
    return "" if b"<" in content else "no markup"


def microdata(root: Any) -> Iterator[schema.Node]:
    """The items at the top of the page's microdata (HTML standard, 5.2), as nested dicts with "@type"."""
    for element in root.xpath("//*[@itemscope and not(@itemprop)]"):
        yield _item(element, 0)


def _item(element: Any, depth: int) -> schema.Node:
    node: schema.Node = {"@type": (element.get("itemtype") or "").split()}
    if element.get("itemid"):
        node["@id"] = element.get("itemid")
    pending = [*reversed(element)]
    while pending:
        each = pending.pop()
        if not isinstance(each.tag, str):
            continue
        names = (each.get("itemprop") or "").split()
        if names:
            inner = each.get("itemscope") is not None
            value: Any = _item(each, depth + 1) if inner and depth < schema.DEPTH else _value(each)
            for name in names:
                node[name] = value if name not in node else [*_as_list(node[name]), value]
        if each.get("itemscope") is None:
            pending += reversed(each)
    return node


def _value(element: Any) -> str:
    """The value of a property: its link, its `content`, or its text (HTML standard, 5.2.4)."""
    for name in ("content", "src", "href", "data", "datetime", "value"):
        if element.get(name) is not None and not (name == "href" and element.tag == "span"):
            return element.get(name)
    return _text(element)


def open_graph(root: Any) -> Iterator[Raw]:
    """The product of Open Graph tags, if the page says that it is one."""
    kind = (_meta(root, "og:type") or "").lower()
    price = _meta(root, "product:price:amount") or _meta(root, "og:price:amount")
    if not (kind in ("product", "og:product", "product.item", "product.group") or price):
        return
    yield Raw(
        title=_meta(root, "og:title"),
        brand=_meta(root, "product:brand") or _meta(root, "og:brand"),
        description=_meta(root, "og:description"),
        price=price,
        currency=_meta(root, "product:price:currency") or _meta(root, "og:price:currency"),
        category=_meta(root, "product:category"),
        images=_metas(root, ("og:image", "og:image:url", "og:image:secure_url")),
        variant_of=_meta(root, "product:item_group_id"),
        identity=_meta(root, "product:retailer_item_id"),
        url=_meta(root, "og:url"),
    )


def look(root: Any) -> Iterator[Raw]:
    """The product of a page without any structured data: one heading, a price, and a button that puts it into a cart."""
    headings = [text for each in root.xpath("//h1") if (text := _text(each))]
    texts = root.xpath("//button//text() | //a//text() | //input/@value | //button/@aria-label")
    if len(headings) != 1 or not any(_CART.search(text) for text in texts):
        return
    price = next((text for each in _classed(root, "price") if price_of(text := _text(each)) is not None), None)
    images = [link for each in _pictures(root) if (link := _source(each))]
    if price is None or not images:
        return
    listed = [
        _text(each) for box in _classed(root, "feature", "bullet", "highlight", "spec") for each in box.iter("li")
    ]
    yield Raw(
        title=headings[0],
        description=next(iter(root.xpath("//meta[@name='description']/@content")), None),
        bullets=listed,
        price=price,
        images=images[:1],  # which of the others show the product cannot be told
    )


def _filled(raw: Raw, root: Any) -> Raw:
    """Breadcrumbs of the page serve where the source names no category."""
    if not raw.category:
        steps = [_text(each) for box in _classed(root, "breadcrumb")[:1] for each in box.iter("a", "li", "span")]
        raw.category = [
            each for each in dict.fromkeys(steps) if each and len(each) <= 60 and not re.search(r"[>»›]", each)
        ]
    return raw


def _pictures(root: Any) -> list[Any]:
    """Pictures, those of a gallery or the main part first, of these the widest."""
    every = list(root.iter("img"))
    inside = {each for box in (*_classed(root, "gallery", "product"), *root.iter("main")) for each in box.iter("img")}
    widths = {each: int(found[0]) if (found := _SIZE.search(each.get("width") or "")) else 300 for each in every}
    useful = [each for each in every if widths[each] >= 100]
    return sorted(useful, key=lambda each: (each not in inside, -widths[each]))


def _classed(root: Any, *words: str) -> list[Any]:
    """Elements whose class or id holds one of the words, in the page's order."""
    test = " or ".join(f"contains(translate(concat(@class, ' ', @id), '{w.upper()}', '{w}'), '{w}')" for w in words)
    return root.xpath(f"//*[(@class or @id) and ({test})]")[:MAX_BOXES]


def _source(image: Any) -> str:
    for name in ("data-zoom-image", "data-src", "data-original", "src"):
        value = (image.get(name) or "").strip()
        if value and not value.startswith("data:"):
            return value
    return ""


def _meta(root: Any, name: str) -> str | None:
    return next(iter(_metas(root, (name,))), None)


def _metas(root: Any, names: tuple[str, ...]) -> list[str]:
    found = [each.get("content") for each in root.iter("meta") if (each.get("property") or each.get("name")) in names]
    return [value.strip() for value in found if value and value.strip()]


def _text(element: Any) -> str:
    """The text of an element, cut: a page may repeat itself without end."""
    return " ".join("".join(itertools.islice(element.itertext(), MAX_PIECES)).split())[:4000]


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link.strip()) if urlsplit(base).scheme else link.strip()
    except ValueError:
        return base


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
