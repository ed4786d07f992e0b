"""A whole session in a browser: look, search, filter, lasso, review, undo, select, export, run, go back in history."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

import veduta
from app.browser import NEEDED, opened, served, watched
from learn.shapes import COLOURS, shape
from veduta.annotate.classify import Classify
from veduta.annotate.label_issues import LabelIssues

pytestmark = NEEDED
WORDS = {"shapes": "a red disc", "tux-stamps": "a red bird", "imagenet-val": "a dog in the snow"}


def shapes(folder: Path) -> Path:
    """240 discs and crosses in folders by kind, every tenth in the wrong one, some twice."""
    for i in range(240):
        kind = ("disc", "cross")[i % 2 ^ (i % 10 == 0)]
        place = folder / kind / f"{COLOURS[i // 2 % 4]}_{i:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shape(i, 96).save(place)
        if i % 40 == 5:
            shutil.copyfile(place, place.with_name(f"copy_{i:03d}.png"))
    return folder


@pytest.fixture(params=["shapes", "tux-stamps", "imagenet-val"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    from veduta.samples import present

    source = shapes(tmp_path / "shapes") if request.param == "shapes" else present(request.param)
    if source is None:
        pytest.skip(f"the sample {request.param} is not on this machine")
    pool = veduta.curate(source, tmp_path / f"{request.param}.vd").pool
    if not pool.has("label_issue"):  # too few images of a class to learn it from
        pool.annotate(Classify())
        pool.annotate(LabelIssues(probabilities="posterior"))
    return pool.path


def test_a_session_from_the_first_look_to_going_back(pool: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with served(pool) as address, opened() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        wrong = watched(page, address)

        page.goto(address)
        grid = page.get_by_role("listbox", name="Images")
        expect(grid.locator("img").first).to_be_visible()

        # By words, by a picture, by what a column holds.
        find = page.get_by_label("Find by words")
        find.fill(WORDS[pool.stem])
        find.press("Enter")
        expect(page.get_by_text("nearest")).to_be_visible()
        page.get_by_label("Clear the words").click()
        picture = tmp_path / "asked.png"
        shape(2, 96).save(picture)
        page.locator("input[type=file]").set_input_files(picture)
        expect(page.get_by_label("Without the picture")).to_be_visible()
        page.get_by_label("Without the picture").click()
        page.goto(f"{address}/?where=width > 10 and key like '%25e%25'")
        expect(grid.locator("img").first).to_be_visible()
        page.get_by_label("Facets", exact=True).first.wait_for()

        # Around some on the map.
        page.goto(f"{address}/map")
        lasso = page.get_by_role("button", name="Lasso")
        expect(lasso).to_be_visible()
        page.wait_for_timeout(1500)
        lasso.click()
        page.mouse.move(40, 120)
        page.mouse.down()
        for x, y in [(1000, 120), (1000, 780), (40, 780), (40, 130)]:
            page.mouse.move(x, y, steps=6)
        page.mouse.up()
        expect(page.get_by_label("Chosen images")).to_be_visible()
        page.get_by_role("link", name="See them in the grid").click()
        expect(page.get_by_label("Without what was drawn on the map")).to_be_visible()

        # More like two of them.
        for place in (0, 2):
            grid.locator("img").nth(place).click(modifiers=["Control"])
        page.get_by_role("button", name="More like these").click()
        expect(page.get_by_label("Without the pictures")).to_be_visible()
        expect(page.get_by_text("nearest")).to_be_visible()

        # Ten labels, decided by keys; the last one taken back.
        page.goto(f"{address}/review?kind=label-issues")
        expect(page.get_by_text("Is this label right?")).to_be_visible()
        for number in range(10):
            page.keyboard.press("ad"[number % 2])
            expect(page.get_by_text(f"{number + 1} of ")).to_be_visible()
        undo = page.get_by_role("status").get_by_role("button", name="Undo")
        expect(undo).to_have_count(1)
        assert page.evaluate("document.activeElement.closest('[role=status]') === null")
        page.keyboard.press("u")
        expect(page.get_by_text("9 of ")).to_be_visible()
        page.keyboard.press("d")
        expect(page.get_by_text("10 of ")).to_be_visible()
        undo.click()
        expect(page.get_by_text("9 of ")).to_be_visible()

        # A selection of a view, exported and fetched.
        page.goto(f"{address}/selections?where=width > 10")
        page.get_by_role("button", name="From the view").click()
        page.get_by_label("Name").fill("wide")
        page.get_by_role("dialog").get_by_role("button", name="Make").last.click()
        card = page.locator("article, section, li").filter(has=page.get_by_role("heading", name="wide")).last
        expect(card).to_be_visible()
        card.get_by_role("button", name="Export").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Export").click()
        with page.expect_download() as fetched:
            dialog.get_by_role("link", name="Download").click()
        archive = zipfile.ZipFile(fetched.value.path())
        assert archive.testzip() is None
        assert len(archive.namelist()) > 50

        # An operation from its form, in the background.
        page.goto(f"{address}/run")
        page.get_by_label("Search operations").fill("odd size")
        page.get_by_role("button", name="Odd size").click()
        page.get_by_role("button", name="Run", exact=True).click()
        job = page.get_by_role("listitem").filter(has_text="Odd size").filter(has_text="done")
        expect(job.first).to_be_visible()

        # Back to before all this.
        page.goto(f"{address}/history")
        page.get_by_role("button", name="Go back to it").last.click()
        page.get_by_role("dialog").get_by_role("button", name="Go back").click()
        expect(page.get_by_text("Went back to version").first).to_be_visible()
    assert not wrong
    log = [record.operation for record in veduta.open(pool).log()]
    assert "review" in log
    assert "where" in log
    assert log[-1] == "undo"
