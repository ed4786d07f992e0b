from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.withdraw import Withdraw
from veduta.errors import BadInput
from veduta.learn.rows import choose
from veduta.pool import Pool
from veduta.pool.writers import export
from veduta.select.where import Where

CONTENT = {f"k{i}": encoded(picture(i, (40, 40)), "PNG") for i in range(5)} | {
    "copy": encoded(picture(1, (40, 40)), "PNG")
}


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    made = veduta.create(tmp_path / "p.vd")
    made.ingest(Given(CONTENT))
    return made


def kept(pool: Pool) -> list[str]:
    chosen = pool.select(Where(sql="width > 1"), name="all")
    return pool.take(chosen.rows(), ["key"])["key"].to_pylist()


def test_what_is_withdrawn_goes_no_further(pool: Pool, tmp_path: Path):
    assert len(kept(pool)) == 6
    pool.annotate(Withdraw(keys=["k3"], reason="asked by the owner"))
    assert kept(pool) == ["copy", "k0", "k1", "k2", "k4"]  # the same selection, made again
    selection = pool.selection("all")
    assert [r for r in selection.reasons.to_pylist() if r] == ["withdrawn: asked by the owner"]
    report = export(pool, tmp_path / "all.parquet")
    assert (report.rows, report.left_out["withdrawn"]) == (5, 1)
    assert export(pool, tmp_path / "errors.jsonl", errors=True).rows == 5
    rows = choose(pool, need="key is not null", where=None, selection=None, share=0.0, seed=0)
    assert len(rows.train) == 5
    assert rows.skipped["withdrawn images"] == 1
    assert len(pool) == 6


def test_a_selection_from_before_does_not_export_it(pool: Pool, tmp_path: Path):
    kept(pool)
    pool.annotate(Withdraw(keys=["k0"]))
    assert export(pool, tmp_path / "out.jsonl", selection="all").rows == 5


def test_digests_withdraw_every_copy_and_withdrawals_add_up(pool: Pool):
    pool.annotate(Withdraw(keys=[hashlib.sha256(CONTENT["copy"]).hexdigest()], reason="first"))
    pool.annotate(Withdraw(keys=["k2", "k1"], reason="second"))
    rows = dict(zip(*(pool.table([n])[n].to_pylist() for n in ("key", "withdrawn")), strict=True))
    assert rows == {"copy": "first", "k0": None, "k1": "first", "k2": "second", "k3": None, "k4": None}
    assert kept(pool) == ["k0", "k3", "k4"]
    pool.undo()
    assert pool.refresh().version


def test_a_list_is_kept_with_the_pool(pool: Pool, tmp_path: Path):
    (tmp_path / "list.txt").write_text("# by mail\nk4\n\nk0\nk4\n", "utf-8")
    operation = Withdraw(keys=f"@{tmp_path / 'list.txt'}")
    assert operation.keys == ("k4", "k0")
    assert Withdraw(**operation.parameters()) == operation
    pool.annotate(operation)
    assert kept(pool) == ["copy", "k1", "k2", "k3"]
    (tmp_path / "list.txt").write_text("elsewhere\nk1\n", "utf-8")
    with pytest.raises(BadInput, match=r"has no image 'elsewhere' \(1 of 2 are unknown\)"):
        pool.annotate(Withdraw(keys=f"@{tmp_path / 'list.txt'}"))
    pool.annotate(Withdraw(keys=f"@{tmp_path / 'list.txt'}", elsewhere=True))
    assert kept(pool) == ["copy", "k2", "k3"]


def test_lists_that_say_nothing_are_refused(tmp_path: Path):
    (tmp_path / "empty.txt").write_text("# nobody yet\n", "utf-8")
    for file, words in (("empty.txt", "is empty"), ("nowhere.txt", "does not exist")):
        with pytest.raises(BadInput, match=words) as caught:
            Withdraw(keys=f"@{tmp_path / file}")
        assert "\n" not in str(caught.value)
    with pytest.raises(BadInput):
        Withdraw(keys=[])


def test_a_column_of_the_source_of_that_name_withdraws_nothing(tmp_path: Path):
    pool = veduta.create(tmp_path / "own.vd")
    fields = {key: {"withdrawn": 7} for key in CONTENT}
    pool.ingest(Given(CONTENT, fields, withdrawn=pa.int64()))
    assert len(kept(pool)) == 6
    with pytest.raises(BadInput, match="in the way"):
        pool.annotate(Withdraw(keys=["k0"]))
    assert np.all(np.array(pool.table(["withdrawn"])["withdrawn"].to_pylist()) == 7)
