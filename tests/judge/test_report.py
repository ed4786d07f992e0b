"""The report: what is said is there, what is hostile is inert, and nothing leaves the page."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.errors import BadInput
from veduta.judge import words
from veduta.judge.items import Table, plain
from veduta.judge.pictures import Figure
from veduta.judge.report import Bars, Card, Group, Histogram, Picture, Report, Scatter
from veduta.judge.thumbnails import data_uri

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; onload=alert(1) x='",
    "</style><script src=https://evil.example/x.js></script>",
    "`<b>`**<i>**",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "data:text/html,<script>",
]
# Every element that the template itself uses.
ALLOWED = {
    "a",
    "body",
    "button",
    "caption",
    "code",
    "dd",
    "dialog",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "html",
    "i",
    "image",
    "img",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "path",
    "rect",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
}


class Page(HTMLParser):
    """Elements, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(colour: int = 100) -> str:
    return data_uri(Image.new("RGB", (40, 30), (colour, 50, 50)))


def full(text: str = "word") -> Report:
    """A report with every kind of item, `text` wherever text may stand."""
    report = Report(
        text, text, f"{text} **bold**", cards=[Card(text, text, text)], banner=Picture(text, pixels(), 40, 30)
    )
    picture = Picture(text, pixels(), 40, 30, [text, (text, "bad")], text, "good", {text: text}, 3)
    lost = Picture(text, missing=text, facts={"a": text})
    section = report.section(text)
    section.text(f"{text}\n\n- {text}\n- two").heading(text, text).note(text, "warn").cards([Card(3, text)])
    section.table([{text: text, "n": 1.5}, {text: None, "n": float("nan")}], title=text, note=text)
    section.table(pa.table({"bar": [1, 2], "text": [text, text]}), columns={"bar": "bar", "text": "code"})
    section.bars(text, {text: 3, "b": 1}, note=text, total=4).histogram(np.arange(50.0), title=text, unit=text, mark=20)
    section.images([picture, lost], title=text, note=text).groups([Group(text, [picture, lost], text, 2)])
    section.commands([(text, text)]).figure(Image.new("RGB", (9, 9)), alt=text, caption=text)
    pin = (0, 0.5, 0.5, Picture(text, pixels(), 40, 30))
    section.add(Scatter(text, np.array([0.0, 1]), np.array([0.0, 1]), np.array([0, -1]), {0: text}, [pin], text))
    report.section("Another")
    return report


