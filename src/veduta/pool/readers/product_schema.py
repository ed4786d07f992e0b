"""schema.org products in the nested form that JSON-LD and microdata share: dicts with "@type"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from veduta.pool.readers.product import Raw
from veduta.pool.readers.product_text import price_of

Node = dict[str, Any]
PRODUCTS = frozenset({"product", "individualproduct", "productmodel", "someproducts", "vehicle", "car", "book"})
GROUP = "productgroup"
DEPTH = 12
# Products inside these are others than the page's own.
_OTHERS = frozenset(
    {"isrelatedto", "issimilarto", "isaccessoryorsparepartfor", "isconsumablefor", "itemlistelement", "review", "itemreviewed",
     "isvariantof", "hasvariant", "offers", "itemoffered"}
)  # fmt: skip
_STARTS = ("<!--", "//", "/*", "<![CDATA[", "*/")
_ENDS = ("-->", "*/", "]]>", "/*", "//")
_IDENTITY = ("sku", "productID", "mpn", "gtin13", "gtin", "gtin12", "gtin8", "gtin14", "@id", "url")


def parse(text: str) -> list[Any] | None:
    """The values in a JSON-LD block; None if it is not JSON. Comments around it and commas before a bracket are forgiven."""
    text = text.strip().strip(";").strip()
    for start in _STARTS:
        text = text.removeprefix(start).lstrip()
    for end in _ENDS:
        text = text.removesuffix(end).rstrip().rstrip(";")
    for attempt in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        try:
            value = json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, list) else [value]
    return None


def kinds(node: Any) -> set[str]:
    """The types of a node in small letters without their vocabulary."""
    given = node.get("@type") if isinstance(node, dict) else None
    listed = given if isinstance(given, list) else [given]
    return {re.split(r"[/#:]", kind)[-1].lower() for kind in listed if isinstance(kind, str)}


def products(blocks: list[Any]) -> Iterator[Raw]:
    """The page's own products among all its blocks, variants of a group one by one."""
    known: dict[str, Node] = {}
    every = [node for block in blocks for node in _walk(block, 0, known)]
    path = next((found for node in every if "breadcrumblist" in kinds(node) and (found := breadcrumbs(node))), None)
    seen: set[int] = set()
    # A group first: its variants may stand beside it in the graph once more.
    for node in sorted(every, key=lambda node: GROUP not in kinds(node)):
        if GROUP in kinds(node):
            variants = [_whole(each, known) for each in _listed(node.get("hasVariant"))]
            seen.update(id(each) for each in variants)
            for raw in _group(node, variants, known):
                yield _with(raw, path)
        elif kinds(node) & PRODUCTS and id(node) not in seen:
            yield _with(_raw(node, known), path)


def breadcrumbs(node: Node) -> list[str]:
    """The names of a BreadcrumbList in the order of their positions."""
    steps = []
    for place, entry in enumerate(_listed(node.get("itemListElement"))):
        if isinstance(entry, dict):
            item = entry.get("item")
            name = entry.get("name") or (item.get("name") if isinstance(item, dict) else None)
            position = price_of(entry.get("position"))
            steps.append((position if position is not None else place, place, _text(name)))
    return [name for _, _, name in sorted(steps) if name]


def _walk(value: Any, depth: int, known: dict[str, Node]) -> Iterator[Node]:
    if depth > DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from _walk(each, depth + 1, known)
    elif isinstance(value, dict):
        if isinstance(value.get("@id"), str) and len(value) > 1:
            known.setdefault(value["@id"], value)
        if "@type" in value:
            yield value
        for name, inner in value.items():
            if isinstance(inner, (dict, list)):
                found = _walk(inner, depth + 1, known)
                if name.lower() in _OTHERS:
                    list(found)  # only for their ids
                else:
                    yield from found


