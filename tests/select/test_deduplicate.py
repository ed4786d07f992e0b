"""Near-duplicates over a pool: groups, reasons, order, wrong use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from tests.select.conftest import partner, unit

from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.pool import Pool
from veduta.select.deduplicate import FAULTS, Deduplicate

MakePool = Callable[..., Pool]


@pytest.fixture
def vectors() -> np.ndarray:
    """a0, b0, c0 far apart; a1, a2 close to a0; c1 is c0 again."""
    rng = np.random.default_rng(4)
    base = unit(rng.standard_normal((3, 40)))
    close = partner(np.repeat(base[:1], 2, axis=0), [0.98, 0.99], rng)
    return np.concatenate([base, close, base[2:]])


KEYS = ["a0", "b0", "c0", "a1", "a2", "c1"]


def words(*values: int) -> pa.Array:
    return pa.array([value.to_bytes(8, "little") for value in values], pa.binary(8))


def test_groups_and_reasons(make_pool: MakePool, vectors: np.ndarray) -> None:
    pool = make_pool(KEYS, embedding=vectors, width=[8, 8, 8, 8, 8, 9], height=[8] * 6, bytes=[5] * 6)
    chosen = pool.select(Deduplicate())
    assert chosen.keep.tolist() == [True, True, False, False, False, True]
    assert pool.table(["duplicate_of"]).column(0).to_pylist() == [None, None, "c1", "a0", "a0", None]
    assert chosen.reasons[3].as_py() == "near-duplicate of a0 (cosine 0.980)"
    assert chosen.summary["groups"] == 2
    assert chosen.summary["by"] == "embedding"
    table = chosen.artifacts["groups"].to_pylist()
    assert [(row["representative"], row["size"]) for row in table] == [("a0", 3), ("c1", 2)]
    cosines = vectors[[0, 3, 4]] @ vectors[[0, 3, 4]].T
    assert table[0]["lowest_pair"] == pytest.approx(cosines.min(), abs=1e-5)


def test_hash_must_agree_where_there_is_one(make_pool: MakePool, vectors: np.ndarray) -> None:
    pool = make_pool(KEYS, embedding=vectors, hash=words(0, 1, 2, 2**30 - 1, 7, 2))
    chosen = pool.select(Deduplicate(prefer="first", bits=8))
    assert chosen.summary["by"] == "both"
    assert pool.table(["duplicate_of"]).column(0).to_pylist() == [None, None, None, None, "a0", "c0"]


def test_hashes_alone(make_pool: MakePool) -> None:
    pool = make_pool(["a", "b", "c", "d"], hash=pa.concat_arrays([words(0, 3, 63), pa.nulls(1, pa.binary(8))]))
    chosen = pool.select(Deduplicate(by="hash", prefer="first"))
    assert chosen.keep.tolist() == [True, False, True, True]
    assert chosen.reasons[1].as_py() == "near-duplicate of a (2 of 64 bits differ)"
    assert chosen.columns["duplicate_similarity"].to_pylist() == [None, 2.0, None, None]
    assert chosen.summary["not_compared"] == 1
    as_number = make_pool(["a", "b", "c"], name="n.vd", hash=pa.array([0, 3, 63], pa.int64()))
    as_text = make_pool(["a", "b", "c"], name="t.vd", hash=[f"{v:016x}" for v in (0, 3, 63)])
    for other in (as_number, as_text):
        assert other.select(Deduplicate(by="hash", prefer="first")).keep.tolist() == [True, False, True]


def test_quality_decides_who_stays(make_pool: MakePool, vectors: np.ndarray) -> None:
    scores = {fault: np.zeros(6, np.float32) for fault in FAULTS}
    scores["quality_blurry"] = np.array([0.9, 0, 0.1, 0.2, 0.1, 0.3], np.float32)
    size = {"width": [99, 8, 8, 8, 8, 8], "height": [8] * 6, "bytes": [5] * 6}
    pool = make_pool(KEYS, embedding=vectors, **size, **scores)
    kept = [KEYS[i] for i in pool.select(Deduplicate(prefer="quality", threshold=0.955)).rows()]
    assert kept[:2] == ["b0", "c0"]
    assert "a2" in kept
    assert "a0" not in kept


def test_same_result_in_any_row_order(make_pool: MakePool) -> None:
    rng = np.random.default_rng(8)
    base = unit(rng.standard_normal((60, 16)))
    vectors = np.concatenate([base, partner(base[:40], rng.uniform(0.9, 1, 40), rng)])
    names = [f"{i:03d}" for i in rng.permutation(100)]
    shuffle = rng.permutation(100)
    one = make_pool(names, embedding=vectors)
    two = make_pool([names[i] for i in shuffle], name="two.vd", embedding=vectors[shuffle])
    found = []
    for pool in (one, two):
        pool.select(Deduplicate())
        table = pool.table(["key", "duplicate_of"])
        found.append(dict(zip(table["key"].to_pylist(), table["duplicate_of"].to_pylist(), strict=True)))
    assert found[0] == found[1]


def test_wrong_use(make_pool: MakePool, vectors: np.ndarray) -> None:
    bad = vectors.copy()
    bad[1, 3], bad[4] = np.nan, 0
    pool = make_pool(KEYS, embedding=bad, label=["x"] * 6)
    with pytest.raises(BadInput, match="b0, a2 hold NaN or are zero"):
        pool.select(Deduplicate())
    with pytest.raises(MissingColumn, match="annotate embed"):
        pool.select(Deduplicate(embedding="other"))
    with pytest.raises(MissingColumn, match="annotate perceptual-hash"):
        pool.select(Deduplicate(by="both"))
    with pytest.raises(MissingColumn, match="annotate quality"):
        pool.select(Deduplicate(prefer="quality"))
    with pytest.raises(BadInput, match="not vectors"):
        pool.select(Deduplicate(embedding="label"))
    with pytest.raises(BadInput, match="not 64-bit hashes"):
        pool.select(Deduplicate(by="hash", hash="label"))
    with pytest.raises(BadInput, match="give bits"):
        pool.select(Deduplicate(by="hash", threshold=0.9))
    with pytest.raises(BadInput, match="threshold of deduplicate"):
        Deduplicate(threshold=1.5)


def test_scaled_vectors_are_the_same(make_pool: MakePool, vectors: np.ndarray) -> None:
    pool = make_pool(KEYS, embedding=vectors * 3)
    chosen = pool.select(Deduplicate(prefer="first"))
    assert len(chosen) == 3
    assert "6 vectors" in chosen.summary["remarks"][0]


def test_rows_without_a_vector_stay(make_pool: MakePool, vectors: np.ndarray) -> None:
    flat = pa.array(vectors.ravel())
    column = pa.FixedSizeListArray.from_arrays(flat, 40, mask=pa.array([False, False, False, True, False, False]))
    pool = make_pool(KEYS, embedding=column)
    assert pool.select(Deduplicate(prefer="first")).keep.tolist() == [True, True, True, True, False, False]
    empty = make_pool(KEYS, name="e.vd", embedding=pa.nulls(6, pa.list_(pa.float32(), 4)))
    with pytest.raises(NothingToDo, match="annotate embed"):
        empty.select(Deduplicate())
