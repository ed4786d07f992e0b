"""One small pool for all tests of the app, copied where a test writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.curated import curated
from veduta.app.server import create_app


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For reading."""
    return curated(tmp_path_factory.mktemp("app") / "whole.vd").path


@pytest.fixture
def own(whole: Path, tmp_path: Path) -> Path:
    """A copy for writing."""
    return Path(shutil.copytree(whole, tmp_path / "own.vd"))


@pytest.fixture
def reading(whole: Path) -> Iterator[TestClient]:
    with TestClient(create_app(whole), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def writing(own: Path) -> Iterator[TestClient]:
    with TestClient(create_app(own), base_url="http://localhost") as client:
        yield client