def _group(node: Node, variants: list[Node], known: dict[str, Node]) -> Iterator[Raw]:
    common = _raw(node, known)
    name = _text(node.get("productGroupID")) or common.identity or _text(node.get("name"))
    if not variants:
        yield common
    for each in variants:
        own = _raw(each, known)
        own.variant_of = name
        for attribute in ("title", "brand", "description", "price", "currency", "category", "url"):
            if getattr(own, attribute) in (None, "", []):
                setattr(own, attribute, getattr(common, attribute))
        own.images = own.images or common.images
        own.bullets = own.bullets or common.bullets
        yield own


def _raw(node: Node, known: dict[str, Node]) -> Raw:
    parent = _whole(node.get("isVariantOf"), known)
    price, currency = offer(node.get("offers"), known)
    identity = next((_text(node[name]) for name in _IDENTITY if node.get(name) and _text(node[name])), None)
    return Raw(
        title=_text(node.get("name")),
        brand=_text(_whole(node.get("brand"), known) or node.get("brand") or node.get("manufacturer")),
        description=_text(node.get("description")),
        bullets=_properties(node, known),
        price=price,
        currency=currency,
        category=_category(node.get("category")),
        images=[link for each in _listed(node.get("image")) if (link := _link(each, known))],
        variant_of=_text(parent.get("productGroupID") or parent.get("@id") or parent.get("name")) if parent
        else _text(node.get("inProductGroupWithID")),
        identity=identity,
        url=_text(node.get("url")),
    )  # fmt: skip


def offer(value: Any, known: dict[str, Node], depth: int = 0) -> tuple[Any, Any]:
    """(price, currency) of an offer, an aggregate or a list: the lowest that is a number, else the first that is given."""
    found: list[tuple[Any, Any]] = []
    for each in _listed(value):
        node = _whole(each, known)
        inner = [_whole(spec, known) for spec in _listed(node.get("priceSpecification"))]
        for spec in [node, *inner]:
            price = next((spec[name] for name in ("price", "lowPrice") if spec.get(name) not in (None, "")), None)
            if price is not None:
                found.append((price, spec.get("priceCurrency") or node.get("priceCurrency")))
        if not found and node.get("offers") and depth < DEPTH:  # ids may refer in a circle
            found.append(offer(node["offers"], known, depth + 1))
    numbers = [(number, at) for at, (price, _) in enumerate(found) if (number := price_of(price)) is not None]
    return found[min(numbers)[1]] if numbers else found[0] if found else (None, None)


def _properties(node: Node, known: dict[str, Node]) -> list[str]:
    said = []
    for each in _listed(node.get("additionalProperty")):
        entry = _whole(each, known)
        name, value = _text(entry.get("name")), _text(entry.get("value"))
        if value:
            said.append(f"{name}: {value}" if name else value)
    plain = [
        f"{name}: {value}" for name in ("color", "material", "size", "pattern") if (value := _text(node.get(name)))
    ]
    return [*said, *plain]


def _category(value: Any) -> Any:
    steps = [_text(each) for each in _listed(value)]
    kept = [each for each in steps if each]
    return kept[0] if len(kept) == 1 else kept or None


def _with(raw: Raw, path: list[str] | None) -> Raw:
    if not raw.category and path:
        raw.category = path
    return raw


def _whole(value: Any, known: dict[str, Node]) -> Node:
    """A node; a mere reference becomes what it refers to."""
    if isinstance(value, list):
        value = next((each for each in value if isinstance(each, dict)), None)
    if not isinstance(value, dict):
        return {}
    return known.get(value["@id"], value) if set(value) == {"@id"} and isinstance(value["@id"], str) else value


def _link(value: Any, known: dict[str, Node]) -> str | None:
    if isinstance(value, str):
        return value
    node = _whole(value, known)
    return next((link for name in ("contentUrl", "url", "@id") if isinstance(link := node.get(name), str)), None)


def _text(value: Any) -> str | None:
    """A text however it is wrapped: a value, {"@value": ...}, {"name": ...}, a list of them."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = value.get("@value") or value.get("name")
        else:
            break
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    return str(value)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict) and "@list" in value:
        value = value["@list"]
    return value if isinstance(value, list) else [] if value is None else [value]
