"""The web reader: candidates from pages, archives and tables; rows with their statuses."""

import gzip
import hashlib
import io
import json
import sys
import unicodedata
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from web_server import Web, jpeg

from veduta.errors import BadInput, SourceError
from veduta.pool import Pool
from veduta.pool.fetch import Policy
from veduta.pool.item import Reader
from veduta.pool.readers.web import WebReader
from veduta.pool.readers.web_archives import wat_candidates
from veduta.pool.readers.web_clean import (
    ACCEPTED,
    DUPLICATE,
    NOT_A_LINK,
    TOO_SHORT,
    UNREADABLE_PAGE,
    Candidate,
    Tally,
    accept,
    clean_text,
    language_of,
)  # fmt: skip
from veduta.pool.readers.web_html import page_candidates
from veduta.pool.readers.web_seen import Seen

LOCAL = Policy(allow_private=True, pause=0.01, timeout=5.0)
PAGE = """<html><head><base href="/pictures/"><link rel="license" href="//creativecommons.org/licenses/by/4.0/"></head>
<body><img src="a.jpg" alt="The old town hall of Prague at night"><img src="b.jpg"><img alt="has no link at all">
<img src="data:image/gif;base64,R0" data-src="//cdn.test/c.jpg" alt="Ein Hund lÃ¤uft durch den Schnee">
<img src="../d.jpg" alt="dog"><img src="mailto:x" alt="not an image link"></body></html>"""


@pytest.fixture
def web():
    made = Web()
    yield made
    made.close()


def found(html: str, url: str = "https://site.test/blog/post.html"):
    return list(page_candidates(html.encode(), url))


def test_a_page_gives_its_images_with_alt():
    got = found(PAGE)
    assert [c.url for c in got] == [
        "https://site.test/pictures/a.jpg", "https://cdn.test/c.jpg", "https://site.test/d.jpg", "mailto:x",
    ]  # fmt: skip
    assert {c.license for c in got} == {"https://creativecommons.org/licenses/by/4.0/"}
    assert {c.page for c in got} == {"https://site.test/blog/post.html"}


def test_every_candidate_ends_in_one_status():
    tally = Tally()
    kept = list(accept(iter(found(PAGE) * 2), tally))
    assert [c.text for c in kept] == ["The old town hall of Prague at night", "Ein Hund läuft durch den Schnee"]
    assert [c.language for c in kept] == ["en", "de"]
    assert tally.counts == {ACCEPTED: 2, TOO_SHORT: 2, NOT_A_LINK: 2, DUPLICATE: 2}
    assert tally.total == 8
    assert (
        kept[0].key == hashlib.md5(b"https://site.test/pictures/a.jpgThe old town hall of Prague at night").hexdigest()
    )


def test_texts_are_cleaned():
    assert clean_text("  a\x00 b\u200b\tc\n") == "a b c"
    assert clean_text("schÃ¶n") == "schön"
    assert len(clean_text("word " * 1000)) <= 2000


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=3000))
def test_cleaned_text_is_one_bounded_line(text):
    cleaned = clean_text(text)
    assert len(cleaned) <= 2000
    assert cleaned == " ".join(cleaned.split())
    assert not any(unicodedata.category(c).startswith("C") for c in cleaned)


def test_a_language_is_named_only_when_sure():
    assert language_of("Un chien court dans la neige") == "fr"
    assert language_of("IMG_2034.jpg") is None
    assert language_of("12345 67890") is None


def test_a_page_in_a_declared_old_encoding():
    html = '<meta charset="iso-8859-2"><img src="a.jpg" alt="Žluťoučký kůň">'.encode("iso-8859-2")
    assert next(page_candidates(html, "https://a.test/")).text == "Žluťoučký kůň"


WAT = {
    "Envelope": {
        "WARC-Header-Metadata": {"WARC-Target-URI": "https://site.test/blog/post.html"},
        "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {
            "Head": {"Base": "/pictures/"},
            "Links": [
                {"path": "IMG@/src", "url": "a.jpg", "alt": "The old town hall of Prague at night"},
                {"path": "IMG@/src", "url": "b.jpg"},
                {"path": "A@/href", "url": "https://creativecommons.org/licenses/by-sa/4.0/"},
                {"path": "IMG@/src", "url": "//cdn.test/c.jpg", "alt": "a dog in the snow"},
            ],
        }}},
    }
}  # fmt: skip


