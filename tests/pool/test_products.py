"""The products reader: texts, extraction from sixty pages of six templates, feeds, a shop on localhost, pages that lie."""

from __future__ import annotations

import io
import json
import math
import time
from collections import Counter

import pyarrow as pa
import pytest
import shop
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from web_server import Web, jpeg

from veduta.errors import BadInput, SourceError
from veduta.pool import Pool
from veduta.pool.fetch import Policy
from veduta.pool.item import Reader
from veduta.pool.readers import open_source
from veduta.pool.readers import product_schema as schema
from veduta.pool.readers import product_text as words
from veduta.pool.readers.product_page import page_products
from veduta.pool.readers.products import COLUMNS, Products

LOCAL = Policy(allow_private=True, pause=0.01, timeout=5.0)


@pytest.fixture
def web():
    made = Web()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "number", "code"),
    [
        ("19.90", 19.9, None), (19.9, 19.9, None), ("1,299.00 USD", 1299.0, "USD"), ("1.299,00 €", 1299.0, "EUR"), ("£5", 5.0, "GBP"),
        ("1.299", 1299.0, None), ("12,5", 12.5, None), ("1 299,90 zł", 1299.9, "PLN"), ("1'299.00 CHF", 1299.0, "CHF"),
        ("from 12.90 to 15.00", 12.9, None), ("0.999", 0.999, None), ("$19", 19.0, None), ("1,000,000", 1e6, None),
        ("call us", None, None), ("", None, None), (None, None, None), ("-5", None, None), (-5, None, None), (math.nan, None, None),
        (math.inf, None, None), (True, None, None), ("12.05.2026", None, None), ("50 % off", None, None), ("size 4x4", None, None),
        ("９.５０", 9.5, None), ("9" * 70, None, None),
    ],
)  # fmt: skip
def test_prices(text, number, code):
    assert words.price_of(text) == number
    assert words.currency_of(text) == code


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 99))
def test_a_price_written_in_either_way_is_read_back(whole, cents):
    for form in (f"{whole:,}.{cents:02d}", f"{whole:,}".replace(",", ".") + f",{cents:02d} €", f"{whole}.{cents:02d}"):
        assert words.price_of(form) == pytest.approx(whole + cents / 100)


def test_titles():
    assert words.clean_title("Red mug &amp;amp; saucer | Corner Store", "Corner Store") == "Red mug & saucer"
    assert words.clean_title("Red mug - 30 cm - Buy online at corner.com") == "Red mug - 30 cm"
    assert words.clean_title("Corner Store | Red mug", "Corner Store") == "Red mug"
    assert words.clean_title("T-shirt – blue", "Corner Store") == "T-shirt – blue"
    assert words.clean_title("<b>Mug</b><script>alert(1)</script> {{ name }}") == "Mug"
    assert len(words.clean_title("word " * 500)) <= 300
    faults = {
        "Mug": None, None: "title is empty", "  ": "title is empty", "&nbsp;<br>": "title is empty", "€ 19.90": "title is a price",
        "from 12,00 EUR": "title is a price", "19.90": "title is a price", "Mug\x00": "title has control characters",
        "Mug\u202e": "title has control characters", "Mug \ufffd": "title has characters that cannot be read", "Only 1": "title is a price",
        "Lamp 3000": None, "500 g sugar": None,
    }  # fmt: skip
    assert {text: words.title_fault(text) for text in faults} == faults


def test_descriptions_bullets_and_captions():
    given_ = "<p>Good &amp; cheap.</p><ul><li>Steel<li>500&nbsp;g</li></ul>"
    assert words.clean_description(given_) == "Good & cheap. Steel 500 g"
    assert words.bullets_of(given_) == ["Steel", "500 g"]
    assert words.clean_description("Red mug!", "Red Mug") is None
    assert words.captions_of("Mug", "Acme", None, ["Steel", "500 g"]) == ["Mug, Acme", "Steel; 500 g"]
    assert words.captions_of("Acme mug", "ACME", "Nice", []) == ["Acme mug", "Nice"]
    assert words.path_of("Home > Women > Dresses > Dress", "dress") == ["Women", "Dresses"]
    assert words.path_of(["A", None, "B", "A"]) == ["A", "B"]
    assert words.path_of("Clothing/Tops / T-Shirts & more") == ["Clothing", "Tops", "T-Shirts & more"]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_cleaning(text):
    title = words.clean_title(text)
    assert len(title) <= 300
    assert "\n" not in title
    assert words.title_fault(text) is None or isinstance(words.title_fault(text), str)
    words.price_of(text), words.currency_of(text), words.bullets_of(text), words.path_of(text)