def test_page_and_json_hold_what_was_said(tmp_path: Path) -> None:
    page = full("mountain").save(tmp_path / "new" / "folder", "first")
    assert page == tmp_path / "new" / "folder" / "first.html"
    assert sorted(p.name for p in page.parent.iterdir()) == ["first.html", "first.json"]
    content = json.loads((page.parent / "first.json").read_text())
    kinds = [item["kind"] for item in content["sections"][0]["items"]]
    assert kinds == [
        "text", "heading", "note", "cards", "table", "table", "bars", "histogram", "pictures", "groups", "commands", "figure",
        "scatter",
    ]  # fmt: skip
    assert content["sections"][0]["items"][4]["rows"] == [
        {"mountain": "mountain", "n": 1.5},
        {"mountain": None, "n": None},
    ]
    assert "base64" not in json.dumps(content)
    read = Page(page.read_text())
    assert "mountain" in " ".join(read.words)
    assert [a["href"] for a in read.of("a")] == ["#content", "#mountain", "#another"]
    assert {a["id"] for a in read.of("section") if "id" in a} == {"mountain", "another"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    html = full(text).to_html()
    read, harmless = Page(html), Page(full("word").to_html())
    marks = ("strong", "code")  # what markdown-lite may make of the text
    assert [tag for tag, _ in read.tags if tag not in marks] == [tag for tag, _ in harmless.tags if tag not in marks]
    assert {tag for tag, _ in read.tags} <= ALLOWED
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on") or name == "style"]
    assert len(read.of("script")) == 1
    assert text.replace("`", "").replace("**", "")[:4] in "".join(read.words)
    assert "49" not in read.words


def test_nothing_leaves_the_page() -> None:
    read = Page(full("x").to_html())
    for tag, attributes in read.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            if name in attributes:
                assert re.match(r"data:|#", str(attributes[name])), (tag, attributes)
        assert not {"srcset", "action", "ping", "background"} & set(attributes)
    policy = next(a["content"] for a in read.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    html = full("x").to_html()
    for block in ("style", "script"):
        inside = re.search(f"<{block}>(.*?)</{block}>", html, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside.group(1).encode()).digest()).decode()
        assert f"{block}-src 'sha256-{digest}'" in policy
        assert "url(" not in inside.group(1)
        assert "@import" not in inside.group(1)


@pytest.mark.parametrize(
    "source",
    [
        "https://example.org/x.png",
        "x.png",
        "javascript:alert(1)",
        "data:text/html;base64,AA",
        "data:image/svg+xml;base64,AA",
        'data:image/png;base64,"x',
    ],
)
def test_a_picture_from_elsewhere_is_refused(source: str) -> None:
    report = Report("x")
    report.section("s").images([Picture("somewhere", source)])
    with pytest.raises(BadInput, match="somewhere"):
        report.to_html()


def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    read = Page(full("hill").to_html())
    shown = [image for image in read.of("img") if image.get("src")]
    assert len(shown) == 4
    assert all(image["alt"] == "hill" for image in shown)
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-label") for svg in read.of("svg"))
    assert [a["lang"] for a in read.of("html")] == ["en"]
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-4]", tag)]
    assert levels.count(1) == 1


def test_save_is_all_or_nothing(tmp_path: Path) -> None:
    report = Report("first")
    report.section("s").text("hello")
    page = report.save(tmp_path, "r")
    before = page.read_text()
    report.section("t").images([Picture("bad", "https://example.org")])
    with pytest.raises(BadInput):
        report.save(tmp_path, "r")
    assert page.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.html", "r.json"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", "..", "a\0b"])
def test_names_with_folders_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="file name"):
        Report("x").save(tmp_path, name)


def test_the_same_report_gives_the_same_bytes() -> None:
    assert full("a").to_html() == full("a").to_html()
    assert full("a").to_json() == full("a").to_json()


def test_names_that_are_not_utf8_are_saved(tmp_path: Path) -> None:
    report = Report("x")
    report.section("s").table([{"file": "caf\udce9.jpg"}])
    assert "caf?.jpg" in report.save(tmp_path, "r").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["sections"][0]["items"][0]["rows"] == [{"file": "caf?.jpg"}]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_makes_the_same_page(text: str) -> None:
    report, plainly = Report(text), Report("word")
    for one, word in ((report, text), (plainly, "word")):
        one.section("s").table([{"a": word}]).images(
            [Picture(word, pixels(), lines=[word], badge="b", facts={"f": word})]
        )
    assert [tag for tag, _ in Page(report.to_html()).tags] == [tag for tag, _ in Page(plainly.to_html()).tags]
    assert json.loads(report.to_json())["title"] == text


def test_tables_know_their_columns() -> None:
    table = Table.of(
        pa.table(
            {"name": ["b", "a"], "n": pa.array([1, None], pa.int32()), "ok": [True, False], "share": [0.5, 0.001]}
        ),
        columns={"share": "percent"},
    )
    assert table.columns == {"name": "text", "n": "number", "ok": "text", "share": "percent"}
    assert [[cell[1] for cell in row] for row in table.cells()] == [
        ["b", "1", "yes", "50 %"],
        ["a", "–", "no", "0.1 %"],
    ]
    assert [[cell[2] for cell in row] for row in table.cells()] == [["", "1", "", "0.5"], ["", "", "", "0.001"]]
    long = Table.of(({"i": i} for i in range(500)), limit=10)
    assert len(list(long.cells())) == 10
    assert len(long.facts()["rows"]) == 500


