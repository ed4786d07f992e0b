import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veduta.search import blocks
from veduta.search.exact import best, nearest, unit


@given(st.lists(st.integers(-3, 3), max_size=40), st.integers(1, 45))
@settings(max_examples=200, deadline=None)
def test_best_is_a_stable_sort(values, k):
    scores = np.array(values, np.float32)
    assert best(scores, k).tolist() == sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]


def test_nearest_over_pieces_is_the_sorted_list():
    rng = np.random.default_rng(1)
    vectors, queries = unit(rng.normal(size=(500, 8))), unit(rng.normal(size=(3, 8)))
    vectors[100:110] = vectors[0]  # ties
    rows = np.arange(500) * 2
    pieces = [(vectors[s : s + 90], rows[s : s + 90]) for s in range(0, 500, 90)]
    for query, (found, scores) in zip(queries, nearest(pieces, queries, 17, skip=20), strict=True):
        exact = [(-float(query @ v), r) for v, r in zip(vectors, rows, strict=True) if r != 20]
        assert found.tolist() == [r for _, r in sorted(exact)[:17]]
        np.testing.assert_allclose(scores, [-s for s, _ in sorted(exact)[:17]], atol=1e-6)


def test_nearest_of_nothing():
    assert nearest([], np.ones((1, 4), np.float32), 5)[0][0].tolist() == []


def test_clean_leaves_out_what_has_no_direction():
    vectors = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 0], [0, 1]], np.float32)
    block = blocks.clean(vectors, np.arange(5))
    assert block.rows.tolist() == [0, 4]
    assert block.skipped == 3
    np.testing.assert_allclose(block.vectors, [[0.6, 0.8], [0, 1]])


def test_cache_survives_other_columns_and_follows_its_own(vector_pool, monkeypatch):
    import pyarrow as pa

    from .conftest import add_rows, unit_vectors

    pool = vector_pool(unit_vectors(30, 4))
    first = blocks.cached(pool, "emb")
    with pool.writing():
        pool.define(pa.schema([pa.field("x", pa.int32())]))
        pool.fill(pa.table({"x": pa.array(range(30), pa.int32())}), pool.pending(["x"]))
    assert blocks.cached(pool, "emb") is first
    add_rows(pool, unit_vectors(5, 4, seed=2))
    assert len(blocks.cached(pool, "emb").rows) == 35


def test_cache_is_bounded(vector_pool, monkeypatch):
    from .conftest import unit_vectors

    blocks.clear()
    monkeypatch.setattr(blocks, "CACHE_BYTES", 30 * 6 * 4 + 200)
    pools = [vector_pool(unit_vectors(30, 4), name=f"{i}.vd") for i in range(3)]
    for pool in pools:
        assert blocks.cached(pool, "emb") is not None
    assert len(blocks._blocks) == 1
    large = vector_pool(unit_vectors(60, 4), name="large.vd")
    assert blocks.cached(large, "emb") is None
    got = np.concatenate([rows for _, rows in blocks.stream(large, "emb")])
    assert got.tolist() == list(range(60))


@pytest.mark.parametrize("few", [True, False])
def test_pieces_and_some_agree(vector_pool, few):
    from .conftest import unit_vectors

    pool = vector_pool([*unit_vectors(20, 4), None])
    allowed = np.array([3, 5, 20])
    if few:
        block = blocks.some(pool, "emb", allowed)
        assert block.rows.tolist() == [3, 5]
    else:
        assert np.concatenate([r for _, r in blocks.cached(pool, "emb").pieces(allowed)]).tolist() == [3, 5]
