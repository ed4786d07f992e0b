"""Pools of look-alikes get a higher threshold; copies alone do not raise it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.select.conftest import partner, unit

from veduta.select.alike import raised, unrelated_cosine


def test_look_alikes_raise_the_threshold_and_copies_do_not() -> None:
    rng = np.random.default_rng(0)
    apart = unit(rng.standard_normal((600, 64)))
    order = np.arange(600)
    cosines = (apart @ apart.T)[np.triu_indices(600, 1)]
    assert unrelated_cosine(apart, order, 0.9) == pytest.approx(np.quantile(cosines, 0.99), abs=1e-6)
    assert raised(0.9, unrelated_cosine(apart, order, 0.9)) == 0.9

    alike = unit(rng.standard_normal(64) + 0.05 * rng.standard_normal((600, 64)))
    assert raised(0.9, unrelated_cosine(alike, order, 0.999)) > 0.95

    scenes = partner(
        np.repeat(apart[:4], 150, axis=0), 0.99, rng
    )  # a camera: four scenes, a quarter of all pairs alike
    assert raised(0.9, unrelated_cosine(scenes, order, 0.9)) == 0.9
    assert unrelated_cosine(apart[:100], order[:100], 0.9) is None
    assert unrelated_cosine(np.ones((300, 1), np.float32), np.arange(300), 0.9) is None
    assert raised(0.96, None) == 0.96
    assert raised(0.82, 0.83) == pytest.approx(0.96532)


def test_hashes_tell_copies_from_look_alikes() -> None:
    rng = np.random.default_rng(1)
    alike = partner(np.repeat(unit(rng.standard_normal((1, 64))), 300, axis=0), 0.97, rng)
    words = rng.integers(0, 2**63, 300).astype(np.uint64)
    found = unrelated_cosine(alike, np.arange(300), 0.9, hashes=words, bits=4)
    assert found is not None
    assert raised(0.9, found) > 0.98
