from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from veduta.encode import cache
from veduta.errors import EncoderError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path / "cache"))


def test_a_file_is_made_once() -> None:
    calls = []

    def make(target: Path) -> None:
        calls.append(target)
        target.write_text("x")

    first, second = cache.made("a.txt", make), cache.made("a.txt", make)
    assert first == second == cache.path("a.txt")
    assert first.read_text() == "x"
    assert len(calls) == 1


def test_a_failed_make_leaves_nothing() -> None:
    def make(target: Path) -> None:
        target.write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        cache.made("a.txt", make)
    assert list(cache.path("a.txt").parent.iterdir()) == []


def _slow(name: str) -> str:
    def make(target: Path) -> None:
        with open(target, "w") as stream:
            for _ in range(1000):
                stream.write("0123456789")
                stream.flush()

    return cache.made(name, make).read_text()


def test_processes_that_make_the_same_file_all_see_it_whole() -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert set(pool.map(_slow, ["big.txt"] * 3)) == {"0123456789" * 1000}
    assert [file.name for file in cache.path("big.txt").parent.iterdir()] == ["big.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path / "file"))
    with pytest.raises(EncoderError, match="VEDUTA_CACHE"):
        cache.made("a.txt", lambda target: None)


def test_digest_follows_the_content(tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert cache.file_digest(file) == hashlib.sha256(b"one").hexdigest() == cache.file_digest(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert cache.file_digest(file) == hashlib.sha256(b"two").hexdigest()
    for remembered in cache.path("x").parent.glob("digest-*"):
        remembered.write_text("not json")
    assert cache.file_digest(file) == hashlib.sha256(b"two").hexdigest()