def test_a_wat_record():
    got = list(wat_candidates(WAT))
    assert [(c.url, c.text) for c in got] == [
        ("https://site.test/pictures/a.jpg", "The old town hall of Prague at night"),
        ("https://cdn.test/c.jpg", "a dog in the snow"),
    ]
    assert {c.license for c in got} == {"https://creativecommons.org/licenses/by-sa/4.0/"}


@pytest.mark.parametrize("damage", [{}, {"Envelope": None}, {"Envelope": {"Payload-Metadata": [1]}}, []])
def test_a_wat_record_without_links_gives_nothing(damage):
    assert list(wat_candidates(damage)) == []


def archive(path, records):
    """records: (type, uri, content type, body)"""
    with open(path, "wb") as stream:
        writer = WARCWriter(stream, gzip=path.name.endswith(".gz"))
        for kind, uri, content, body in records:
            http = (
                StatusAndHeaders("200 OK", [("Content-Type", content)], protocol="HTTP/1.0")
                if kind == "response"
                else None
            )
            writer.write_record(
                writer.create_warc_record(
                    uri, kind, payload=io.BytesIO(body), http_headers=http, warc_content_type=content
                )
            )
    return path


def test_archives_of_both_kinds(tmp_path):
    wat = json.dumps(WAT).encode()
    archive(
        tmp_path / "a.wat.gz",
        [("metadata", "https://s.test/", "application/json", wat), ("metadata", "x", "application/json", b"{")],
    )
    archive(
        tmp_path / "b.warc",
        [
            ("response", "https://t.test/", "text/html", PAGE.encode()),
            ("response", "https://t.test/i", "image/png", b"PNG"),
        ],
    )
    reader = WebReader(tmp_path)
    assert [c.url for c in reader.candidates()] == [
        "https://site.test/pictures/a.jpg", "https://cdn.test/c.jpg", "https://t.test/pictures/a.jpg", "https://cdn.test/c.jpg",
    ]  # fmt: skip
    assert reader.tally.counts[UNREADABLE_PAGE] == 1
    assert reader.tally.counts[ACCEPTED] == 4


