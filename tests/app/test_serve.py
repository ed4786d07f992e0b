"""`veduta view`: where it listens, and what it says when it cannot."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from learn.shapes import pool_of
from veduta.app import serve
from veduta.errors import BadInput


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool_of(tmp_path_factory.mktemp("serve") / "shapes.vd", 4).path


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """As if the pages were built; the server takes its sockets and ends."""
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(serve, "STATIC", tmp_path)
    served: list[Any] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: served.append((self.config.app, sockets[0])))
    return served


def test_the_next_free_port(pool: Path, built: list[Any]) -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serve.serve(pool, "127.0.0.1", port, False, said.append)
    assert built[0][1].getsockname()[1] > port
    assert len(said[0].split("?token=")[1].split()[0]) > 20
    assert built[0][1].proto == socket.IPPROTO_TCP  # else every answer waits 40 ms
    built[0][1].close()


def test_the_address_of_all_networks_is_one_that_answers(pool: Path, built: list[Any]) -> None:
    said: list[str] = []
    serve.serve(pool, "0.0.0.0", 0, False, said.append)
    shown = said[0].split("http://")[1].split(":")[0]
    assert shown != "0.0.0.0"
    assert TestClient(built[0][0], base_url=f"http://{shown}").get("/api/pool").status_code == 401
    built[0][1].close()


def test_the_address_is_opened(pool: Path, built: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    opened, done = [], threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda address: (opened.append(address), done.set()))
    said: list[str] = []
    serve.serve(pool, "127.0.0.1", 0, True, said.append)
    assert done.wait(5)
    assert opened[0].startswith("http://127.0.0.1:")
    # Every user of the machine can read with which address a browser was started: it opens one browser, once.
    ticket = opened[0].partition("?")[2]
    first, second = (TestClient(built[0][0], base_url="http://127.0.0.1") for _ in range(2))
    assert ticket not in said[0]
    assert first.get(f"/?{ticket}").status_code == 200
    assert second.get(f"/?{ticket}").status_code == 401
    assert first.get("/api/pool").status_code == 200
    built[0][1].close()


def test_an_address_that_is_not_ours(pool: Path, built: list[Any]) -> None:
    with pytest.raises(BadInput, match="cannot listen"):
        serve.serve(pool, "192.0.2.1", 8642, False, print)
    with pytest.raises(BadInput, match="cannot listen"):
        serve.serve(pool, "no such name.invalid", 8642, False, print)


def test_pages_that_are_not_built(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "STATIC", tmp_path)
    with pytest.raises(BadInput, match="make ui"):
        serve.serve(pool, "127.0.0.1", 8642, False, print)


def test_no_pool(tmp_path: Path, built: list[Any]) -> None:
    with pytest.raises(Exception, match="does not exist"):
        serve.serve(tmp_path / "nothing.vd", "127.0.0.1", 8642, False, print)
