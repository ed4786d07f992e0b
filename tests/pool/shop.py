"""A made-up shop: sixty pages from six templates with planted faults, and what each must give."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field

NOUNS = ("mug", "lamp", "backpack", "teapot", "sofa", "kettle", "drum", "violin", "umbrella", "candle")
SHOP = "Corner Store"


@dataclass
class Expected:
    """What a page must give: `rows` are (title, price, currency, source, reject) of its products; reason: of a page without any."""

    rows: list[tuple] = field(default_factory=list)
    reason: str = ""


@dataclass
class Goods:
    title: str
    price: str = "19.90"
    currency: str = "EUR"
    brand: str = "Acme"
    description: str = "Made to last &amp; easy to clean.<ul><li>Dishwasher safe</li><li>500 g</li></ul>"
    images: tuple[str, ...] = ("/img/{n}.jpg",)
    path: tuple[str, ...] = ("Home", "House & Garden", "Kitchen")


def good(n: int) -> Goods:
    made = Goods(f"Red {NOUNS[n % 10]} no. {n}", price=f"{10 + n}.90")
    made.images = (f"/img/{n}.jpg", f"/img/{n}b.jpg") if n % 3 == 0 else (f"/img/{n}.jpg",)
    return made


def page(head: str = "", body: str = "", title: str = "A page") -> str:
    return f"<!doctype html><html><head><meta charset=utf-8><title>{title} | {SHOP}</title>{head}</head><body>{body}</body></html>"


def script(value: object) -> str:
    return f'<script type="application/ld+json">{value if isinstance(value, str) else json.dumps(value)}</script>'


def node(goods: Goods) -> dict:
    return {
        "@context": "https://schema.org", "@type": "Product", "name": goods.title, "sku": goods.title[-5:],
        "brand": {"@type": "Brand", "name": goods.brand}, "description": goods.description,
        "image": list(goods.images), "category": " > ".join(goods.path),
        "offers": {"@type": "Offer", "price": goods.price, "priceCurrency": goods.currency},
    }  # fmt: skip


def crumbs(goods: Goods) -> dict:
    steps = [{"@type": "ListItem", "position": i, "name": name} for i, name in enumerate(goods.path, 1)]
    return {"@type": "BreadcrumbList", "itemListElement": steps[::-1]}


def jsonld(goods: Goods) -> str:
    related = {"@type": "Product", "name": "Something else", "image": "/img/other.jpg"}
    return page(script({**node(goods), "isRelatedTo": [related]}))


def graph(goods: Goods) -> str:
    """Two variants of a group in a @graph, the second by reference, prices in a list of offers."""
    group = {
        "@type": "ProductGroup", "@id": "#g", "productGroupID": f"group {goods.title}", "name": goods.title,
        "brand": goods.brand, "description": goods.description, "image": {"@type": "ImageObject", "url": goods.images[0]},
        "hasVariant": [
            {"@type": "Product", "name": f"{goods.title}, blue", "sku": "b", "image": "/img/blue.jpg", "offers": [
                {"@type": "Offer", "price": 99, "priceCurrency": goods.currency},
                {"@type": "Offer", "price": goods.price, "priceCurrency": goods.currency},
            ]},
            {"@id": "#green"},
        ],
    }  # fmt: skip
    green = {
        "@type": ["Product", "Thing"], "@id": "#green", "name": f"{goods.title}, green", "sku": "g",
        "offers": {"@type": "AggregateOffer", "lowPrice": goods.price, "highPrice": 99, "priceCurrency": goods.currency},
    }  # fmt: skip
    return page(script({"@context": "https://schema.org", "@graph": [green, crumbs(goods), group]}))


def microdata(goods: Goods) -> str:
    pictures = "".join(f'<img itemprop="image" src="{link}">' for link in goods.images)
    return page(
        body=f"""
<ol itemscope itemtype="https://schema.org/BreadcrumbList">{
            "".join(
                f'<li itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem"><span itemprop="name">{html.escape(name)}'
                f'</span><meta itemprop="position" content="{i}"></li>'
                for i, name in enumerate(goods.path, 1)
            )
        }</ol>
<div itemscope itemtype="http://schema.org/Product"><h1 itemprop="name">{goods.title}</h1>{pictures}
<span itemprop="brand" itemscope itemtype="http://schema.org/Brand"><b itemprop="name">{goods.brand}</b></span>
<div itemprop="offers" itemscope itemtype="http://schema.org/Offer"><span itemprop="price" content="{
            goods.price
        }">x</span>