def test_an_archive_cut_off_in_the_middle_keeps_what_came_before(tmp_path):
    whole = archive(
        tmp_path / "a.warc.gz", [("response", f"https://t.test/{i}", "text/html", PAGE.encode()) for i in range(20)]
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    reader = WebReader(whole)
    assert list(reader.candidates())
    assert reader.tally.counts[UNREADABLE_PAGE] <= 1
    (tmp_path / "b.warc").write_bytes(b"this is not an archive at all\n" * 50)
    with pytest.raises(SourceError, match="not a web archive"):
        list(WebReader(tmp_path / "b.warc").candidates())


def test_tables_of_links(tmp_path):
    rows = {
        "URL": ["https://a.test/1.jpg", "nonsense"],
        "Caption": ["a dog in the snow", "another text"],
        "rank": [3, 4],
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text(
        '{"url": "https://b.test/1.jpg", "text": "a cat in the rain", "license": "CC0"}\n'
    )
    (tmp_path / "c.csv").write_text('link,alt,note\nhttps://c.test/1.jpg,"two, words",x\n')
    reader = WebReader(tmp_path)
    assert isinstance(reader, Reader)
    items = list(reader.items())
    assert [(i.uri, i.fields["captions"]) for i in items] == [
        ("https://a.test/1.jpg", ["a dog in the snow"]), ("https://b.test/1.jpg", ["a cat in the rain"]), ("https://c.test/1.jpg", ["two, words"]),
    ]  # fmt: skip
    assert items[0].fields["rank"] == 3
    assert items[1].fields["license"] == "CC0"
    assert items[2].fields["note"] == "x"
    assert set(reader.columns()) == {"rank", "note", "language", "page_url"}
    assert reader.skipped == [("nonsense", NOT_A_LINK)]


def test_a_table_without_the_columns_says_which(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(BadInput, match="no column for url"):
        list(WebReader(tmp_path / "a.csv").candidates())
    with pytest.raises(BadInput, match="no column 'z' for text"):
        list(WebReader(tmp_path / "a.csv", url="x", text="z").candidates())
    (tmp_path / "b.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match="cannot be read as a table"):
        list(WebReader(tmp_path / "b.parquet").candidates())


def test_wrong_sources():
    with pytest.raises(SourceError, match="does not exist"):
        WebReader("no/such/folder")


def test_a_saved_page_reads_what_was_saved_with_it_and_nothing_else(tmp_path):
    root = tmp_path / "site"
    (root / "page_files").mkdir(parents=True)
    (root / "page_files" / "a b.jpg").write_bytes(jpeg(1))
    (root / "small.jpg").write_bytes(jpeg(2)[:100])
    (tmp_path / "secret.jpg").write_bytes(jpeg(3))
    (root / "leak.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "page.html").write_text(
        '<img src="page_files/a%20b.jpg" alt="a saved picture"><img src="small.jpg" alt="too small a file">'
        '<img src="../secret.jpg" alt="outside of the folder"><img src="/etc/hostname" alt="far outside of it">'
        '<img src="leak.jpg" alt="a link that leads outside"><img src="gone.jpg" alt="not saved at all">'
    )
    reader = WebReader(root)
    pool = Pool.create(tmp_path / "p.vd")
    report = pool.ingest(reader)
    table = pool.table(["captions", "error"]).to_pylist()
    assert [(row["captions"][0], row["error"]) for row in table] == [
        ("a saved picture", None), ("too small a file", "unreadable: too small: 100 bytes (the minimum is 5000)"),
    ]  # fmt: skip
    assert reader.tally.counts[NOT_A_LINK] == 4
    assert report.outcomes == {"ingested": 1, "unreadable": 1}


def test_rows_with_statuses_and_a_second_ingest_that_asks_only_for_what_failed(web, tmp_path):
    web.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private/\n")
    lines = [f"{web.image(f'/{i}.jpg', i)},a picture with the number {i}" for i in range(60)]
    lines += [f"{web.base}/gone.jpg,a picture that is gone", f"{web.image('/private/x.jpg')},a picture not for robots"]
    lines += [
        f"{web.image('/noai.jpg', X_Robots_Tag='noai')},a picture not for models",
        lines[0],
        f"{web.base}/0.jpg,abc",
    ]
    web.pages["/torn.jpg"] = (200, {}, jpeg(7)[:6000])
    (tmp_path / "links.csv").write_text(
        "url,text\n" + "\n".join([*lines, f"{web.base}/torn.jpg,a torn picture"]) + "\n"
    )
    pool = Pool.create(tmp_path / "p.vd")
    reader = WebReader(tmp_path / "links.csv", policy=LOCAL)
    report = pool.ingest(reader)
    assert report.outcomes == {"ingested": 60, "unreadable": 3, "undecodable": 1}
    assert reader.tally.counts == {ACCEPTED: 64, DUPLICATE: 1, TOO_SHORT: 1}
    errors = Counter(e for e in pool.table(["error"])["error"].to_pylist() if e)
    assert {e.removeprefix("unreadable: ") for e in errors} == {
        "dead link: HTTP 404", "disallowed by robots.txt", "opted out by its server: x-robots-tag: noai",
        "truncated JPEG: the file ends before the image does",
    }  # fmt: skip
    assert pool.table(["width"]).column(0).null_count == 4
    assert pool.read_images([0]) == [jpeg(0)]

    web.hits.clear()
    web.image("/gone.jpg", 99)
    again = pool.ingest(WebReader(tmp_path / "links.csv", policy=LOCAL))
    assert again.outcomes == {"unchanged": 61, "updated": 1, "unreadable": 2}
    assert set(web.hits) == {"/robots.txt", "/gone.jpg", "/noai.jpg"}
    reader.close()


def test_a_pool_of_links_keeps_no_images(web, tmp_path):
    """Where images may not be copied: links, texts and what was computed in the same pass stay, bytes do not."""
    from veduta.annotate.perceptual_hash import PerceptualHash

    lines = "".join(f"{web.image(f'/{i}.jpg', i)},a picture with the number {i}\n" for i in range(3))
    (tmp_path / "l.csv").write_text("url,text\n" + lines)
    pool = Pool.create(tmp_path / "p.vd")
    reader = WebReader(tmp_path / "l.csv", policy=LOCAL)
    pool.ingest(reader, annotators=[PerceptualHash()], store="reference")
    reader.close()
    table = pool.table(["uri", "source_url", "digest", "hash", "width"]).to_pydict()
    assert table["uri"] == table["source_url"] == [f"{web.base}/{i}.jpg" for i in range(3)]
    assert table["digest"] == [hashlib.sha256(jpeg(i)).hexdigest() for i in range(3)]
    assert table["width"] == [96] * 3
    assert None not in table["hash"]
    assert sum(path.stat().st_size for path in (tmp_path / "p.vd").rglob("*") if path.is_file()) < 3 * len(jpeg(0))


def test_rows_are_fetched_side_by_side(web, tmp_path):
    """Reading one item starts all that are held; those dropped unread are never asked for."""
    (tmp_path / "l.csv").write_text(
        "url,text\n" + "".join(f"{web.image(f'/{i}.jpg', i)},picture number {i}\n" for i in range(8))
    )
    reader = WebReader(tmp_path / "l.csv", policy=LOCAL)
    held = [item for i, item in enumerate(reader.items()) if i % 2 == 0]
    assert not web.hits
    assert held[0].read() == jpeg(0)
    assert [item.read() for item in held[1:]] == [jpeg(2), jpeg(4), jpeg(6)]
    assert set(web.hits) <= {"/robots.txt", "/0.jpg", "/2.jpg", "/4.jpg", "/6.jpg", "/7.jpg"}  # the loop still held /7
    reader.close()


def test_no_socket_is_opened_before_bytes_are_asked_for(web, tmp_path):
    """Only hosts that the source names are resolved or connected to, and only when an image is read."""
    seen: list[tuple[str, object]] = []
    watching = [True]

    def hook(event: str, arguments: tuple) -> None:
        if watching and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            seen.append((event, arguments[1] if event != "socket.getaddrinfo" else arguments[0]))

    sys.addaudithook(hook)  # a hook cannot be removed; the empty list silences it
    try:
        (tmp_path / "page.html").write_text(
            '<link rel="stylesheet" href="http://css.test/a.css"><img src="a.jpg" alt="a saved picture">'
        )
        (tmp_path / "a.jpg").write_bytes(jpeg(1))
        (tmp_path / "l.csv").write_text(f"url,text\n{web.image('/a.jpg')},a picture\n")
        pool = Pool.create(tmp_path / "p.vd")
        assert pool.ingest(WebReader(tmp_path / "page.html")).outcomes == {"ingested": 1}
        reader = WebReader(tmp_path / "l.csv", policy=LOCAL)
        items = list(reader.items())
        assert not [s for s in seen if s[0] != "socket.connect" or isinstance(s[1], tuple)]
        assert items[0].read() == jpeg(0)
        reader.close()
    finally:
        watching.clear()
    hosts = {s[1][0] if isinstance(s[1], tuple) else s[1] for s in seen}
    assert hosts == {"127.0.0.1"}


def test_seen_is_exact_then_almost():
    digests = [hashlib.md5(str(i).encode()).digest() for i in range(30_000)]
    seen = Seen(exact=1000, error=1e-4)
    new = [seen.add(d) for d in digests]
    assert all(new[:1000])
    assert sum(not n for n in new) <= 30_000 * 2e-4 * 3
    assert not any(seen.add(d) for d in digests)


def test_reading_gzipped_tables(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as stream:
        stream.write("url,text\nhttps://a.test/1.jpg,a dog in the snow\n")
    assert [c.text for c in WebReader(tmp_path / "a.csv.gz").candidates()] == ["a dog in the snow"]


def test_a_key_is_of_link_and_text():
    assert Candidate("https://a.test/", "one").key != Candidate("https://a.test/", "two").key
