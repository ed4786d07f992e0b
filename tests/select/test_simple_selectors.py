"""ExactDuplicates, Top, Sample and Where on small pools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.pool import Pool
from veduta.select.exact_duplicates import ExactDuplicates
from veduta.select.sample import Sample
from veduta.select.top import Top
from veduta.select.where import Where

MakePool = Callable[..., Pool]


def test_exact_duplicates_keep_the_first_good_key(make_pool: MakePool) -> None:
    pool = make_pool(
        ["d", "b", "c", "a", "e", "f"],
        digest=["1", "1", "2", "1", None, None],
        error=[None, None, None, "truncated", None, None],
        width=[4] * 6,
        height=[4] * 6,
    )
    chosen = pool.select(ExactDuplicates())
    assert chosen.keep.tolist() == [False, True, True, False, True, True]
    assert chosen.reasons.to_pylist() == ["same bytes as b", None, None, "same bytes as b", None, None]
    assert pool.table(["exact_group"]).column(0).to_pylist() == [0, 0, None, 0, None, None]
    assert chosen.summary == {"groups": 1, "duplicates": 2, "largest_group": 3}


def test_top_counts_ties_and_nulls(make_pool: MakePool) -> None:
    pool = make_pool(["e", "d", "c", "b", "a", "n"], score=[0.1, 0.5, 0.5, 0.5, 0.9, None])
    chosen = pool.select(Top(column="score", keep=0.4))
    assert [pool.table(["key"])["key"][i].as_py() for i in chosen.rows()] == ["b", "a"]
    assert chosen.reasons.to_pylist() == [
        "outside the top 40 % by score (0.1 < 0.5)",
        "outside the top 40 % by score (0.5, a tie)",
        "outside the top 40 % by score (0.5, a tie)",
        None,
        None,
        "no value in score",
    ]
    lowest = pool.select(Top(column="score", count=1, lowest=True), name="low")
    assert lowest.rows().tolist() == [0]
    assert "(0.9 > 0.1)" in lowest.reasons[4].as_py()


def test_top_refuses_what_it_cannot_rank(make_pool: MakePool) -> None:
    pool = make_pool(["a", "b"], label=["x", "y"], score=pa.array([None, None], pa.float32()))
    with pytest.raises(MissingColumn, match="missing"):
        pool.select(Top(column="missing", keep=0.5))
    with pytest.raises(BadInput, match="numeric"):
        pool.select(Top(column="label", keep=0.5))
    with pytest.raises(NothingToDo):
        pool.select(Top(column="score", keep=0.5))
    with pytest.raises(BadInput, match="either keep"):
        Top(column="score")
    with pytest.raises(BadInput, match="keep"):
        Top(column="score", keep=0)
    with pytest.raises(BadInput, match="at most the 2 rows"):
        pool.select(Sample(count=3))


def test_sample_is_seeded_nested_and_independent_of_row_order(make_pool: MakePool) -> None:
    keys = [f"{i:04d}.jpg" for i in range(400)]
    pool, turned = make_pool(keys), make_pool(keys[::-1], name="turned.vd")
    small, large = pool.select(Sample(keep=0.1), name="small"), pool.select(Sample(keep=0.3), name="large")
    assert (len(small), len(large)) == (40, 120)
    assert set(small.rows()) < set(large.rows())
    assert set(399 - turned.select(Sample(keep=0.1)).rows()) == set(small.rows())
    assert set(pool.select(Sample(keep=0.1, seed=1), name="other").rows()) != set(small.rows())
    grown = make_pool(keys + [f"new{i}.jpg" for i in range(40)], name="grown.vd")
    before = set(small.rows())
    assert len(before & set(grown.select(Sample(count=40)).rows())) >= 30


@pytest.mark.parametrize(
    ("method", "expected"), [("balanced", {"a": 13, "b": 13, "c": 4}), ("stratified", {"a": 18, "b": 11, "c": 1})]
)
def test_sample_by_group(make_pool: MakePool, method: str, expected: dict[str, int]) -> None:
    labels = ["a"] * 60 + ["b"] * 36 + ["c"] * 4
    pool = make_pool([str(i) for i in range(100)], label=labels)
    chosen = pool.select(Sample(count=30, method=method))
    assert Counter(labels[i] for i in chosen.rows()) == expected
    assert "drawn from label 'a'" in chosen.reasons.drop_null()[0].as_py()


def test_where(make_pool: MakePool) -> None:
    pool = make_pool(["a", "b", "c"], width=[10, 300, None], label=["it's", "y", "z"])
    chosen = pool.select(Where(sql="width > 100"))
    assert chosen.keep.tolist() == [False, True, False]
    assert chosen.reasons[0].as_py() == "does not satisfy: width > 100"
    assert Where(sql="width > 100 and label = 'it''s height'").reads() == ["label", "width"]
    with pytest.raises(BadInput, match="not valid SQL"):
        pool.select(Where(sql="no_such > 3"))
    assert np.array_equal(pool.selection("where").keep, chosen.keep)


def test_a_condition_is_the_reason_unless_words_are_given(make_pool: MakePool) -> None:
    pool = make_pool(["a", "b"], width=[10, 300])
    told = pool.select(Where(sql="width > 100", reason="too narrow for the printer"), name="worded")
    assert told.reasons[0].as_py() == "too narrow for the printer"
    long = pool.select(Where(sql="width > 100" + " and width > 100" * 50), name="long")
    assert len(long.reasons[0].as_py()) < 530