@pytest.mark.parametrize(
    "piece", ["<", "<a", "&lt;script", "1,", "- ", "| ", "{{", "<li>", "<!--", "&amp;", "utm_a=", "[["]
)
def test_no_text_makes_the_cleaning_slow(piece):
    text = piece * 50_000
    start = time.process_time()
    (
        words.plain(text),
        words.title_fault(text),
        words.clean_title(text, "x"),
        words.bullets_of(text),
        words.price_of(text),
    )
    words.path_of(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "page",
    [
        "<script type='application/ld+json'>" + "; " * 200_000 + "x</script>", "<div class=price itemscope itemtype=Product>" * 20_000,
        "<div itemscope itemtype=Product>" + "<b><i></i></b>" * 100_000, "<h1>x</h1>" * 50_000, "<script type='ld+json'>" * 20_000,
        "<div class=price>" * 200 + "<b>9</b>" * 50_000 + "<h1>x</h1><a>add to cart</a><img src=a>", "<meta property='og:image' content=a>" * 50_000,
    ],
)  # fmt: skip
def test_no_page_makes_the_extraction_slow(page):
    start = time.process_time()
    found = page_products(b"<html>" + page.encode(), "https://c.test/")
    assert found.products or found.reason
    assert time.process_time() - start < 10


def test_sixty_pages_of_six_templates():
    """Every page gives exactly what was planted: who speaks, titles, prices, and the reason of every fault."""
    pages = shop.pages()
    assert len(pages) == 60
    wrong, spoke, ended = {}, Counter(), Counter()
    for name, (content, expected) in pages.items():
        found = page_products(content, f"https://corner.test/{name}")
        got = [
            (p.title if not p.reject or "title" not in p.reject else None, p.price, p.currency, p.spoke, p.reject)
            for p in found.products
        ]
        if (got, found.reason) != (expected.rows, expected.reason):
            wrong[name] = (got, found.reason, expected)
        spoke.update(p.spoke for p in found.products)
        ended.update([(found.reason or (found.products[0].reject or "sound")).partition(":")[0]])
    assert not wrong
    assert set(spoke) == {"json-ld", "microdata", "open-graph", "page"}
    assert ended["sound"] >= 40
    assert sum(ended.values()) == 60


def test_what_a_sound_page_gives_in_full():
    content = shop.jsonld(shop.good(3)).encode()
    (one,) = page_products(content, "https://corner.test/a/b.html").products
    assert (one.brand, one.price, one.currency) == ("Acme", 13.9, "EUR")
    assert one.category_path == ["House & Garden", "Kitchen"]
    assert one.bullets == ["Dishwasher safe", "500 g"]
    assert one.images == ["https://corner.test/img/3.jpg", "https://corner.test/img/3b.jpg"]
    assert one.captions == ["Red teapot no. 3, Acme", "Made to last & easy to clean. Dishwasher safe 500 g"]
    for render in (shop.microdata, shop.opengraph, shop.heuristic):
        (other,) = page_products(render(shop.good(3)).encode(), "https://corner.test/a/b.html").products
        assert other.category_path == one.category_path
        assert other.images[0] == one.images[0]
        assert "Something else" not in other.title


def test_variants_inherit_and_name_their_group():
    first, second = page_products(shop.graph(shop.good(1)).encode(), "https://corner.test/").products
    assert first.variant_of == second.variant_of == "group Red lamp no. 1"
    assert (first.price, second.price) == (11.9, 11.9)
    assert first.images == ["https://corner.test/img/blue.jpg"]
    assert second.images == ["https://corner.test/img/1.jpg"]
    assert first.brand == second.brand == "Acme"


@pytest.mark.parametrize(
    "block",
    [
        "", "null", "[1, 2]", '{"@type": "Product"', '{"@type": 7}', "[" * 100_000, '{"@type": "Product", "name": {"a": 1}}',
        '{"@type": "Product", "offers": [[[]]], "image": {"@id": "#x"}, "brand": []}', '{"@graph": {"@graph": {"@type": []}}}',
        '{"@type": "Product", "@id": "#a", "name": "x", "isVariantOf": {"@id": "#a"}, "offers": {"@id": "#a"}}',
        '{"@type": "ProductGroup", "hasVariant": "no"}', '{"@type": "BreadcrumbList", "itemListElement": "no"}',
    ],
)  # fmt: skip
def test_no_block_breaks_the_page(block):
    content = shop.microdata(shop.good(0)).replace("</head>", shop.script(block) + "</head>").encode()
    found = page_products(content, "https://corner.test/")
    assert found.products or found.reason