<meta itemprop="priceCurrency" content="{goods.currency}"></div><div itemprop="description">Made to last.</div>
<div itemprop="review" itemscope itemtype="http://schema.org/Review"><span itemprop="name">Great!</span></div></div>"""
    )


def opengraph(goods: Goods) -> str:
    tags = {
        "og:type": "product", "og:title": f"{goods.title} | {SHOP}", "og:site_name": SHOP, "product:brand": goods.brand,
        "product:price:amount": goods.price, "product:price:currency": goods.currency, "og:description": "Made to last",
        "product:category": " > ".join(goods.path),
    }  # fmt: skip
    head = "".join(f'<meta property="{k}" content="{html.escape(v)}">' for k, v in tags.items())
    return page(head + "".join(f'<meta property="og:image" content="{link}">' for link in goods.images))


def heuristic(goods: Goods) -> str:
    pictures = "".join(f'<img src="{link}" width="600">' for link in goods.images)
    return page(
        body=f"""<nav class="breadcrumbs">{"".join(f"<a>{html.escape(p)}</a>" for p in goods.path)}</nav>
<img src="/img/logo.png" width="80"><main><h1>{goods.title}</h1><div class="gallery">{pictures}</div>
<span class="product-price">{goods.price} {goods.currency}</span><ul class="features"><li>Dishwasher safe</li></ul>
<button>Add to cart</button></main>"""
    )


def broken_json(goods: Goods) -> str:
    """JSON-LD that is not JSON, and microdata that speaks in its place."""
    text = json.dumps(node(goods))[:-20] + " oops"
    return microdata(goods).replace("</head>", script(text) + "</head>")


TEMPLATES = {
    "jsonld": (jsonld, "json-ld"), "graph": (graph, "json-ld"), "microdata": (microdata, "microdata"),
    "opengraph": (opengraph, "open-graph"), "heuristic": (heuristic, "page"), "broken": (broken_json, "microdata"),
}  # fmt: skip
ARTICLE = page(body="<h1>How we make mugs</h1><p>From clay, for 12.50 EUR a day.</p><img src='/img/a.jpg'>")
LISTING = page(
    script({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": {"@type": "Product", "name": "x"}}]})
)


def pages() -> dict[str, tuple[bytes, Expected]]:
    """Name -> (content, what it must give): ten of each template, every third with a fault."""
    made: dict[str, tuple[bytes, Expected]] = {}
    for t, (name, (render, spoke)) in enumerate(TEMPLATES.items()):
        for i in range(10):
            n = 10 * t + i
            made[f"{name}-{i}.html"] = _page(render, spoke, name, n, i)
    return made


def _page(render, spoke: str, name: str, n: int, i: int) -> tuple[bytes, Expected]:
    goods = good(n)
    titles = [f"{goods.title}, blue", f"{goods.title}, green"] if name == "graph" else [goods.title]

    def expect(
        reject: str | None = None, price: float | None = float(goods.price), title: str | None = None
    ) -> Expected:
        currency = goods.currency if price is not None else None
        names = titles if title is None else [title] * len(titles)
        return Expected([(each, price, currency, spoke, reject) for each in names])

    if i == 1:  # escaped twice, with tracking codes and the shop's slogans behind it
        goods.title = f"Mug &amp;amp; saucer no. {n} utm_source=mail"
        named = f"Mug & saucer no. {n}"
        if name == "graph":
            return render(goods).encode(), Expected(
                [(f"{named} {c}", float(goods.price), goods.currency, spoke, None) for c in ("blue", "green")]
            )
        return render(goods).encode(), expect(title=named)
    if i == 3 and name != "heuristic":
        goods.price = "call us"
        if name == "graph":  # the first variant's list has another price, which is a number
            return render(goods).encode(), Expected(
                [
                    (titles[0], 99.0, "EUR", spoke, None),
                    (titles[1], None, None, spoke, "price is not a number: 'call us'"),
                ]
            )
        return render(goods).encode(), expect("price is not a number: 'call us'", None)
    if i == 5 and name not in ("graph", "heuristic"):
        goods.title, fault = (
            ("19.90 EUR", "title is a price"), ("", "title is empty"), ("Mug \x07 bell", "title has control characters"),
            ("Mug \u202egum", "title has control characters"),
        )[n % 4]  # fmt: skip
        if name == "opengraph" and not goods.title:
            goods.title = "&nbsp;"
        return render(goods).encode(), Expected([(None, float(goods.price), "EUR", spoke, fault)])
    if i == 7:
        other = (ARTICLE, LISTING, "", "%PDF-1.4 \x00\x01", "<html><body>" + "<div>" * 5000, "no markup at all")[
            n // 10
        ]
        reasons = ("not a product page", "not a product page: a list of products", "wrong content: an empty page",
                   "wrong content: a PDF", "not a product page", "wrong content: no markup")  # fmt: skip
        return other.encode(), Expected(reason=reasons[n // 10])
    if i == 9:  # cut off behind what matters, as a broken transfer leaves it
        whole = render(goods).encode()
        return whole.removesuffix(b"</html>").removesuffix(b"</body>"), expect()
    return render(goods).encode(), expect()
