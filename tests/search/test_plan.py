import pytest

from veduta.errors import BadInput
from veduta.search.plan import choose, codes, graph, partitions


@pytest.mark.parametrize(
    ("rows", "dim", "room", "kind", "faiss"),
    [
        (1_000, 384, {}, "exact", "Flat"),
        (61_000, 384, {"code_bytes": 64}, "IVF_PQ", "OPQ64,IVF256,PQ64"),
        (61_000, 384, {}, "IVF_SQ", "IVF256,SQ8"),
        (10_000_000, 384, {}, "IVF_PQ", "OPQ64,IVF4096_HNSW32,PQ64"),
        (1_000_000, 256, {"memory": 70_000_000}, "IVF_PQ", "OPQ64,IVF1024_HNSW32,PQ64"),
        (1_000_000, 256, {"memory": 300_000_000}, "IVF_SQ", "IVF1024,SQ8"),
        (1_000_000, 256, {"memory": 500_000_000}, "IVF_HNSW_SQ", "HNSW20_SQ8"),
        (1_000, 384, {"code_bytes": 64}, "IVF_PQ", "OPQ64,IVF8,PQ64"),
        (100_000, 1280, {"code_bytes": 63}, "IVF_PQ", "OPQ40,IVF512,PQ40"),
    ],
)
def test_choice(rows, dim, room, kind, faiss):
    plan = choose(rows, dim, **room)
    assert (plan.kind, plan.faiss) == (kind, faiss)
    if "code_bytes" in room:
        assert plan.code_bytes <= room["code_bytes"]
    if "memory" in room:
        assert plan.code_bytes * rows <= room["memory"]


def test_codes_divide_the_dimension():
    for dim in (7, 96, 384, 500, 1280):
        for most in (1, 16, 64):
            assert dim % codes(dim, most) == 0
            assert codes(dim, most) <= most


def test_cells_grow_with_the_rows_and_keep_rows():
    sizes = [partitions(n) for n in (1, 100, 10_000, 1_000_000, 10**9)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 1
    assert sizes[-1] <= 65_536
    assert all(n / partitions(n) >= 64 for n in (100, 10_000, 1_000_000))


@pytest.mark.parametrize("bad", [{"memory": 10}, {"code_bytes": 0}, {"memory": 10**9, "code_bytes": 64}])
def test_impossible_memory_is_refused(bad):
    with pytest.raises(BadInput):
        choose(100_000, 384, **bad)


@pytest.mark.parametrize(
    "faiss_plan", [choose(4000, 32, code_bytes=16), choose(4000, 32, code_bytes=40), choose(4000, 32), graph(4000, 32)]
)
def test_the_faiss_string_is_one(faiss_plan):
    faiss = pytest.importorskip("faiss")
    assert faiss.index_factory(32, faiss_plan.faiss).d == 32