def test_json_ld_with_comments_and_commas_too_many():
    assert schema.parse('<!-- {"@type": "Product", "image": ["a",],} -->') == [{"@type": "Product", "image": ["a"]}]
    assert schema.parse('//<![CDATA[\n{"a": "x\ny"}\n//]]>') == [{"a": "x\ny"}]
    assert schema.parse("{oops}") is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_page(content):
    found = page_products(b"<html><h1>" + content, "https://corner.test/")
    assert found.products or found.reason


def test_a_page_cannot_speak_for_another_shop_or_read_this_machine():
    goods = shop.good(0)
    told = {
        **shop.node(goods),
        "url": "https://other.test/x",
        "image": ["file:///etc/passwd", "data:image/png;base64,x", "javascript:1"],
    }
    (one,) = page_products(shop.page(shop.script(told)).encode(), "https://corner.test/p").products
    assert one.page == "https://corner.test/p"
    assert (one.images, one.reject) == ([], "no image")


def folder_of_pages(root):
    for name, (content, _) in shop.pages().items():
        (root / name).write_bytes(content.replace(b'"/img/', b'"img/').replace(b"'/img/", b"'img/"))
    (root / "img").mkdir()
    for n in range(60):
        (root / "img" / f"{n}.jpg").write_bytes(jpeg(n))
        (root / "img" / f"{n}b.jpg").write_bytes(jpeg(1000 + n))
    (root / "img" / "blue.jpg").write_bytes(jpeg(5))


def test_a_folder_of_saved_pages_becomes_a_pool_and_nothing_is_lost(tmp_path):
    root = tmp_path / "pages"
    root.mkdir()
    folder_of_pages(root)
    pool = Pool.create(tmp_path / "p.vd")
    report = pool.ingest(root, format="products")
    table = pool.table(["title", "error", "reject", "source", "captions", "price", "category_path", "page_url"])
    assert table.schema.field("price").type == pa.float64()
    assert table.schema.field("category_path").type == pa.list_(pa.string())
    rows = table.to_pylist()
    assert all(row["error"] == f"unreadable: rejected: {row['reject']}" for row in rows if row["reject"])
    assert all(row["error"] is None and row["captions"] for row in rows if not row["reject"])
    ended = {page for page, _ in [*report.unread, *report.skipped]}
    assert {row["page_url"] for row in rows} | ended >= set(shop.pages())
    counts = report.told["converted"]
    assert counts["pages"] == 60
    assert counts["rejected: price is not a number"] == 5
    assert counts["not a product page"] == 3
    assert counts["wrong content"] == 3
    assert sum(n for name, n in counts.items() if name.startswith("rejected")) == 9
    again = pool.ingest(root, format="products")
    assert set(again.outcomes) == {"unchanged", "unreadable"}
    assert len(pool) == len(rows)


def test_a_changed_price_updates_its_row(tmp_path):
    root = tmp_path / "pages"
    root.mkdir()
    goods = shop.good(1)
    (root / "a.jpg").write_bytes(jpeg(1))
    goods.images = ("a.jpg",)
    (root / "a.html").write_text(shop.jsonld(goods))
    pool = Pool.create(tmp_path / "p.vd")
    pool.ingest(root, format="products")
    goods.price = "5.00"
    (root / "a.html").write_text(shop.jsonld(goods))
    assert pool.ingest(root, format="products").outcomes == {"changed facts": 1}
    assert pool.table(["price"])["price"].to_pylist() == [5.0]


def test_a_saved_page_reads_nothing_outside_its_folder(tmp_path):
    root = tmp_path / "pages"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(jpeg(3))
    (root / "leak.jpg").symlink_to(tmp_path / "secret.jpg")
    goods = shop.good(0)
    goods.images = ("../secret.jpg", "leak.jpg", "gone.jpg", "/etc/hostname")
    (root / "a.html").write_text(shop.jsonld(goods))
    items = list(Products(root).items())
    assert {item.fields["reject"] for item in items} == {"image is neither a web link nor a file saved with the page"}
    with pytest.raises(SourceError, match="rejected: image is neither"):
        items[0].read()


