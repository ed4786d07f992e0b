import numpy as np
import pyarrow as pa
import pytest

import veduta
from veduta.errors import BadInput
from veduta.search import approx, lens, plan

from .conftest import add_rows, unit_vectors

N, D = 3000, 32


@pytest.fixture
def pool(vector_pool, monkeypatch):
    monkeypatch.setattr(lens, "EXACT_ROWS", 1000)
    monkeypatch.setattr(plan, "EXACT_ROWS", 1000)
    monkeypatch.setattr(plan, "GRAPH_ROWS", 2000)
    monkeypatch.setattr(lens, "FEW", 50)
    return vector_pool(unit_vectors(N, D, clusters=50), label=["rare" if i % 25 == 0 else "common" for i in range(N)])


def recall(hits, exact):
    return np.isin(exact.rows, hits.rows).mean()


@pytest.mark.parametrize(
    ("room", "kind"),
    [({"code_bytes": 16}, "IVF_PQ"), ({"memory": N * D}, "IVF_SQ"), ({"code_bytes": 200}, "IVF_HNSW_SQ")],
)
def test_recall_is_measured_and_true(pool, room, kind):
    index = veduta.search.index(pool, "emb", **room)
    assert index.kind == kind
    assert index.recall >= 0.9
    assert index.code_bytes <= room.get("code_bytes", D)
    found = []
    for row in range(0, N, 100):
        exact = veduta.search(pool, row=row, k=10, embedding="emb", exact=True)
        hits = veduta.search(pool, row=row, k=10, embedding="emb")
        assert hits.method.startswith(kind)
        assert row not in hits.rows
        same = np.isin(hits.rows, exact.rows)
        found.append(same.mean())
        order = [exact.rows.tolist().index(r) for r in hits.rows[same]]
        np.testing.assert_allclose(hits.scores[same], exact.scores[order], atol=2e-6)  # exact vectors rank, not codes
    assert np.mean(found) >= index.recall - 0.06
    kept = approx.current(pool, "emb")
    assert kept == index
    assert pool.log()[-1].operation == "index"
    assert pool.log()[-1].details["recall"] == index.recall


def test_it_builds_itself_and_keeps_the_pool(pool):
    before = pool.version
    digest = pool.digest()
    hits = veduta.search(pool, row=1, embedding="emb")
    assert "built the index" in hits.notes[0]
    assert pool.version > before
    assert pool.digest() == digest
    again = veduta.search(veduta.open(pool.path), row=1, embedding="emb")
    assert again.notes == ()
    assert again.rows.tolist() == hits.rows.tolist()


@pytest.mark.parametrize("where", ["label = 'rare'", "label = 'rare' and key < 'k2'", "key = 'k7'", "key = 'none'"])
def test_filter_never_shrinks_the_result(pool, where):
    veduta.search.index(pool, "emb", code_bytes=16)
    exact = veduta.search(pool, row=3, k=20, where=where, embedding="emb", exact=True)
    hits = veduta.search(pool, row=3, k=20, where=where, embedding="emb", exact=False)
    assert len(hits) == len(exact)
    assert set(hits.rows) <= set(pool.rows(where))
    assert not len(exact) or recall(hits, exact) >= 0.8


def test_newer_rows_are_found_and_reported(pool):
    veduta.search.index(pool, "emb", code_bytes=16)
    fresh = unit_vectors(40, D, seed=9)
    add_rows(pool, fresh)
    hits = veduta.search(pool, vector=fresh[7], k=3, embedding="emb")
    assert hits.rows[0] == N + 7
    assert hits.method.startswith("IVF_PQ")
    assert "40 rows are newer than the index" in hits.notes[0]
    with pool.writing():  # a further column after the index, written the way annotators write
        pool.define(pa.schema([pa.field("x", pa.int32())]))
        pool.fill(pa.table({"x": pa.array(range(N + 40), pa.int32())}), pool.pending(["x"]))
    assert veduta.search(pool, vector=fresh[7], k=3, embedding="emb").rows[0] == N + 7
    assert approx.current(pool, "emb") is not None


