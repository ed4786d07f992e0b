"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pictures import encoded, picture

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # tests run beside each other: waiting threads must not hold a core


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes `count` pictures in `classes` sub-folders and returns the folder."""

    def make(count: int = 12, classes: int = 2, name: str = "photos", start: int = 0) -> Path:
        root = tmp_path / name
        for i in range(start, start + count):
            folder = root / f"class_{i % classes}" if classes else root
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"picture_{i:03d}.jpg").write_bytes(encoded(picture(i), quality=90))
        return root

    return make
