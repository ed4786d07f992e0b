from __future__ import annotations

import numpy as np
import pytest

from veduta.judge.curation import Curation
from veduta.judge.curation.axes import Axis, Task, _axis

WEIGHT = np.full(400, 1 / 400)


def task(name: str, **skill: float) -> Task:
    rng = np.random.default_rng(len(name))
    return Task(
        name, {arm: (rng.random((2, 400)) < share).astype(np.float32) for arm, share in skill.items()}, WEIGHT, 0.5
    )


def axis(*tasks: Task, reference: str | None = None) -> Axis:
    return _axis(Curation(selections=["a"], reference=reference), "ood", tasks, [])


def test_a_task_at_chance_is_named_and_counts_for_nothing():
    good, broken = task("good", a=0.9, b=0.7), task("broken", a=0.5, b=0.48)
    found = axis(good, broken)
    assert list(found.broken) == ["broken"]
    assert "no arm is above guessing (50.0%)" in found.broken["broken"]
    assert found.scores is not None
    assert found.scores.mean("a") == pytest.approx(good.right["a"].mean())
    assert [each.name for each in found.tasks] == ["good", "broken"]


def test_nothing_is_left_of_an_axis_of_broken_tasks():
    found = axis(task("broken", a=0.5, b=0.5))
    assert found.scores is None
    assert found.against == []


def test_the_mean_is_over_tasks_and_compared_with_the_reference():
    one, two = task("one", a=0.9, b=0.7), task("other", a=0.8, b=0.8)
    found = axis(one, two, reference="b")
    assert found.scores is not None
    for arm in ("a", "b"):
        assert found.scores.mean(arm) == pytest.approx((one.right[arm].mean() + two.right[arm].mean()) / 2)
    assert [(each.arm, each.other) for each in found.against] == [("a", "b")]
    assert found.against[0].value == pytest.approx(found.scores.mean("a") - found.scores.mean("b"))
