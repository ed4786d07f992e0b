from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Bright, Doubled, Given, Mean, Rank
from pictures import encoded, picture
from veduta.errors import BadInput, MissingColumn, NotAPool, PoolBusy, PoolExists
from veduta.pool import Pool, Selection


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = veduta.create(tmp_path / "a.vd")
    content = {f"k{i}": encoded(picture(i, (40, 30)), "PNG") for i in range(10)} | {"bad": b"\xff\xd8\xffrubbish"}
    pool.ingest(Given(content, {"k1": {"label": "cat", "note": 5}}, note=pa.int32()))
    return pool


def test_rows_come_back_as_they_went_in(pool: Pool):
    assert len(pool) == 11
    table = pool.table(["key", "label", "note", "width", "error"])
    assert table["key"].to_pylist() == ["bad", *(f"k{i}" for i in range(10))]
    assert table["label"].to_pylist()[2] == "cat"
    assert table["note"].to_pylist()[2] == 5
    assert table["width"].to_pylist() == [None] + [40] * 10
    assert "corrupt" in table["error"].to_pylist()[0]
    assert pool.read_images([3, 1, 0, 3])[1:3] == [encoded(picture(0, (40, 30)), "PNG"), b"\xff\xd8\xffrubbish"]


def test_where_and_positions(pool: Pool):
    view = pool.where("error is null and key > 'k6'")
    assert len(view) == 3
    assert view.rows().tolist() == [8, 9, 10]
    assert view.rows("key = 'k8'").tolist() == [9]
    assert view.table(["key"], where="key < 'k8'")["key"].to_pylist() == ["k7"]
    with pytest.raises(BadInput, match="not valid SQL"):
        pool.where("nonsense >> 3 banana")
    with pytest.raises(MissingColumn, match="lacks"):
        pool.table(["nope"])


def test_columns_versions_undo_and_recipe(pool: Pool):
    start = pool.version
    pool.annotate([Mean(), Doubled()])
    pool.annotate(Rank())
    chosen = pool.select(Bright(), name="bright")
    assert len(chosen) == 5
    assert pool.selections() == ["bright"]
    assert pool.selection("bright").reasons.to_pylist() == chosen.reasons.to_pylist()
    table = pool.table(["mean", "doubled", "rank", "margin"]).to_pandas()
    assert table["mean"].isna().tolist() == [True] + [False] * 10
    assert np.allclose(table["doubled"][1:], table["mean"][1:] * 2)
    assert sorted(table["rank"][1:]) == list(range(10))
    assert [next(iter(step)) for step in pool.recipe()] == ["mean", "doubled", "rank", "bright"]
    assert "mean" not in pool.at(start).schema.names
    pool.undo()
    assert pool.selections() == []
    pool.undo()
    assert "rank" not in pool.schema.names
    assert "mean" in pool.schema.names
    assert [r.operation for r in pool.lineage()] == ["ingest", "mean", "doubled"]
    assert [r.operation for r in pool.log()][-2:] == ["undo", "undo"]
    with pytest.raises(BadInput, match="read-only"):
        pool.at(start).annotate(Mean())


def test_what_is_up_to_date_is_left_alone(pool: Pool):
    pool.annotate([Mean(), Doubled(), Rank()])
    version = pool.version
    pool.annotate([Mean(), Doubled(), Rank()])
    assert pool.version == version
    pool.annotate(Mean(scale=2.0))
    assert pool.version > version
    assert pool.provenance("mean") == {"operation": "mean", "parameters": {"scale": 2.0, "column": "mean"}}


def test_a_column_of_the_source_is_never_overwritten(pool: Pool):
    with pytest.raises(BadInput, match="came with the source"):
        pool.annotate(Mean(column="note"))
    with pytest.raises(BadInput, match="came with the source"):
        pool.annotate(Mean(column="label"))


def test_opening_what_is_not_a_pool(tmp_path: Path, pool: Pool):
    with pytest.raises(NotAPool, match="does not exist"):
        veduta.open(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAPool, match="is not a pool"):
        veduta.open(tmp_path / "file")
    with pytest.raises(PoolExists):
        veduta.create(pool.path)
    with pytest.raises(PoolExists):
        veduta.create(tmp_path / "file")
    with pytest.raises(BadInput, match="no version 999"):
        veduta.open(pool.path, 999)


def test_a_kill_at_birth_heals_and_nothing_with_data_is_taken_for_one(tmp_path: Path, pool: Pool):
    (tmp_path / "p.vd" / "images.lance" / "_transactions").mkdir(parents=True)
    (tmp_path / "p.vd" / ".images.lance").mkdir()
    with pytest.raises(NotAPool):
        veduta.open(tmp_path / "p.vd")
    assert len(veduta.create(tmp_path / "p.vd")) == 0
    assert not (tmp_path / "p.vd" / ".images.lance").exists()
    shutil.rmtree(pool.path / "images.lance" / "_versions")  # a copy that was cut short
    with pytest.raises(PoolExists):
        veduta.create(pool.path)
    assert any((pool.path / "images.lance" / "data").iterdir())


def _hold(path: str, ready, release) -> None:
    with veduta.open(path).writing():
        ready.set()
        release.wait(30)


def test_two_writers_get_a_sentence_and_readers_go_on(pool: Pool):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(pool.path), ready, release))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(PoolBusy, match=f"process {other.pid}"):
            pool.annotate(Mean())
        with pytest.raises(PoolBusy, match=f"process {other.pid}"):  # as of two commands that begin at once
            veduta.create(pool.path)
        assert len(veduta.open(pool.path)) == 11
    finally:
        release.set()
        other.join()
    pool.annotate(Mean())


def test_a_reader_keeps_its_version_during_a_write(pool: Pool):
    reader = veduta.open(pool.path)
    pool.annotate(Mean())
    assert "mean" not in reader.schema.names
    assert "mean" in reader.refresh().schema.names


def test_a_selection_needs_a_reason_for_exactly_the_rows_left_out():
    with pytest.raises(BadInput, match="without a reason"):
        Selection.of("x", np.array([True, False]), [None, None])
    with pytest.raises(BadInput, match="kept and has a reason"):
        Selection.of("x", np.array([True, False]), ["a", "b"])
    assert Selection.of("x", np.array([True, False]), "why").reasons.to_pylist() == [None, "why"]


def test_by_reference_pools_follow_the_uri(tmp_path: Path, make_folder):
    class Files(Given):
        def items(self):
            for path in sorted(make_folder(3, 0).glob("*.jpg")):
                yield veduta.pool.Item(path.name, str(path), "1", path.read_bytes, {})

    pool = veduta.create(tmp_path / "ref.vd")
    pool.ingest(Files({}), store="reference")
    assert all(data and data[:2] == b"\xff\xd8" for data in pool.read_images([0, 1, 2]))
    assert sum(f.stat().st_size for f in (pool.path / "images.lance" / "data").iterdir()) < 30_000
    (tmp_path / "photos" / "picture_001.jpg").unlink()
    assert pool.read_images([1]) == [None]
    pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 1
