from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from veduta.judge.curation.compare import Scores, holm


def scores(right: dict[str, np.ndarray], random: tuple[str, ...] = (), rounds: int = 8000) -> Scores:
    n = next(iter(right.values())).shape[1]
    return Scores(right, np.full(n, 1 / n), random, np.random.default_rng(0), rounds)


def test_one_seed_has_the_interval_of_a_paired_mean():
    rng = np.random.default_rng(1)
    a, b = (rng.random((1, 400)) < 0.7).astype(float), (rng.random((1, 400)) < 0.6).astype(float)
    found = scores({"a": a, "b": b}).against([("a", "b")])[0]
    gaps = (a - b)[0]
    half = 1.96 * gaps.std() / 20
    assert found.value == pytest.approx(gaps.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    assert found.least == pytest.approx((found.high - found.low) / 2)
    assert found.chance == pytest.approx(2 * stats.norm.sf(abs(gaps.mean()) / (half / 1.96)), abs=0.02)


def test_what_seeds_add_is_welchs_interval():
    """Rows that do not vary leave the seeds alone; one fixed and one random arm are then Welch's t-test."""
    of = {"a": [0.50, 0.60, 0.55], "random": [0.40, 0.60, 0.35]}
    right = {name: np.repeat(np.array(own)[:, None], 5, 1) for name, own in of.items()}
    found = scores(right, ("random",), rounds=200_000).against([("a", "random")])[0]
    wanted = stats.ttest_ind(of["a"], of["random"], equal_var=False)
    low, high = wanted.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
    assert found.chance == pytest.approx(wanted.pvalue, abs=0.01)


def test_the_variance_between_seeds_is_pooled_over_fixed_arms():
    of = {"a": [0.5, 0.6], "b": [0.3, 0.3], "c": [0.1, 0.3], "random": [0.2, 0.9]}
    right = {name: np.repeat(np.array(own)[:, None], 3, 1) for name, own in of.items()}
    found = scores(right, ("random",))._between("b")
    assert found == (pytest.approx(np.mean([np.var(of[name], ddof=1) for name in "abc"])), 3)


def test_intervals_cover_the_truth():
    """Arms of equal skill, three seeds with a part of their own: 95 % of the intervals hold 0, or nearly."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(200):
        easy = rng.normal(0, 1, 120)
        right = {
            name: (easy + rng.normal(0, 0.3, (3, 1)) + rng.normal(0, 1, (3, 120)) > 0).astype(float) for name in ("a", "b", "c")
        }  # fmt: skip
        found = Scores(right, np.full(120, 1 / 120), (), rng, 400).against([("a", "b")])[0]
        held += found.low <= 0 <= found.high
    assert 0.91 <= held / 200 <= 1.0


def test_weights_are_those_of_the_score():
    right = {"a": np.array([[1.0, 1, 0, 0]]), "b": np.array([[0.0, 0, 0, 0]])}
    found = Scores(right, np.array([0.1, 0.2, 0.3, 0.4]), (), np.random.default_rng(0), 100)
    assert found.mean("a") == pytest.approx(0.3)


def test_arms_alike_on_every_row_differ_by_nothing():
    one = (np.random.default_rng(3).random((2, 50)) < 0.5).astype(float)
    found = scores({"a": one, "b": one.copy()}, rounds=200).against([("a", "b")])[0]
    assert (found.value, found.shown) == (0, False)
    assert found.chance > 0.9


def test_holm_is_the_step_down_procedure():
    chances = [0.04, 0.01, 0.03, 0.2]
    order, most, wanted = sorted(range(4), key=chances.__getitem__), 0.0, [0.0] * 4
    for place, i in enumerate(order):
        most = max(most, (4 - place) * chances[i])
        wanted[i] = min(1.0, most)
    assert holm(chances) == pytest.approx(wanted)
    assert holm([]) == []
