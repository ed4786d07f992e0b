from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from veduta.errors import BadInput
from veduta.judge.curation.arms import Arm, equalised, reasons, trimmed, with_random
from veduta.judge.curation.exam import Exam
from veduta.judge.curation.statistics import balance
from veduta.pool import Selection


def arm(name: str, rows: object, **more: object) -> Arm:
    return Arm(name, "recipe", (np.asarray(rows, np.int64),), "label", **more)  # type: ignore[arg-type]


def exam_of(n: int, rows: list[int]) -> Exam:
    eligible = np.ones(n, bool)
    eligible[rows] = False
    eligible[0] = False
    truth = np.arange(len(rows)) % 2
    return Exam("label", np.array(rows), truth, ["a", "b"], np.full(len(rows), 1 / len(rows)), eligible)


def test_rows_that_cannot_be_trained_on_are_counted_once_each():
    labels = ["a", "b", None, "c", "a", "b", "a", "b", "a", "b"]
    leaked = {"the same file": np.arange(10) == 4}
    has = np.arange(10) != 5
    found = trimmed(arm("x", range(10)), exam_of(10, [8, 9]), labels, leaked, has=has)
    assert found.draws[0].tolist() == [1, 6, 7]
    assert found.left == {
        "test rows": 2,
        "rows of other splits or undecodable": 1,
        "the same file": 1,
        "rows without a value in 'label'": 1,
        "rows without what the task reads": 1,
        "labels outside the reference's classes": 1,
    }


def test_a_random_arm_for_each_size():
    everything = arm("everything", range(500))
    arms = [arm("a", range(100)), arm("b", range(105)), arm("c", range(300)), arm("none", [])]
    found = with_random(arms, everything, "label", seeds=3, seed=0)
    assert [each.name for each in found] == ["random 102", "random 300", "a", "b", "c", "none"]
    assert [each.rival for each in found[2:]] == ["random 102", "random 102", "random 300", ""]
    draws = found[0].draws
    assert [len(draw) for draw in draws] == [102] * 3
    assert all(len(np.unique(draw)) == 102 and (np.diff(draw) > 0).all() for draw in draws)
    assert not np.array_equal(draws[0], draws[1])
    again = with_random(arms, everything, "label", seeds=3, seed=0)
    assert all(np.array_equal(x, y) for x, y in zip(draws, again[0].draws, strict=True))


def test_sizes_are_made_equal_or_refused():
    arms = [arm("a", range(100)), arm("b", range(150)), arm("none", [])]
    assert [len(each) for each in equalised(arms, "own", 0)] == [100, 150, 0]
    cut = equalised(arms, "smallest", 0)
    assert [len(each) for each in cut] == [100, 100, 0]
    assert cut[1].left == {"drawn away, to the size of the smallest arm": 50}
    with pytest.raises(BadInput, match="'a' has 100 rows and 'b' 150"):
        equalised(arms, "refuse", 0)
    assert [len(each) for each in equalised([arm("a", range(100)), arm("b", range(109))], "refuse", 0)] == [100, 109]


def test_reasons_are_told_without_their_numbers():
    keep = np.array([False, False, False, True, False, False])
    words = pa.array(
        ["x", "nearer (distance 0.12)", "nearer (distance 0.5)", None, "same as 'k01'", "nearer (distance 1)"]
    )
    found = reasons(arm("x", [3], chosen=Selection.of("x", keep, words)), exam_of(6, [5]))
    assert found == {"nearer (distance …)": 2, "same as …": 1}


def test_balance_counts():
    counts = np.array([0, 5, 10, 85] + [0] * 36)
    assert balance(counts, few=10) == {"classes_covered": 3, "few": 38, "top_share": pytest.approx(0.95)}
