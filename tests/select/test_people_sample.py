from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.select.people_sample import PeopleSample

COUNT = 400


@pytest.fixture
def pool(make_pool):
    rng = np.random.default_rng(0)
    scores = rng.beta(1, 4, COUNT).astype(np.float32)
    flags = [None if i % 50 == 0 else bool(s >= 0.5) for i, s in enumerate(scores)]
    errors = ["undecodable" if i % 40 == 1 else None for i in range(COUNT)]
    return make_pool(
        [f"k{i:03d}" for i in range(COUNT)],
        person_score=pa.array(scores, pa.float32()),
        has_person=pa.array(flags, pa.bool_()),
        error=errors,
    )


def drawn(pool, **given) -> list[dict]:
    chosen = pool.select(PeopleSample(**given))
    rows = pool.table(["key", "has_person", "person_score", "people_stratum", "error"]).to_pylist()
    return [row | {"drawn": bool(kept)} for row, kept in zip(rows, chosen.keep, strict=True)]


def test_strata_hold_what_they_say(pool):
    rows = drawn(pool, count=64)
    able = [row for row in rows if row["error"] is None and row["has_person"] is not None]
    assert all((row["people_stratum"] is None) == (row not in able) for row in rows)
    assert not any(row["drawn"] for row in rows if row not in able)
    assert sum(row["drawn"] for row in rows) == 64
    names = sorted({row["people_stratum"] for row in able})
    assert names == [*(f"found, {i} of 3" for i in (1, 2, 3)), *(f"nobody found, {i} of 5" for i in range(1, 6))]
    for side, cuts, flag in (("nobody found", (0, 0.5, 0.75, 0.9, 0.97, 1), False), ("found", (0, 0.25, 0.6, 1), True)):
        scores = sorted(row["person_score"] for row in able if row["has_person"] is flag)
        edges = [round(cut * len(scores)) for cut in cuts]
        for i, (start, end) in enumerate(pairwise(edges), 1):
            own = [row for row in able if row["people_stratum"] == f"{side}, {i} of {len(cuts) - 1}"]
            assert sorted(row["person_score"] for row in own) == scores[start:end]
            assert all(row["has_person"] is flag for row in own)
            count = sum(row["drawn"] for row in own)
            assert count == len(own) or 7 <= count <= 11  # equally many, small strata whole


def test_the_draw_is_fixed_by_the_seed_and_grows(pool):
    few, same, other, many = (
        {row["key"] for row in drawn(pool, count=count, seed=seed) if row["drawn"]}
        for count, seed in ((40, 0), (40, 0), (40, 1), (120, 0))
    )
    assert few == same
    assert few != other
    assert few <= many


def test_small_pools_are_drawn_whole(make_pool):
    for count, flags in ((1, [True]), (3, [False, False, False]), (4, [True, False, True, False])):
        pool = make_pool(
            [f"k{i}" for i in range(count)],
            name=f"{count}.vd",
            person_score=pa.array([0.0] * count, pa.float32()),
            has_person=pa.array(flags),
        )
        assert all(row["drawn"] and row["people_stratum"] for row in drawn(pool))


def test_where_and_bad_pools(pool, make_pool):
    rows = drawn(pool, count=50, where="key < 'k100'")
    assert all(row["key"] < "k100" for row in rows if row["drawn"] or row["people_stratum"])
    with pytest.raises(NothingToDo, match="no row of"):
        pool.select(PeopleSample(where="key = 'none'"))
    with pytest.raises(BadInput, match="not valid SQL"):
        pool.select(PeopleSample(where="no column"))
    with pytest.raises(MissingColumn, match="annotate people"):
        make_pool(["a"], name="bare.vd").select(PeopleSample())
    odd = make_pool(["a"], name="odd.vd", has_person=pa.array(["yes"]), person_score=pa.array([1.0]))
    with pytest.raises(BadInput, match="needs the column 'has_person' of annotate people"):
        odd.select(PeopleSample())