def test_text_marks() -> None:
    report = Report("x")
    report.section("s").text("one **two** `three <i>`\nfour\n\n- five\n- six & seven")
    html = report.to_html()
    assert "<p>one <strong>two</strong> <code>three &lt;i&gt;</code> four</p>" in html
    assert "<ul><li>five</li><li>six &amp; seven</li></ul>" in html


def test_histogram_counts_every_finite_value() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.lognormal(size=1000), [np.nan, np.inf]])
    for log in (False, True):
        drawn = Histogram.of(values, title="t", bins=17, log=log)
        assert sum(drawn.counts) == 1000
        assert len(drawn.edges) == 18
        assert all(0 <= height <= 1 for _, _, height, _ in drawn.bars())
    straight = Histogram.of(np.arange(11), title="t", bins=10, mark=5)
    assert straight.mark_at() == pytest.approx(0.5)
    assert Histogram.of(np.full(5, 3.0), title="t", mark=9).mark_at() is None
    assert sum(Histogram.of(np.array([]), title="t").counts) == 0


def test_matplotlib_figures_become_pixels() -> None:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(2, 1))
    drawing.subplots().plot([0, 1])
    figure = Figure.of(drawing, alt="a line")
    assert figure.source().startswith("data:image/png;base64,")
    assert figure.width > figure.height > 20


def test_pictures_on_a_map_do_not_overlap() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 400))
    pins = [(i, float(x[i] / 4), float(y[i] / 4), Picture(str(i))) for i in range(20)]
    pins += [(20, 0.0, 0.0, Picture("a")), (21, 0.0, 0.0, Picture("b"))]
    scatter = Scatter("map", x, y, np.arange(400) % 22, {i: str(i) for i in range(22)}, pins)
    at = np.array([pin[1:3] for pin in scatter.placed_pins()])
    apart = np.abs(at[:, None] - at[None]).max(-1) + 1000 * np.eye(len(at))
    assert apart.min() > 50
    assert at.min() > 0
    assert at[:, 0].max() < 1000
    assert at[:, 1].max() < 620
    points = sum(path.count("M") for _, _, path in scatter.paths())
    assert points == 400


def test_words() -> None:
    assert [words.number(v) for v in (0, 1234567, 0.5, 1234.5, 123.45, 3.0, math.nan, np.int64(5), 0.00001)] == [
        "0", "1,234,567", "0.5", "1,234", "123.5", "3", "–", "5", "1.0e-05",
    ]  # fmt: skip
    assert [words.size(v) for v in (0, 999, 1000, 33_100_000, 5e15)] == ["0 B", "999 B", "1 kB", "33.1 MB", "5e+03 TB"]
    assert [words.duration(v) for v in (0.0123, 1, 59.99, 75, 7500)] == [
        "12 ms",
        "1 s",
        "1 min 0 s",
        "1 min 15 s",
        "2 h 5 min",
    ]
    assert [words.share(a, 10_000) for a in (0, 1, 5, 5000, 9999, 10_000)] == [
        "0 %", "< 0.1 %", "< 0.1 %", "50 %", "> 99.9 %", "100 %",
    ]  # fmt: skip
    assert words.share(1, 0) == "–"
    assert words.count(1, "image") == "1 image"
    assert words.count(2000, "box", "boxes") == "2,000 boxes"
    assert plain({"a": np.float32("nan"), 2: {b"\xff"}, "c": pa.scalar(3)}) == {"a": None, "2": ["ff"], "c": 3}


def test_bars_survive_nothing() -> None:
    report = Report("x")
    report.section("s").add(Bars("none", [])).bars("zero", {"a": 0}).table([]).images([])
    assert "none" in report.to_html()
