"""Small pictures: upright, of everything that can be decoded, made once, and kept in a file that may break."""

from __future__ import annotations

import io
import sqlite3
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import veduta
from app.looked import client
from items import Given
from pictures import encoded, picture
from veduta.app import thumbnails
from veduta.app.pictures import Pictures
from veduta.app.thumbnails import Thumbnails
from veduta.pool import Pool

FORMS = ("plain", "turned", "tiff", "deep", "grey", "alpha", "wide", "small", "palette", "damaged", "empty")


def files() -> dict[str, bytes]:
    """One file a form; `turned` says that its left half, red, belongs on top."""
    half = Image.new("RGB", (200, 100), "blue")
    half.paste("red", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray((np.linspace(0, 65535, 90 * 120).reshape(90, 120)).astype(np.uint16))
    alpha = Image.new("RGBA", (120, 90), (255, 0, 0, 0))
    made = {
        "plain": encoded(picture(1, (300, 200))),
        "turned": encoded(half, exif=exif),
        "tiff": encoded(picture(2, (300, 200)), "TIFF"),
        "deep": encoded(deep, "PNG"),
        "grey": encoded(picture(3).convert("L")),
        "alpha": encoded(alpha, "PNG"),
        "wide": encoded(picture(4, (1800, 30)).crop((0, 10, 1800, 13)), "PNG"),
        "small": encoded(picture(5).crop((40, 40, 64, 64)), "PNG"),
        "palette": encoded(picture(6).convert("P"), "GIF"),
        "damaged": encoded(picture(7))[:400],
        "empty": b"",
    }
    assert tuple(made) == FORMS
    return made


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = veduta.create(tmp_path / "forms.vd")
    pool.ingest(Given(files()))
    return pool


@pytest.fixture
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


def unpacked(content: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(content):
        row, size = struct.unpack_from("<II", content, at)
        found[row] = content[at + 8 : at + 8 + size]
        at += 8 + size
    return found


def shown(app: TestClient, pool: Pool, side: int = 128) -> dict[str, Image.Image | None]:
    keys = pool.table(["key"])["key"].to_pylist()
    answer = app.get("/api/thumbs", params={"rows": ",".join(map(str, range(len(keys)))), "side": side})
    assert answer.status_code == 200
    found = unpacked(answer.content)
    assert list(found) == list(range(len(keys)))
    return {keys[row]: Image.open(io.BytesIO(jpeg)) if jpeg else None for row, jpeg in found.items()}


@pytest.mark.parametrize("side", [64, 128, 256])
def test_every_form_has_its_picture(app: TestClient, pool: Pool, side: int) -> None:
    seen = shown(app, pool, side)
    assert [key for key, image in seen.items() if image is None] == ["damaged", "empty"]
    assert all(max(image.size) <= side for image in seen.values() if image)
    assert all(max(image.size) == side for key, image in seen.items() if image and key in ("plain", "wide"))
    assert seen["small"] is not None
    assert seen["small"].size == (24, 24)


def test_orientation_transparency_and_depth_as_everywhere(app: TestClient, pool: Pool) -> None:
    seen = shown(app, pool)
    turned, alpha, deep = (np.asarray(seen[key], np.int32) for key in ("turned", "alpha", "deep"))
    assert turned.shape[:2] == (128, 64)
    assert turned[10, 30, 0] > 200 > 60 > turned[10, 30, 2]
    assert turned[-10, 30, 2] > 200
    assert alpha.min() > 250
    assert deep[-1, -1].min() > 240
    assert deep[0, 0].max() < 10


def test_the_order_asked_for_and_twice_the_same_row(app: TestClient) -> None:
    content = app.get("/api/thumbs", params={"rows": "3,0,3", "side": 64}).content
    rows, at = [], 0
    while at < len(content):
        row, size = struct.unpack_from("<II", content, at)
        rows.append(row)
        at += 8 + size
    assert rows == [3, 0, 3]


@pytest.mark.parametrize("rows", ["", "1,", "-1", "a", "999", ",".join(["1"] * 201), "99999999999", "1.5", "\u0661"])
def test_rows_that_make_no_sense(app: TestClient, rows: str) -> None:
    answer = app.get("/api/thumbs", params={"rows": rows})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


def test_made_once_and_kept(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(range(len(pool)))
    first = Thumbnails(pool.path).get(pool, rows, 64)
    monkeypatch.setattr(thumbnails, "thumbnail", None)
    assert Thumbnails(pool.path).get(pool, rows, 64) == first
    assert Thumbnails(pool.path).count() == len([key for key in FORMS if key not in ("damaged", "empty")])


def test_made_once_however_many_ask(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    made, plain = [], thumbnails.thumbnail
    monkeypatch.setattr(thumbnails, "thumbnail", lambda data, side: made.append(1) or plain(data, side))
    thumbs, answers = Thumbnails(pool.path), []
    asking = [threading.Thread(target=lambda: answers.append(thumbs.get(pool, [5, 6, 7], 64))) for _ in range(6)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert len(made) == 3
    assert all(answer == answers[0] for answer in answers)


def test_a_damaged_file_is_made_anew(pool: Pool) -> None:
    file = pool.path / "thumbnails.sqlite"
    right = Thumbnails(pool.path).get(pool, [5, 6], 64)
    for damage in (b"no database at all" * 100, file.read_bytes()[:100] + b"\xff" * 5000, b""):
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.write_bytes(damage)
        thumbs = Thumbnails(pool.path)
        assert thumbs.get(pool, [5, 6], 64) == right
        assert thumbs.count() == 2


def test_a_table_or_picture_of_something_else_is_made_anew(pool: Pool) -> None:
    file = pool.path / "thumbnails.sqlite"
    right = Thumbnails(pool.path).get(pool, [5], 64)
    with sqlite3.connect(file) as other:
        other.execute("update pictures set picture = x'3c7376673e'")
    assert Thumbnails(pool.path).get(pool, [5], 64) == right
    with sqlite3.connect(file) as other:
        other.execute("drop table pictures")
        other.execute("create table pictures (something text)")
    thumbs = Thumbnails(pool.path)
    assert thumbs.get(pool, [5], 64) == right
    assert thumbs.count() == 1


def test_without_a_place_to_write_they_stay_in_memory(pool: Pool, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "thumbnails.sqlite").mkdir()  # what cannot be opened, for root too
    thumbs = Thumbnails(blocked)
    right = Thumbnails(pool.path).get(pool, [5, 6], 64)
    assert thumbs.get(pool, [5, 6], 64) == right
    assert thumbs.count() == 2


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veduta.app.pictures.MEMORY", 1000)
    (tmp_path / "p.sqlite").mkdir()
    kept = Pictures(tmp_path / "p.sqlite")
    for i in range(20):
        kept.keep({f"d{i}": b"\xff\xd8" + bytes(198)}, 64)
    assert kept.count() == 5
    assert "d19" in kept.read(["d0", "d19"], 64)


def test_a_read_only_folder(pool: Pool) -> None:
    file = pool.path / "thumbnails.sqlite"
    right = Thumbnails(pool.path).get(pool, [5], 64)
    file.chmod(stat.S_IRUSR)
    pool.path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert Thumbnails(pool.path).get(pool, [5, 6], 64)[0] == right[0]
    finally:
        pool.path.chmod(stat.S_IRWXU)


def test_another_file_in_its_place_is_neither_shown_nor_kept(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    (source / "a.jpg").write_bytes(encoded(picture(1)))
    pool = veduta.create(tmp_path / "referenced.vd")
    pool.ingest(source, store="reference")
    (source / "a.jpg").write_bytes(encoded(picture(2)))
    thumbs = Thumbnails(pool.path)
    assert thumbs.get(pool, [0], 64) == [b""]
    assert thumbs.count() == 0
    (source / "a.jpg").unlink()
    assert thumbs.get(pool, [0], 64) == [b""]
