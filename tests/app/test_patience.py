"""Clients that are slow on purpose, and pools that move away while they are shown."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from veduta.app import guard, patience
from veduta.app.server import create_app


@pytest.fixture
def port(whole: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patience, "HEAD", 0.5)
    monkeypatch.setattr(guard, "BODY", 0.5)
    config = uvicorn.Config(create_app(whole), http=patience.Patient, port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)


def answered(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    connection.settimeout(20)
    found = b""
    while part := connection.recv(4096):
        found += part
    return found


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /api/pool HTTP/1.1\r\nHost: loc", b"408"),
        (b"POST /api/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\nConnection: close\r\n\r\n{", b"408"),
    ],
)  # fmt: skip
def test_a_request_that_never_ends_is_ended_and_others_are_served(port: int, sent: bytes, status: bytes) -> None:
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    for connection in slow:
        connection.sendall(sent)
    with socket.create_connection(("127.0.0.1", port)) as quick:
        quick.sendall(b"GET /api/pool HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answered(quick).startswith(b"HTTP/1.1 200")
    for connection in slow:
        told = answered(connection)
        assert told.split(b" ")[1:2] == ([status] if status else [])
        connection.close()


def test_a_head_in_drops_has_one_deadline(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /api/pool HTTP/1.1\r\n")
        try:
            for _ in range(100):
                slow.sendall(b"X-A: b\r\n")
                time.sleep(0.1)
        except OSError:
            return
        pytest.fail("the server waits as long as something comes")


def test_a_pool_that_moves_away_is_told_and_another_one_is_not_shown(own: Path, tmp_path: Path) -> None:
    away = tmp_path / "away.vd"
    with TestClient(create_app(own), base_url="http://localhost", raise_server_exceptions=False) as client:
        rows = client.get("/api/rows").json()
        key = rows["rows"][0]["key"]
        asked = [
            "/api/pool",
            "/api/rows",
            f"/api/image?key={key}&side=64",
            "/api/review",
            "/api/history",
            "/api/selections",
        ]
        own.rename(away)
        for words in ("is no longer there", "another pool lies in"):
            answers = [client.get(path) for path in asked]
            answers.append(client.post("/api/decide", json={"kind": "outliers", "decisions": {key: "keep"}}))
            answers.append(client.post("/api/jobs", json={"verb": "annotate", "operation": "blank", "parameters": {}}))
            assert {answer.status_code for answer in answers} == {503}
            assert all(words in answer.json()["error"]["message"] for answer in answers)
            shutil.copytree(away, own, dirs_exist_ok=True)
        shutil.rmtree(own)
        away.rename(own)
        assert client.get("/api/rows").json() == rows
