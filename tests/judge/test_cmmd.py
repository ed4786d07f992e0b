from __future__ import annotations

import math

import numpy as np
import pytest

from veduta.errors import BadInput
from veduta.judge.cmmd import cmmd
from veduta.judge.neighbours import weighted_votes


def test_cmmd_is_its_double_sum():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (7, 4)), rng.normal(0.5, 1, (5, 4))
    x, y = ([v / math.sqrt(sum(v * v)) for v in side] for side in (a, b))

    def kernel(one: list, other: list) -> float:
        values = [math.exp(-sum((p - q) ** 2) / 200) for p in one for q in other]
        return sum(values) / len(values)

    assert cmmd(a, b) == pytest.approx(1000 * (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)), abs=1e-6)
    assert cmmd(a, a) == pytest.approx(0, abs=1e-9)
    with pytest.raises(BadInput, match="same dimensions"):
        cmmd(a, b[:, :3])


def test_the_weighted_vote_is_its_loop():
    rng = np.random.default_rng(1)
    x, queries = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in (rng.normal(size=(30, 5)), rng.normal(size=(9, 5)))
    )
    labels = rng.integers(0, 3, 30)
    found = weighted_votes(
        x.astype(np.float32), labels[:, None] == np.arange(3), queries.astype(np.float32), (2, 7, 50), 0.07
    )
    for k in (2, 7, 50):
        for i, query in enumerate(queries):
            near = sorted(range(30), key=lambda j: -float(x[j] @ query))[:k]
            shares = [sum(math.exp((float(x[j] @ query) - 1) / 0.07) for j in near if labels[j] == c) for c in range(3)]
            assert found[k][i] == pytest.approx(shares, rel=1e-3)
