"""Every page, wide and narrow, light and dark: nothing runs that came with the data, and everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import veduta
from app.browser import NEEDED, opened, served, watched

pytestmark = NEEDED
PAGES = (
    *("/", "/map", "/review?kind=label-issues", "/review?kind=duplicates", "/review?kind=outliers"),
    *("/selections", "/run", "/history"),
)
AXE = Path(__file__).parents[2] / "src/veduta/app/ui/node_modules/axe-core/axe.min.js"


def quoted(key: str) -> str:
    return quote(key, safe="")


def settled(page: Any) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)


def test_names_and_captions_are_text_on_every_page(whole: Path) -> None:
    keys = [key for key in veduta.open(whole).table(["key"]).column(0).to_pylist() if "<" in key]
    assert keys
    with served(whole) as address, opened() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        wrong = watched(page, address)
        for path in (*PAGES, *(f"/row?key={quoted(key)}" for key in keys)):
            page.goto(address + path)
            settled(page)
            assert page.evaluate("document.querySelectorAll('main script, main iframe, main object').length") == 0
            assert page.evaluate("[...document.querySelectorAll('main img')].every(i => i.onerror === null)")
    assert not wrong


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (make ui)")
@pytest.mark.parametrize(("width", "colours"), [(1280, "light"), (390, "dark")])
def test_pages_have_no_serious_fault_for_people_with_aids(whole: Path, width: int, colours: str) -> None:
    found: list[str] = []
    with served(whole) as address, opened() as browser:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=colours)
        for path in (*PAGES, "/row?key=" + quoted(veduta.open(whole).table(["key"]).column(0)[0].as_py())):
            page.goto(address + path)
            settled(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            page.evaluate(AXE.read_text("utf-8"))
            told = page.evaluate("axe.run(document)")
            found += [
                f"{path}: {fault['id']} at {fault['nodes'][0]['target']} ({fault['nodes'][0].get('failureSummary')})"
                for fault in told["violations"]
                if fault["impact"] in ("serious", "critical")
            ]
    assert not found, "\n".join(found)
