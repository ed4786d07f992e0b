from __future__ import annotations

import math

import numpy as np
import pytest

from veduta.judge.intervals import wilson
from veduta.judge.stratified import Estimate, Stratum, part, share


def test_one_thin_stratum_is_wilsons_interval_nearly():
    """The correction for drawing from a finite population is gone, and the half added to hits matters little."""
    for hits, n in ((30, 100), (5, 200), (199, 200)):
        own = share([Stratum("a", 10**9, n, hits)])
        low, high = wilson(hits, n)
        assert own.value == pytest.approx(hits / n)
        assert (own.low, own.high) == pytest.approx((low, high), abs=1e-6)


def test_weights_are_the_inverse_of_the_chance_to_be_drawn():
    strata = [Stratum("a", 900, 30, 3), Stratum("b", 90, 30, 15), Stratum("c", 10, 10, 10)]
    own = share(strata)
    rows = [(s.size / s.judged, i < s.hits) for s in strata for i in range(s.judged)]
    assert own.value == pytest.approx(sum(w for w, hit in rows if hit) / sum(w for w, _ in rows))
    assert own.low < own.value < own.high


def test_a_census_is_certain_and_nothing_judged_is_unknown():
    assert share([Stratum("a", 20, 20, 5), Stratum("b", 5, 5, 0)]) == Estimate(0.2, 0.2, 0.2)
    assert math.isnan(share([Stratum("a", 20, 20, 5), Stratum("b", 5, 0, 0)]).value)
    assert share([Stratum("a", 20, 20, 5), Stratum("empty", 0, 0, 0)]).value == 0.25
    assert math.isnan(share([]).value)
    none = share([Stratum("a", 5000, 50, 0)])
    assert none.value == none.low == 0
    assert 0.03 < none.high < 0.09  # no hit among fifty is not none at all


def test_parts_of_sure_counts_are_sure_and_bounds_keep_their_order():
    assert part(Estimate(30, 30, 30), Estimate(10, 10, 10)) == Estimate(0.75, 0.75, 0.75)
    own = part(Estimate(30, 20, 40), Estimate(10, 5, 20))
    assert 0 < own.low < 0.75 < own.high < 1
    sure = part(Estimate(30, 20, 40), Estimate(0, 0, 5))
    assert sure.value == sure.high == 1
    assert 0.7 < sure.low < 1
    assert part(Estimate(0, 0, 3), Estimate(5, 2, 9)).low == 0
    assert math.isnan(part(Estimate(0, 0, 0), Estimate(0, 0, 0)).value)


@pytest.mark.parametrize(
    "chances",
    [
        (0.001, 0.002, 0.01, 0.05, 0.2, 0.6, 0.9, 0.99),
        (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9, 1.0),
        (0.0, 0.0, 0.0, 0.02, 0.1, 0.5, 0.9, 1.0),
        (0.01, 0.01, 0.01, 0.01, 0.01, 0.5, 0.8, 0.95),
    ],
)
def test_intervals_hold_what_they_promise(chances: tuple[float, ...]):
    """95 % of the audits of a simulated pool hold the truth: residual, precision and recall."""
    rng = np.random.default_rng(7)
    sizes, drawn, kept = (4000, 2000, 1200, 560, 240, 500, 700, 800), 25, 5
    held, rounds = np.zeros(3), 600
    for _ in range(rounds):
        cases = [int(rng.binomial(size, chance)) for size, chance in zip(sizes, chances, strict=True)]
        strata = [
            Stratum("", size, drawn, int(rng.hypergeometric(case, size - case, drawn)))
            for size, case in zip(sizes, cases, strict=True)
        ]
        residual, precision = share(strata[:kept]), share(strata[kept:])
        left, found = sum(cases[:kept]), sum(cases[kept:])
        recall = part(precision.scaled(sum(sizes[kept:])), residual.scaled(sum(sizes[:kept])))
        for i, (one, truth) in enumerate(
            (
                (residual, left / sum(sizes[:kept])),
                (precision, found / sum(sizes[kept:])),
                (recall, found / (found + left)),
            )
        ):
            held[i] += one.low - 1e-9 <= truth <= one.high + 1e-9
    assert (held / rounds >= 0.925).all(), held / rounds
