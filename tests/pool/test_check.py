"""Damaged pools: what opens, what is said, what a check finds and a repair keeps."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import veduta
from items import Given, Mean
from pictures import encoded, picture
from veduta.cli.app import build
from veduta.errors import Damaged, DamagedPool, NotAPool
from veduta.pool import Pool, sound
from veduta.pool.check import check

COUNT = 5


def _images(start: int = 0) -> Given:
    return Given({f"k{i}": encoded(picture(i, (60, 50)), "PNG") for i in range(start, start + COUNT)})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pool = veduta.create(tmp_path_factory.mktemp("made") / "a.vd")
    pool.ingest(_images())
    pool.annotate(Mean())
    assert pool.check().sound
    return pool.path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "a.vd"))


def _table(path: Path) -> Path:
    return path / "images.lance"


def _manifest(path: Path, back: int = 0) -> Path:
    return _table(path) / sound.manifest(max(sound.numbers(_table(path))) - back)


def _data(path: Path, column: str) -> Path:
    """The data file that holds a column."""
    from veduta.pool.fragments import leaf_ids

    dataset = Pool.open(path).dataset
    leaf = leaf_ids(dataset, [column])[0]
    files = [f for g in dataset.get_fragments() for f in g.data_files() if leaf in f.fields]
    return _table(path) / "data" / files[0].path


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 4
    file.write_bytes(content)


HARMS = {
    "empty manifest": lambda p: os.truncate(_manifest(p), 0),
    "short manifest": lambda p: os.truncate(_manifest(p), 200),
    "no manifest": lambda p: _manifest(p).unlink(),
    "short column": lambda p: os.truncate(_data(p, "mean"), 20),
    "empty column": lambda p: os.truncate(_data(p, "mean"), 0),
    "no column": lambda p: _data(p, "mean").unlink(),
}


@pytest.mark.parametrize("harm", HARMS)
def test_the_newest_sound_version_opens_and_work_goes_on_from_it(path: Path, harm: str):
    whole = Pool.open(path)
    HARMS[harm](path)
    with pytest.warns(DamagedPool, match=f"opened at version {whole.version - 1}"):
        pool = Pool.open(path)
    assert len(pool) == COUNT
    assert not pool.has("mean")
    found = check(path)
    assert not found.sound
    assert "mean" in str(found) or f"version {whole.version} " in str(found)
    with pytest.warns(DamagedPool, match=rf"\({whole.version}\) were set aside in .*aside"):
        pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 0
    assert [r.operation for r in pool.log()] == ["ingest", "mean"]
    notes = [json.loads(p.read_text()) for p in path.glob("aside/*/aside.json")]
    assert [n["versions set aside"] for n in notes] == [[whole.version]]
    assert check(path).sound


@pytest.mark.parametrize("harm", ["empty manifest", "short column"])
def test_a_repair_sets_aside_and_says_what_to_run_again(path: Path, harm: str):
    HARMS[harm](path)
    found = check(path, repair=True)
    assert found.problems
    assert found.sound
    assert found.done
    pool = Pool.open(path)
    assert pool.damage is None
    pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 0
    assert check(path).sound


def test_a_flipped_bit_in_an_image_costs_that_row_alone_and_the_next_run_brings_it_back(path: Path):
    file = _data(path, "digest")
    _flip(file, file.read_bytes().index(b"IDAT") + 30)
    found = Pool.open(path).check()
    image = next(p for p in found.problems if p.kind == "image")
    assert (image.rows, len(image.keys)) == (1, 1)
    assert any("checksum" in p.what and p.rows == COUNT for p in found.problems)
    pool = Pool.open(path)
    mended = pool.check(repair=True)
    assert mended.sound, mended
    assert set(pool.table(["key"])["key"].to_pylist()) == {f"k{i}" for i in range(COUNT)} - set(image.keys)
    assert pool.table(["mean"])["mean"].null_count == 0  # what was known of the others is kept
    pool.ingest(_images())
    assert len(pool) == COUNT
    assert len(pool.read_images(pool.where(f"key = '{image.keys[0]}'").rows())[0] or b"") > 0
    assert check(path).sound


def test_a_flipped_bit_in_a_column_or_a_manifest_is_found(path: Path):
    _flip(_data(path, "mean"), 3)
    found = check(path)
    assert [(p.kind, p.columns, p.rows, len(p.keys)) for p in found.problems] == [("file", ["mean"], COUNT, COUNT)]
    _flip(_manifest(path, back=1), 40)
    assert {p.kind for p in check(path).problems} == {"file", "version"}
    assert check(path, repair=True).sound


def test_rows_that_are_damaged_leave_an_empty_pool_until_the_repair(path: Path):
    os.truncate(_data(path, "digest"), 100)
    with pytest.warns(DamagedPool, match="rows of .* are damaged"):
        pool = Pool.open(path)
    assert len(pool) == 0
    with pytest.raises(Damaged, match="--repair"):
        pool.ingest(_images())
    assert check(path, repair=True).sound
    pool = Pool.open(path)
    pool.ingest(_images())
    pool.annotate(Mean())
    assert len(pool) == COUNT
    assert check(path).sound


def test_records_and_transactions(path: Path):
    next(iter(sorted((path / "lineage").glob("*.json")))).write_text("")
    next(iter((_table(path) / "_transactions").iterdir())).write_text("")
    with pytest.warns(DamagedPool, match="record .* cannot be read"):
        assert [r.operation for r in Pool.open(path).log()] == ["mean"]
    assert sorted(p.kind for p in check(path).problems) == ["record", "transaction"]
    assert check(path, repair=True).sound


def test_nothing_left_is_told_and_nothing_is_changed(path: Path):
    for manifest in (_table(path) / "_versions").glob("*.manifest"):
        os.truncate(manifest, 0)
    with pytest.raises(NotAPool, match="copy"):
        Pool.open(path)
    assert not check(path).sound
    with pytest.raises(NotAPool, match="copy"):
        check(path, repair=True)


def test_a_pool_from_before_checksums(path: Path):
    (path / "checksums.txt").unlink()
    found = check(path)
    assert found.sound
    assert found.without_checksum == found.files
    pool = Pool.open(path)
    pool.ingest(_images(COUNT))
    later = check(path)
    assert later.sound
    assert 0 < later.without_checksum < later.files


def test_the_command_exits_by_what_it_finds(path: Path, capsys: pytest.CaptureFixture[str]):
    def run(*more: str) -> int:
        try:
            return build(["check"])(["check", str(path), *more], standalone_mode=False) or 0
        except SystemExit as end:
            return int(end.code or 0)

    assert run() == 0
    HARMS["short column"](path)
    capsys.readouterr()
    assert run("--json") == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["columns"] == ["mean"]
    assert run("--repair") == 0