def test_replaced_rows_are_gone(pool):
    veduta.search.index(pool, "emb", code_bytes=16)
    vector = pool.vectors("emb")[0][11]
    with pool.writing():
        pool.append(pa.table({"key": ["k11"]}), replacing=["k11"])
    keys = veduta.search(pool, vector=vector, k=20, embedding="emb").keys
    assert "k11" not in keys
    exact = veduta.search(pool, vector=vector, k=20, embedding="emb", exact=True)
    assert recall(veduta.search(pool, vector=vector, k=20, embedding="emb"), exact) >= 0.8


def test_a_refilled_column_never_meets_the_old_index(pool):
    veduta.search.index(pool, "emb", code_bytes=16)
    other = unit_vectors(N, D, seed=5)
    field = pool.schema.field("emb")
    with pool.writing():
        pool.drop(["emb"])
        pool.define(pa.schema([field]))
        pool.fill(
            pa.table({"emb": pa.FixedSizeListArray.from_arrays(pa.array(other.reshape(-1)), D)}), pool.pending(["emb"])
        )
    assert approx.current(pool, "emb") is None
    assert veduta.search(pool, vector=other[4], k=1, embedding="emb").rows.tolist() == [4]


def test_a_half_filled_column_is_not_indexed(pool):
    with pool.writing():
        pool.append(pa.table({"key": [f"late{i}" for i in range(30)]}))
    with pytest.raises(BadInput, match="filled only in part"):
        veduta.search.index(pool, "emb")
    assert veduta.search(pool, row=5, embedding="emb").method == "exact"


def test_old_versions_and_views_are_searched_without_building(pool):
    version = pool.version
    assert veduta.search(pool.at(version), row=5, embedding="emb").method == "exact"
    view = veduta.search(pool.where("label = 'common'"), row=5, k=8, embedding="emb")
    assert view.method == "exact"
    veduta.search.index(pool, "emb", code_bytes=16)
    hits = veduta.search(pool.where("label = 'common'"), row=5, k=8, embedding="emb")
    assert hits.method.startswith("IVF_PQ")
    assert recall(hits, view) >= 0.75
    assert "rare" not in hits.table.column("label").to_pylist()
    with pytest.raises(BadInput, match="read-only"):
        veduta.search(pool.at(version), row=5, embedding="emb", exact=False)


def test_a_killed_measurement_leaves_no_index(pool, monkeypatch):
    def killed(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(approx, "_tuned", killed)
        with pytest.raises(KeyboardInterrupt):
            veduta.search.index(pool, "emb", code_bytes=16)
    assert approx.current(pool, "emb") is None
    assert veduta.search(pool, row=5, embedding="emb").method.startswith("IVF")


def test_dedup_with_an_index(pool):
    veduta.search.index(pool, "emb", code_bytes=16)
    hits = veduta.search(pool, row=5, k=20, dedup=0.8, embedding="emb")
    vectors = pool.vectors("emb")[0][hits.rows]
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert len(hits) == 20
    assert cosines.max() <= 0.8 + 1e-6


def test_small_pools_get_no_index(vector_pool):
    with pytest.raises(BadInput, match="searched exactly"):
        veduta.search.index(vector_pool(unit_vectors(100, 8)), "emb")


@pytest.mark.parametrize("bad", [{"target": 0}, {"target": 1.1}, {"refine": 0}])
def test_settings_out_of_range(pool, bad):
    with pytest.raises(BadInput, match="target must be"):
        veduta.search.index(pool, "emb", **bad)


def test_the_best_is_kept_where_the_target_is_out_of_reach(vector_pool):
    index = veduta.search.index(vector_pool(unit_vectors(2000, 64, seed=3)), "emb", code_bytes=4, refine=1, target=1.0)
    assert index.recall < 1
    assert (index.kind, index.refine, index.code_bytes) == ("IVF_PQ", 1, 4)