def test_archives_give_their_pages(tmp_path):
    with open(tmp_path / "a.warc.gz", "wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for name, (content, _) in list(shop.pages().items())[:12]:
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.0")
            writer.write_record(
                writer.create_warc_record(
                    f"https://corner.test/{name}", "response", payload=io.BytesIO(content), http_headers=http
                )
            )
    reader = Products(tmp_path)
    assert isinstance(reader, Reader)
    assert reader.columns() == COLUMNS
    items = list(reader.items())
    assert items[0].uri == "https://corner.test/img/0.jpg"
    assert items[0].fields["page_url"] == "https://corner.test/jsonld-0.html"
    assert reader.notes.counts["pages"] == 12
    whole = (tmp_path / "a.warc.gz").read_bytes()
    (tmp_path / "a.warc.gz").write_bytes(whole[: len(whole) // 2])
    assert 0 < len(list(reader.items())) < len(items)  # what came before the cut is kept


FEED = {
    "id": ["1", "2", "3", "4"], "title": ["Red mug", "Blue mug", "", "Green mug"], "description": ["<b>Good</b>", "Fine", "x", "y"],
    "link": ["https://corner.test/p/1"] * 4, "image_link": ["https://corner.test/1.jpg", "local.jpg", "https://corner.test/3.jpg", ""],
    "price": ["19.90 EUR", "1,299.00 USD", "5 EUR", "free"], "brand": ["Acme"] * 4, "item_group_id": ["g", "g", "", ""],
    "product_type": ["Home > Kitchen > Mugs"] * 4, "color": ["red", "", "", ""],
}  # fmt: skip


def expect_feed(root):
    (root / "local.jpg").write_bytes(jpeg(2))
    reader = Products(root)
    rows = [item.fields for item in reader.items()]
    assert [row["title"] for row in rows] == ["Red mug", "Blue mug", None, "Green mug"]
    assert [row["price"] for row in rows] == [19.9, 1299.0, 5.0, None]
    assert [row["currency"] for row in rows] == ["EUR", "USD", "EUR", None]
    assert [row["reject"] for row in rows] == [None, None, "title is empty", "price is not a number: 'free'"]
    assert [row["variant_of"] for row in rows] == ["g", "g", None, None]
    assert rows[0]["category_path"] == ["Kitchen", "Mugs"]
    assert rows[0]["bullets"] == ["color: red"]
    assert {row["source"] for row in rows} == {"feed"}
    assert rows[0]["source_url"] == "https://corner.test/1.jpg"
    assert rows[0]["page_url"] == "https://corner.test/p/1"


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "xml", "atom"])
def test_feeds_in_their_forms(tmp_path, form):
    rows = [dict(zip(FEED, row, strict=True)) for row in zip(*FEED.values(), strict=True)]
    if form in ("csv", "tsv"):
        import csv

        with open(tmp_path / f"feed.{form}", "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(FEED), delimiter="," if form == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    elif form == "jsonl":
        (tmp_path / "feed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        tag, outer = ("item", "rss") if form == "xml" else ("entry", "feed")
        import html

        body = "".join(
            f"<{tag}>" + "".join(f"<g:{k}>{html.escape(v)}</g:{k}>" for k, v in row.items() if v) + f"</{tag}>"
            for row in rows
        )
        (tmp_path / f"feed.{form}").write_text(
            f'<{outer} xmlns:g="http://base.google.com/ns/1.0"><channel>{body}</channel></{outer}>'
        )
    expect_feed(tmp_path)


def test_feeds_that_lie(tmp_path):
    (tmp_path / "bomb.xml").write_text(
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "bbbb">]><rss><item><title>Mug &a;</title>'
        "<image_link>https://c.test/1.jpg</image_link></item></rss>"
    )
    (item,) = Products(tmp_path / "bomb.xml").items()
    assert "root:" not in json.dumps(item.fields)
    (tmp_path / "cut.xml").write_text(
        "<rss><item><title>Mug</title><image_link>https://c.test/1.jpg</image_link></item><item><ti"
    )
    reader = Products(tmp_path / "cut.xml")
    assert len(list(reader.items())) == 1
    assert "cut off" in reader.problems[0][1]
    (tmp_path / "no.xml").write_text("this is not XML")
    with pytest.raises(SourceError, match="not an XML feed"):
        list(Products(tmp_path / "no.xml").items())
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    with pytest.raises(BadInput, match="no column for title"):
        list(Products(tmp_path / "other.csv").items())


def test_wrong_sources(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        Products("no/such/folder")
    with pytest.raises(SourceError, match="no page, archive or feed"):
        Products(tmp_path)
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(BadInput, match="its name must end in one of"):
        Products(tmp_path / "a.docx")
    with pytest.raises(BadInput, match="delay of the products reader"):
        Products(tmp_path, delay=-1)
    assert isinstance(open_source("https://corner.test/p", "products"), Products)


def stock(web):
    """A shop with ten sound products and every kind of lie; returns its links and the reasons that must come."""
    web.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private/\n")
    html = {"Content-Type": "text/html"}
    links = []
    for n in range(10):
        goods = shop.good(n)
        goods.images = (f"/img/{n}.jpg",)
        web.image(f"/img/{n}.jpg", n)
        web.pages[f"/p/{n}"] = (200, html, shop.jsonld(goods).encode())
        links.append(f"{web.base}/p/{n}")
    web.pages["/p/0"] = (200, {"Content-Type": "image/png"}, web.pages["/p/0"][2])  # only the header lies
    lies = {
        "/private/x": (200, html, web.pages["/p/1"][2]),
        "/gone": (404, html, b"no such page"),
        "/loop": (302, {"Location": "/loop"}, b""),
        "/out": (302, {"Location": "http://10.0.0.1:9/secret"}, b""),
        "/pdf": (200, html, b"%PDF-1.4" + bytes(6000)),
        "/jpeg": (200, html, jpeg(1)),
        "/huge": (200, {"Content-Length": str(3 << 30)}, b"<html>"),
        "/article": (200, html, shop.ARTICLE.encode()),
        "/noai": (200, html | {"X-Robots-Tag": "noai"}, web.pages["/p/1"][2]),
    }  # fmt: skip
    web.pages |= lies
    reasons = {
        "/private/x": "disallowed by robots.txt", "/gone": "dead link: HTTP 404", "/loop": "too many redirects",
        "/pdf": "wrong content: a PDF", "/jpeg": "wrong content: a JPEG", "/huge": "too large", "/noai": "opted out",
        "nonsense": "not a web link",
    }  # fmt: skip
    return [*links, *(web.base + path for path in lies if path != "/out"), "nonsense"], reasons


def test_a_crawl_of_a_shop_that_lies(web, tmp_path):
    links, reasons = stock(web)
    goods = shop.good(20)
    goods.images = ("/img/gigabyte.jpg", "/img/html.jpg", "/img/private.jpg", "/private/i.jpg", "/img/loop.jpg")
    web.pages["/p/bad"] = (200, {}, shop.jsonld(goods).encode())
    web.pages["/img/gigabyte.jpg"] = (200, {"Content-Length": str(1 << 30)}, b"\xff\xd8\xff")
    web.pages["/img/html.jpg"] = (200, {"Content-Type": "image/jpeg"}, b"<html>" * 2000)
    web.pages["/img/private.jpg"] = (302, {"Location": "ftp://10.0.0.1/x"}, b"")
    web.pages["/img/loop.jpg"] = (302, {"Location": "/img/loop.jpg"}, b"")
    (tmp_path / "shop.urls").write_text("# our shop\n" + "\n".join([*links, f"{web.base}/p/bad", links[0]]) + "\n")
    pool = Pool.create(tmp_path / "p.vd")
    reader = Products(tmp_path / "shop.urls", policy=LOCAL, delay=0)
    report = pool.ingest(reader)
    rows = pool.table(["title", "error", "source_url"]).to_pylist()
    assert sum(row["error"] is None for row in rows) == 10
    errors = {row["source_url"].removeprefix(web.base): row["error"] for row in rows if row["error"]}
    assert {path: error.removeprefix("unreadable: ").partition(":")[0] for path, error in errors.items()} == {
        "/img/gigabyte.jpg": "too large", "/img/html.jpg": "not an image in a known format (HTML)", "/img/private.jpg": "not a web link",
        "/private/i.jpg": "disallowed by robots.txt", "/img/loop.jpg": "too many redirects",
    }  # fmt: skip
    told = {page.removeprefix(web.base): reason for page, reason in report.unread}
    for path, reason in reasons.items():
        assert told[path].startswith(reason), path
    assert [page.removeprefix(web.base) for page, _ in report.skipped] == ["/article"]
    assert web.hits["/loop"] <= 12
    assert web.agents == {"veduta"}

    web.hits.clear()
    again = Products(tmp_path / "shop.urls", policy=LOCAL, delay=0)
    assert pool.ingest(again).outcomes["unchanged"] >= 10
    assert not any(path.startswith("/p/") for path in web.hits)  # pages were kept beside the list
    assert not any(path == f"/img/{n}.jpg" for path in web.hits for n in range(10))
    reader.close()
    again.close()


def test_private_addresses_are_refused_unless_allowed(web, tmp_path):
    web.pages["/p"] = (200, {}, shop.jsonld(shop.good(0)).encode())
    reader = Products(f"{web.base}/p", policy=Policy(pause=0.01), delay=0)
    assert list(reader.items()) == []
    assert "address not allowed" in reader.problems[0][1]
    assert not web.hits
    # A public page must not make this machine fetch from the inside either.
    (tmp_path / "a.html").write_text(shop.jsonld(shop.good(0)).replace('"/img', f'"{web.base}/img'))
    items = list(Products(tmp_path, policy=Policy(pause=0.01)).items())
    with pytest.raises(SourceError, match="address not allowed"):
        items[0].read()
    assert not web.hits


def test_a_redirect_to_the_inside_is_checked_again(web, monkeypatch):
    """The first hop is public (said so here), the second is not."""
    from veduta.pool.fetch import address

    web.pages["/p"] = (302, {"Location": f"http://localhost:{web.port}/secret"}, b"")
    web.pages["/secret"] = (200, {}, shop.jsonld(shop.good(0)).encode())
    public = address.is_public
    asked = []

    def once(ip: str) -> bool:
        asked.append(ip)
        return len(asked) <= 2 or public(ip)  # robots.txt and the page itself

    monkeypatch.setattr(address, "is_public", once)
    reader = Products(f"{web.base}/p", policy=Policy(pause=0.01), delay=0)
    assert list(reader.items()) == []
    assert web.hits["/secret"] == 0
    assert "address not allowed" in reader.problems[0][1]


def test_pages_of_one_host_are_asked_for_with_pauses(web):
    for n in range(4):
        web.pages[f"/p/{n}"] = (200, {}, shop.ARTICLE.encode())
    start = time.monotonic()
    reader = Products([f"{web.base}/p/{n}" for n in range(4)], policy=LOCAL, delay=0.1)
    assert list(reader.items()) == []
    assert time.monotonic() - start >= 0.3
    assert web.most_busy <= 4


def test_where_pages_cannot_be_kept_the_crawl_goes_on(web, tmp_path):
    web.pages["/p"] = (200, {}, shop.ARTICLE.encode())
    (tmp_path / "l.urls").write_text(f"{web.base}/p")
    (tmp_path / "l.urls.pages").write_text("a file in the way")
    reader = Products(tmp_path / "l.urls", policy=LOCAL, delay=0)
    assert list(reader.items()) == []
    assert reader.notes.counts["pages"] == 1
    assert "cannot be kept here" in reader.notes.warnings[0][1]


def test_other_files_in_a_folder_of_pages_are_told_of_and_stop_nothing(tmp_path):
    (tmp_path / "sizes.csv").write_text("x,y\n1,2\n")
    (tmp_path / "sitemap.xml").write_text("<urlset><url><loc>https://c.test/</loc></url></urlset>")
    (tmp_path / "a.warc").write_text("this is none")
    (tmp_path / "list.txt").write_text("https://c.test/never-asked-for")
    (tmp_path / "a.html").write_text(shop.jsonld(shop.good(1)))
    reader = Products(tmp_path)
    assert len(list(reader.items())) == 1
    assert [place for place, _ in reader.problems] == ["a.warc", "sitemap.xml", "sizes.csv"]


def test_a_crawl_that_was_ended_goes_on_where_it_was(web, tmp_path):
    from veduta.pool.readers.product_crawl import crawl

    links = []
    for n in range(12):
        web.pages[f"/p/{n}"] = (200, {}, shop.jsonld(shop.good(n)).encode())
        links.append(f"{web.base}/p/{n}")
    keep = tmp_path / "kept"
    keep.mkdir()
    started = crawl(links, keep, LOCAL, 0)
    first = [next(started) for _ in range(5)]
    started.close()  # as a kill does: pages that were under way are lost
    web.hits.clear()
    again = list(crawl(links, keep, LOCAL, 0))
    assert [page.content for page in again] == [web.pages[f"/p/{n}"][2] for n in range(12)]
    assert again[:5] == first
    assert not any(web.hits[f"/p/{n}"] for n in range(5))
    assert all(web.hits[f"/p/{n}"] == 1 for n in range(5, 12))
    assert not list(keep.glob(".*"))
