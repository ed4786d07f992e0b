"""The app in a browser of this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from veduta.app.server import STATIC, create_app

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
NEEDED = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed (apt-get install chromium)"),
    pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the pages are not built (make ui)"),
]
"""Marks of a module whose tests open pages."""


@contextmanager
def served(pool: Path) -> Iterator[str]:
    """The app on a free port; its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(create_app(pool), port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@contextmanager
def opened() -> Iterator[Any]:
    """A browser of Playwright's."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield browser
        browser.close()


def watched(page: Any, address: str) -> list[str]:
    """What goes wrong on a page from now on: errors, answers that refuse, requests that leave the machine, dialogs."""
    wrong: list[str] = []

    def requested(request: Any) -> None:
        if not request.url.startswith((address, "blob:", "data:")):
            wrong.append(f"asked {request.url}")

    def answered(answer: Any) -> None:
        if answer.status >= 400:
            wrong.append(f"{answer.status} {answer.url}")

    def spoke(dialog: Any) -> None:
        wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", requested)
    page.on("response", answered)
    page.on("dialog", spoke)
    return wrong
