"""Sharing a budget: against a general-purpose optimiser and by its own rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from veduta.select.allocate import project, whole
from veduta.select.sample import balanced


@pytest.mark.parametrize("seed", range(12))
def test_projection_is_the_optimum_of_the_quadratic_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 15))
    high = rng.integers(1, 60, k).astype(float)
    low = np.minimum(1.0, high - 1)
    total = float(rng.integers(int(low.sum()), int(high.sum()) + 1))
    p = rng.dirichlet(np.full(k, 0.5))
    wish = total * p
    oracle = minimize(
        lambda x: 0.5 * x @ x - wish @ x,
        x0=low + (high - low) * (total - low.sum()) / max(1e-9, (high - low).sum()),
        jac=lambda x: x - wish,
        bounds=list(zip(low, high, strict=True)),
        constraints={"type": "eq", "fun": lambda x: x.sum() - total, "jac": lambda x: np.ones(k)},
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-13},
    )
    mine = project(wish, low, high, total)
    assert mine.sum() == pytest.approx(total, abs=1e-6)
    assert (mine >= low - 1e-9).all()
    assert (mine <= high + 1e-9).all()
    assert np.allclose(mine, oracle.x, atol=1e-3)
    assert 0.5 * mine @ mine - wish @ mine <= oracle.fun + 1e-6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_whole_numbers_meet_the_budget_exactly(sizes: list[int], fraction: float, seed: int) -> None:
    size = np.array(sizes)
    total = int(fraction * size.sum())
    p = np.random.default_rng(seed).dirichlet(np.ones(len(size)))
    shares = project(total * p, np.zeros(len(size)), size.astype(float), float(total))
    counts = whole(shares, size, total)
    assert counts.sum() == total
    assert (counts >= 0).all()
    assert (counts <= size).all()
    assert np.abs(counts - shares).max() <= 1 + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.floats(0, 1))
def test_balanced_shares(sizes: list[int], fraction: float) -> None:
    size = np.array(sizes)
    total = int(fraction * size.sum())
    share = balanced(size, total)
    assert share.sum() == total
    assert (share <= size).all()
    open_groups = share[share < size]
    if len(open_groups):
        assert share.max() - open_groups.min() <= 1
