"""The whole picture for a browser, and pictures to search by."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import veduta
from app.looked import HOSTILE, client
from app.test_thumbnails import FORMS, files
from items import Given
from pictures import encoded, picture
from veduta.app import queries
from veduta.pool import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    pool = veduta.create(tmp_path_factory.mktemp("image") / "forms.vd")
    exif = Image.Exif()
    exif[0x0112] = 6
    content = files() | {name: encoded(picture(1)) for name in HOSTILE}
    content |= {
        "turned.png": encoded(picture(2, (60, 30)), "PNG", exif=exif),
        "cmyk.jpg": encoded(picture(3).convert("CMYK")),
        "large.tiff": encoded(picture(4, (3000, 1000)), "TIFF"),
        "moves.png": encoded(picture(5), "PNG", save_all=True, append_images=[picture(6)]),
    }
    pool.ingest(Given(content))
    return pool


@pytest.fixture(scope="module")
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


@pytest.mark.parametrize("key", ["plain", "turned", "grey", "palette", "small", *HOSTILE])
def test_what_a_browser_shows_is_sent_as_it_is(app: TestClient, pool: Pool, key: str) -> None:
    answer = app.get("/api/image", params={"key": key})
    [row] = pool.rows("key = '" + key.replace("'", "''") + "'")
    assert answer.content == pool.read_images([row])[0]
    assert answer.headers["content-type"] in ("image/jpeg", "image/png", "image/gif")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("tiff", (300, 200)),
        ("deep", (120, 90)),
        ("alpha", (120, 90)),
        ("turned.png", (30, 60)),
        ("cmyk.jpg", (160, 120)),
        ("moves.png", (160, 120)),
        ("large.tiff", (1024, 341)),
    ],
)
def test_anything_else_is_rendered(app: TestClient, key: str, size: tuple[int, int]) -> None:
    answer = app.get("/api/image", params={"key": key, "side": 1024})
    seen = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{(seen.format or '').lower()}"
    assert seen.size == size
    assert seen.mode == "RGB"
    if key == "alpha":
        assert np.asarray(seen).min() == 255


@pytest.mark.parametrize("key", ["damaged", "empty", "nothing", "../../etc/passwd", "", "\x00"])
def test_what_cannot_be_shown_is_one_sentence(app: TestClient, key: str) -> None:
    answer = app.get("/api/image", params={"key": key})
    assert answer.status_code == 400
    assert len(answer.json()["error"]["message"]) > 20


def test_asked_again_it_is_not_sent_again(app: TestClient) -> None:
    first = app.get("/api/image", params={"key": "plain"})
    again = app.get("/api/image", params={"key": "plain"}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_picture_to_search_by(app: TestClient, pool: Pool) -> None:
    answer = app.post("/api/queries", content=encoded(picture(8, (900, 600)))).json()
    assert (answer["width"], answer["height"]) == (512, 341)
    kept = app.get(f"/api/queries/{answer['id']}")
    assert kept.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(kept.content)).size == (512, 341)
    again = app.post("/api/queries", content=encoded(picture(8, (900, 600)))).json()
    assert again == answer
    assert len(list((pool.path / "artifacts" / "queries").iterdir())) == 1


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"<svg onload=alert(1)>", files()["damaged"]])
def test_what_is_no_picture_is_refused(app: TestClient, body: bytes) -> None:
    answer = app.post("/api/queries", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_too_large_an_upload_is_refused(app: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LARGEST", 1000)
    assert "MiB" in app.post("/api/queries", content=bytes(2000)).json()["error"]["message"]


def test_a_picture_of_too_many_pixels_is_refused(app: TestClient) -> None:
    claims = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 6, 0, 0, 0)
    parts = [(b"IHDR", claims), (b"IDAT", b""), (b"IEND", b"")]
    png = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    answer = app.post("/api/queries", content=b"\x89PNG\r\n\x1a\n" + png)
    assert (answer.status_code, "20000 x 20000" in answer.text) == (400, True)


@pytest.mark.parametrize("name", ["0" * 32, "..%2f..%2fsecret", "x", "0" * 31 + "%00"])
def test_an_id_that_nobody_gave(app: TestClient, name: str) -> None:
    assert app.get(f"/api/queries/{name}").status_code in (400, 404)


def test_the_newest_stay(pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(queries, "KEPT", 3)
    names = [queries.store(tmp_path, encoded(picture(i)))[0] for i in range(5)]
    assert len(list(queries.folder(tmp_path).glob("*.jpg"))) == 3
    assert queries.read(tmp_path, names[-1])[:2] == b"\xff\xd8"


def test_a_pool_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("in the way")
    name, *_ = queries.store(tmp_path, encoded(picture(1)))
    assert queries.read(tmp_path, name)[:2] == b"\xff\xd8"


def test_every_form_was_looked_at(pool: Pool) -> None:
    assert set(FORMS) <= set(pool.table(["key"])["key"].to_pylist())
