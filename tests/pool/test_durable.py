"""Power cuts, simulated: of everything that was written only that is kept which was synced, bytes and names apart."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import veduta
from items import Bright, Doubled, Given, Mean
from pictures import encoded, picture
from veduta.pool import Pool, durable, ledger
from veduta.pool.writers import export


class Disk:
    """What has reached the disk: the length of each file's bytes, and the names in each folder, by inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes: dict[int, int] = {}
        self.names: dict[int, dict[str, int]] = {}
        self.held: list[int] = []
        self.moments = 0
        self.watch = lambda: None
        real = os.fsync

        def fsync(handle: int) -> None:
            real(handle)
            facts = os.fstat(handle)
            if stat.S_ISDIR(facts.st_mode):
                with os.scandir(handle) as entries:
                    self.names[facts.st_ino] = {entry.name: entry.inode() for entry in entries}
            else:
                if facts.st_ino not in self.bytes:
                    self.held.append(os.dup(handle))  # else a later file may get the number of one that is gone
                self.bytes[facts.st_ino] = facts.st_size
            self.moments += 1
            self.watch()

        monkeypatch.setattr(os, "fsync", fsync)

    def after_a_cut(self, folder: Path, target: Path) -> None:
        """A copy of `folder` as it would be found: a file that was not synced is empty, a name that was not is not there."""
        target.mkdir()
        for name, inode in self.names.get(folder.stat().st_ino, {}).items():
            source = folder / name
            try:
                if source.stat().st_ino != inode:
                    continue
            except FileNotFoundError:
                continue
            if source.is_dir():
                self.after_a_cut(source, target / name)
            else:
                (target / name).write_bytes(source.read_bytes()[: self.bytes.get(inode, 0)])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(monkeypatch)
    yield made
    for handle in made.held:
        os.close(handle)


def _images(start: int = 0, count: int = 6) -> Given:
    return Given({f"k{i}": encoded(picture(i, (60, 50)), "PNG") for i in range(start, start + count)})


def test_what_has_ended_survives_a_cut_at_any_moment(tmp_path: Path, disk: Disk):
    place = tmp_path / "a.vd"
    ended: dict[str, object] = {}
    seen = 0

    def cut() -> None:
        nonlocal seen
        if not ended or disk.moments % 4:
            return
        seen += 1
        left = tmp_path / f"cut{disk.moments}"
        disk.after_a_cut(place, left)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pool = Pool.open(left)
            assert pool.version >= ended["version"]
            assert [r.operation for r in pool.log()][: len(ended["log"])] == ended["log"]
            assert pool.at(ended["version"]).digest() == ended["content"]

    def end(pool: Pool) -> None:
        ended.update(version=pool.version, content=pool.digest(), log=[r.operation for r in pool.log()])

    disk.watch = cut
    pool = veduta.create(place)
    for step in (
        lambda: pool.ingest(_images()),
        lambda: pool.annotate([Mean(), Doubled()]),
        lambda: pool.select(Bright(), name="bright"),
        lambda: pool.undo(),
        lambda: pool.ingest(_images(6)),
    ):
        step()
        end(pool)
    assert seen > 5
    disk.watch = lambda: None
    disk.after_a_cut(place, tmp_path / "last")
    assert Pool.open(tmp_path / "last").digest() == pool.digest()
    assert Pool.open(tmp_path / "last").damage is None
    assert Pool.open(tmp_path / "last").check().sound


def test_a_cut_inside_a_commit_is_healed_by_the_same_command(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    pool = veduta.create(tmp_path / "a.vd")
    pool.ingest(_images())
    content = pool.digest()
    monkeypatch.setattr(Pool, "_settle", lambda self: None)  # committed, and not on the disk
    pool.define(Mean().adds())
    for folder in ("_versions", "_transactions", "data"):
        durable.sync(pool.path / "images.lance" / folder)  # the names alone
    disk.after_a_cut(pool.path, tmp_path / "b.vd")
    monkeypatch.undo()
    with pytest.warns(veduta.errors.DamagedPool, match="manifest is empty"):
        again = Pool.open(tmp_path / "b.vd")
    assert again.version == pool.version - 1
    assert again.digest() == content
    with pytest.warns(veduta.errors.DamagedPool, match="set aside in"):
        again.annotate(Mean())
    assert again.damage is None
    assert not np.isnan(again.table(["mean"])["mean"].to_numpy()).any()
    assert again.check().sound


@pytest.mark.parametrize("form", ["folder", "parquet"])
def test_an_export_is_on_the_disk_when_it_ends(tmp_path: Path, disk: Disk, form: str):
    pool = veduta.create(tmp_path / "a.vd")
    pool.ingest(_images())
    (tmp_path / "out").mkdir()
    export(pool, tmp_path / "out" / "clean", form)
    disk.after_a_cut(tmp_path / "out", tmp_path / "cut")
    written = {p.relative_to(tmp_path / "out"): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert written
    assert {
        p.relative_to(tmp_path / "cut"): p.read_bytes() for p in (tmp_path / "cut").rglob("*") if p.is_file()
    } == written


def test_a_small_file_is_the_old_one_or_the_new_one(tmp_path: Path, disk: Disk):
    file = tmp_path / "new" / "deeper" / "a.json"
    durable.write_atomically(file, "old")
    durable.write_atomically(file, b"newer")
    durable.sync(tmp_path)
    disk.after_a_cut(tmp_path, tmp_path / "cut")
    assert (tmp_path / "cut" / "new" / "deeper" / "a.json").read_text() == "newer"
    assert [p.name for p in file.parent.iterdir()] == ["a.json"]


def test_a_file_that_goes_while_the_table_is_listed_is_no_failure(tmp_path):
    """A writer renames its temporary files at any moment, and reading is always possible."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.lance").write_bytes(b"123")
    (tmp_path / "data" / "gone.tmp").symlink_to(tmp_path / "nowhere")
    assert ledger.present(tmp_path) == {"data/a.lance": 3}
