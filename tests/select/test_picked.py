"""Rows chosen by hand, and selections corrected by review."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotate.pools import pool_of
from veduta.annotate.review import Review
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool
from veduta.select.picked import MOST, Picked
from veduta.select.reviewed import Reviewed
from veduta.select.where import Where


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return pool_of(tmp_path / "p.vd", {"size": [1, 2, 3, 4]})


def test_the_picked_stay_and_all_others_have_the_reason(pool: Pool) -> None:
    chosen = pool.select(Picked(keys=("00002", "00000", "00002", "gone"), reason="not in the view"), name="mine")
    assert chosen.keep.tolist() == [True, False, True, False]
    assert chosen.reasons.to_pylist() == [None, "not in the view", None, "not in the view"]
    assert chosen.summary == {"not_found": 1}
    assert pool.lineage()[-1].parameters["keys"] == ["00000", "00002", "gone"]


def test_nothing_found_and_too_many_are_refused(pool: Pool) -> None:
    with pytest.raises(BadInput, match="none of the 1 keys, such as 'gone'"):
        pool.select(Picked(keys=("gone",)))
    with pytest.raises(BadInput, match="keys of picked"):
        Picked(keys=())
    with pytest.raises(BadInput, match="keys of picked") as caught:
        Picked(keys=tuple(map(str, range(MOST + 1))))
    assert len(str(caught.value)) < 500


def test_a_review_is_applied_to_a_selection(pool: Pool) -> None:
    pool.select(Where(sql="size > 1"), name="proposed")
    with pytest.raises(NothingToDo, match="nothing was decided"):
        pool.select(Reviewed())
    pool.annotate(Review(kind="duplicates", decisions={"00000": "keep", "00001": "leave-out"}))
    pool.annotate(Review(kind="outliers", decisions={"00002": "accept", "00003": "dismiss"}))
    chosen = pool.select(Reviewed())
    assert chosen.keep.tolist() == [True, False, False, True]
    assert chosen.reasons.to_pylist() == [
        None,
        "left out in the review of duplicates",
        "left out in the review of outliers",
        None,
    ]
    pool.annotate(Review(kind="outliers", decisions={"00002": "open"}))
    assert pool.select(Reviewed()).keep.tolist() == [True, False, True, True]
