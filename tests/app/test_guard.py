"""Who may ask the server, and what its pages may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from learn.shapes import pool_of
from veduta.app.server import create_app


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool_of(tmp_path_factory.mktemp("guard") / "shapes.vd", 12).path


@pytest.fixture
def client(pool: Path) -> Iterator[TestClient]:
    with TestClient(create_app(pool), base_url="http://localhost") as client:
        yield client


def test_a_name_that_points_here_from_elsewhere_is_refused(client: TestClient) -> None:
    assert client.get("/api/pool").status_code == 200
    assert client.get("/api/pool", headers={"host": "127.0.0.1:8642"}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:80"):
        assert client.get("/api/pool", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "https://localhost"]
)
def test_pages_of_other_sites_are_refused(client: TestClient, origin: str) -> None:
    assert client.get("/api/pool", headers={"origin": origin}).status_code == 403
    assert client.get("/api/pool", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/api/pool", headers={"origin": "http://localhost"}).status_code == 200


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for path in ("/api/pool", "/api/pool?version=99", "/api/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for(pool: Path) -> None:
    with TestClient(create_app(pool, token="secret"), base_url="http://localhost") as client:
        assert client.get("/api/pool").status_code == 401
        assert client.get("/api/pool?token=wrong").status_code == 401
        assert client.get("/api/pool", headers={"authorization": "Bearer secret"}).status_code == 200
        asked = {"accept": "text/html", "sec-fetch-site": "cross-site"}
        assert "veduta view" in client.get("/grid", headers=asked).text
        first = client.get("/grid?token=secret&where=x", headers=asked)
        assert 'content="0; url=http://localhost/grid?where=x"' in first.text
        assert "HttpOnly" in first.headers["set-cookie"]
        assert client.get("/api/pool").status_code == 200


def test_each_port_has_its_own_cookie(pool: Path) -> None:
    names = set()
    for port in (8642, 8643):
        with TestClient(create_app(pool, token="secret"), base_url=f"http://localhost:{port}") as client:
            names.add(client.get("/?token=secret").headers["set-cookie"].partition("=")[0])
    assert names == {"veduta-token-8642", "veduta-token-8643"}


def test_bodies_are_bounded(client: TestClient) -> None:
    assert client.post("/api/decide", content=b"[" * (17 << 20)).status_code == 413
    pieces = (b"[" * (1 << 20) for _ in range(18))  # without a length
    assert client.post("/api/decide", content=pieces, headers={"content-type": "application/json"}).status_code == 413
    deep = client.post("/api/decide", content=b"[" * (1 << 20), headers={"content-type": "application/json"})
    assert 400 <= deep.status_code < 500


def test_a_version_that_is_not_there_is_one_sentence(client: TestClient) -> None:
    answer = client.get("/api/pool?version=99")
    assert answer.status_code == 400
    assert "has no version 99" in answer.json()["error"]["message"]
