"""Odd sizes against the definition."""

import numpy as np
from tests.annotate.pools import pool_of

from veduta.annotate.odd_size import OddSize, odd_size


def test_the_score_is_one_half_at_five_robust_deviations():
    sides = np.exp(np.r_[np.linspace(-1, 1, 201) * 0.6 + 6, 6 + 5 * 1.4826 * 0.3])
    score, median = odd_size(np.round(sides * 1000).astype(int), np.round(sides * 1000).astype(int))
    assert abs(median / 1000 - np.exp(6)) < 5
    assert 0.45 < score[-1] < 0.55
    assert score[:-1].max() < 0.05


def test_equal_sizes_are_never_odd_and_the_reason_has_numbers(tmp_path):
    pool = pool_of(tmp_path / "p.vd", {"width": [640] * 30 + [20, 640], "height": [480] * 30 + [20, 480]})
    pool.annotate(OddSize())
    table = pool.table(["quality_odd_size", "odd_size_reason"]).to_pydict()
    assert max(table["quality_odd_size"][:30]) == 0
    assert table["quality_odd_size"][30] > 0.9
    assert table["odd_size_reason"][30] == "20 x 20 pixels is 27.7 times smaller than the typical 554 x 554"
    assert table["odd_size_reason"][:30] == [None] * 30


def test_rows_without_size_and_empty_pools(tmp_path):
    pool = pool_of(tmp_path / "p.vd", {"width": [None, 4], "height": [None, 5]})
    pool.annotate(OddSize())
    assert pool.table(["quality_odd_size"]).column(0).to_pylist() == [None, 0.0]
    empty = OddSize().compute(pool.where("width > 99"))
    assert len(empty) == 0
    assert empty.schema.names == ["_row", "quality_odd_size", "odd_size_reason"]
