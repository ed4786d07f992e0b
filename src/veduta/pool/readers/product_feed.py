"""Products of a shop's feed: the fields of Google Merchant in CSV, TSV, JSON lines or XML (RSS 2.0, Atom)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veduta.errors import BadInput, SourceError
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.product import Raw
from veduta.pool.readers.records import Records

XML = (".xml", ".rss", ".atom")
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson")
# Our name -> the names that feeds use, in the order in which they are tried; spaces, hyphens and case do not matter.
_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title", "name", "product_name", "product_title", "structured_title"),
    "brand": ("brand", "manufacturer", "vendor"),
    "description": ("description", "body_html", "product_description", "long_description", "summary", "content"),
    "price": ("sale_price", "price", "variant_price"),
    "currency": ("currency", "price_currency", "currency_code"),
    "category": ("product_type", "google_product_category", "category_path", "category", "product_category", "categories"),
    "images": ("image_link", "image_url", "image", "image_src", "picture", "img", "images", "file_name"),
    "more": ("additional_image_link", "additional_image_links", "additional_images"),
    "bullets": ("product_highlight", "product_highlights", "bullets", "highlights"),
    "details": ("product_detail", "color", "material", "size", "pattern"),
    "variant_of": ("item_group_id", "variant_of", "parent_sku", "group_id", "handle"),
    "identity": ("id", "sku", "product_id", "offer_id", "gtin", "mpn"),
    "url": ("link", "url", "product_url", "source_url"),
}  # fmt: skip


def is_feed(path: Path) -> bool:
    """Whether the name says feed."""
    return path.name.lower().endswith((*XML, *TABLES))


def feed_products(path: Path, notes: Notes) -> Iterator[tuple[int, Raw]]:
    """(number from 1, product) of every record. Cost: one record in memory; tables are read twice.

    Raises SourceError for a file that is not a feed, BadInput for a table without titles or images. A feed that is cut off
    keeps what came before.
    """
    records = _xml(path, notes) if path.name.lower().endswith(XML) else _table(path, notes)
    for number, record in enumerate(records, 1):
        yield number, _raw(record)


def _table(path: Path, notes: Notes) -> Iterator[dict[str, Any]]:
    table = Records(str(path), notes).scan()
    names = {_plain(name) for name in table.types}
    for role in ("title", "images"):
        if table.count and not names & set(_NAMES[role]):
            raise BadInput(
                f"{path} has no column for {role} (looked for: {', '.join(_NAMES[role][:5])}); it has: {', '.join(table.types)}"
            )
    for row in table.rows():
        yield {_plain(name): value for name, value in row.items()}


def _xml(path: Path, notes: Notes) -> Iterator[dict[str, Any]]:
    from lxml import etree

    seen = False
    try:
        # Entities stay unresolved and nothing is fetched: a feed must not read this machine's files or grow without end.
        events = etree.iterparse(
            str(path), events=("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        for _, element in events:
            if _name(element) not in ("item", "entry", "product", "offer"):
                continue
            if element.getparent() is not None and _name(element.getparent()) in ("item", "entry", "product", "offer"):
                continue
            seen = True
            yield _record(element)
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except (etree.XMLSyntaxError, OSError) as error:
        if not seen:
            raise SourceError(f"{path} is not an XML feed: {str(error)[:160]}") from None
        notes.problem(path.name, f"the feed is cut off or damaged: {str(error)[:160]}", hides="all")
        return
    if not seen:
        raise SourceError(f"{path} holds no item or entry of a product feed")


def _record(element: Any) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        value = child.get("href") or (child.text or "").strip() if _name(child) == "link" else _inside(child)
        if value:
            name = _plain(_name(child))
            record[name] = value if name not in record else [*_listed(record[name]), value]
    return record


def _inside(element: Any) -> str:
    """Text of an element; of one with parts (`product_detail`: section, name, value) the last two, joined."""
    parts = [text for each in element if isinstance(each.tag, str) and (text := "".join(each.itertext()).strip())]
    return ": ".join(parts[-2:]) if parts else "".join(element.itertext()).strip()


def _raw(record: dict[str, Any]) -> Raw:
    def first(role: str) -> Any:
        return next((record[name] for name in _NAMES[role] if record.get(name) not in (None, "", [])), None)

    def text(role: str) -> str | None:
        value = first(role)
        value = value[0] if isinstance(value, list) and value else value
        return None if value is None else str(value)

    images = [link for role in ("images", "more") for each in _listed(first(role)) for link in _links(each)]
    details = [
        value if name == "product_detail" else f"{name}: {value}"
        for name in _NAMES["details"]
        for value in _listed(record.get(name))
        if value not in (None, "")
    ]
    category = first("category")
    price = first("price")
    return Raw(
        title=text("title"),
        brand=text("brand"),
        description=text("description"),
        bullets=[*_listed(first("bullets")), *details],
        price=price[0] if isinstance(price, list) and price else price,
        currency=text("currency"),
        category=category[0] if isinstance(category, list) and category and ">" in str(category[0]) else category,
        images=images,
        variant_of=text("variant_of"),
        identity=text("identity"),
        url=text("url"),
    )


def _links(value: Any) -> list[str]:
    """The links in a cell: one, or several separated by commas that a link follows."""
    if isinstance(value, dict):
        value = value.get("url") or value.get("src") or ""
    return [
        link.strip() for link in re.split(r",\s*(?=https?:|//|[^,?]+\.(?:jpe?g|png|webp|gif)\s*(?:,|$))", str(value))
    ]


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().lower()).removeprefix("g:")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
