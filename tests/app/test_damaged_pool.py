"""The app over a pool whose newest version is damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from veduta.app.server import create_app
from veduta.errors import DamagedPool
from veduta.pool import Pool, sound


def test_the_newest_sound_version_is_shown_and_every_page_says_so(own: Path):
    number = Pool.open(own).version
    os.truncate(own / "images.lance" / sound.manifest(number), 0)
    with pytest.warns(DamagedPool):
        app = create_app(own)
    with TestClient(app, base_url="http://localhost") as client:
        about = client.get("/api/pool").json()
        assert about["version"] == number - 1
        assert f"version {number} of" in about["damage"]
        assert "aside" in about["damage"]


def test_a_sound_pool_says_nothing(reading: TestClient):
    assert reading.get("/api/pool").json()["damage"] is None
