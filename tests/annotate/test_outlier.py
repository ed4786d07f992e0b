"""Outlier distances against plain loops, and planted strangers."""

import numpy as np
import pytest
from tests.annotate.pools import pool_of, unit, vectors_of

from veduta.annotate import outlier
from veduta.annotate.outlier import Outlier, mean_distance, neighbour_count, robust_score
from veduta.annotate.vectors import Vectors
from veduta.errors import MissingColumn


def vectors(values: np.ndarray, rest: np.ndarray | None = None) -> Vectors:
    n = len(values)
    return Vectors(values.astype(np.float32), np.arange(n), np.zeros(n, np.float32) if rest is None else rest)


def slow_distance(values: np.ndarray, rest: np.ndarray, k: int) -> list[float]:
    result = []
    for i in range(len(values)):
        apart = sorted((((values[i] - values[j]) ** 2).sum(), j) for j in range(len(values)) if j != i)[:k]
        result.append(np.sqrt(np.mean([square + rest[i] + rest[j] for square, j in apart])))
    return result


def test_mean_distance_against_loops():
    rng = np.random.default_rng(0)
    values, rest = rng.standard_normal((60, 5)), rng.random(60).astype(np.float32)
    values[7] = values[3]  # an exact duplicate
    found = mean_distance(vectors(values, rest), 4)
    assert found == pytest.approx(slow_distance(values.astype(np.float32), rest, 4), rel=1e-4)


def test_the_inverted_file_agrees_with_exact_search(monkeypatch):
    rng = np.random.default_rng(1)
    values = unit(rng.standard_normal((1500, 6)))
    exact = mean_distance(vectors(values), 10)
    monkeypatch.setattr(outlier, "EXACT_ROWS", 100)
    near = mean_distance(vectors(values), 10)
    assert np.corrcoef(exact, near)[0, 1] > 0.98
    assert np.array_equal(near, mean_distance(vectors(values), 10))


def test_the_score_is_one_half_at_the_threshold():
    logs = np.random.default_rng(0).normal(0, 1, 20_000)
    upper = np.quantile(logs, 0.8413) - np.median(logs)
    logs[-1] = np.median(logs) + 3.5 * upper
    score, flag = robust_score(np.exp(logs).astype(np.float32), 3.5)
    assert score[-1] == pytest.approx(0.5, abs=0.01)
    assert flag[:-1].mean() < 0.001
    assert np.array_equal(flag[:-1], score[:-1] >= 0.5)


def test_planted_strangers_are_found_and_no_share_is_flagged_without(tmp_path):
    rng = np.random.default_rng(2)
    theme = unit(rng.standard_normal((500, 32)) + 4 * rng.standard_normal(32))
    strangers = unit(rng.standard_normal((8, 32)) - 4 * np.eye(32)[:8])
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(np.concatenate([theme, strangers]), missing=(3,))})
    pool.annotate(Outlier())
    table = pool.table(["outlier", "is_outlier"]).to_pydict()
    assert table["outlier"][3] is None
    assert all(table["is_outlier"][500:])
    assert sum(map(bool, table["is_outlier"][:500])) == 0
    clean = pool_of(tmp_path / "c.vd", {"embedding": vectors_of(theme)})
    clean.annotate(Outlier())
    assert not any(clean.table(["is_outlier"]).column(0).to_pylist())


def test_small_and_equal_pools(tmp_path):
    for count in (1, 3, 4, 12):
        pool = pool_of(tmp_path / f"{count}.vd", {"embedding": vectors_of(np.ones((count, 4)))})
        pool.annotate(Outlier())
        assert pool.table(["outlier"]).column(0).to_pylist() == [0.0] * count
    assert len(Outlier().compute(pool.where("key = 'none'"))) == 0
    with pytest.raises(MissingColumn):
        pool.annotate(Outlier(embedding="other"))
    assert [neighbour_count(n) for n in (2, 5, 100, 10**6)] == [1, 4, 20, 100]
