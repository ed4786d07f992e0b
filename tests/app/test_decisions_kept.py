"""Decisions made in a browser while the server cannot take them are kept there, told, and stored later."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import veduta
from app.browser import NEEDED, opened, served
from app.test_story import shapes

pytestmark = NEEDED
COLUMN = "review_label_issues"


def stored(pool: Path) -> int:
    found = veduta.open(pool)
    return len(found.rows(f"{COLUMN} is not null")) if COLUMN in found.schema.names else 0


def waited(pool: Path, count: int) -> bool:
    for _ in range(300):
        if stored(pool) == count:
            return True
        time.sleep(0.1)
    return False


def test_a_busy_pool_and_a_closed_page_lose_no_decision(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    pool = veduta.curate(shapes(tmp_path / "shapes"), tmp_path / "p.vd", report=False).pool
    with served(pool.path) as address, opened() as browser:
        browsing = browser.new_context()
        page = browsing.new_page()
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.goto(f"{address}/review?kind=label-issues")
        expect(page.get_by_text("Is this label right?")).to_be_visible()
        page.keyboard.press("d")
        assert waited(pool.path, 1)
        lock = os.open(pool.path / ".lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)  # another program writes
        for _ in range(2):
            page.keyboard.press("d")
        expect(page.get_by_text("2 decisions are not stored yet, trying again")).to_be_visible()
        page.goto(f"{address}/")  # leaving is asked about, and another page goes on with it
        page.close()
        assert asked == ["beforeunload"]
        assert stored(pool.path) == 1
        browsing.new_page().goto(f"{address}/history")
        os.close(lock)
        assert waited(pool.path, 3)
        time.sleep(0.5)
        left = browsing.pages[0].evaluate("Object.keys(localStorage).filter(n => n.startsWith('veduta:decisions'))")
        assert left == []
